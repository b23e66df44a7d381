//! The binary as a user meets it: what it says, and its exit code.

mod bad_input;
mod data;
mod inspect;
mod listing;
mod runs;
mod training;
mod usage;

use std::path::Path;
use std::process::{Command, Stdio};

/// A training so small that a step takes a millisecond, on noise and on the processor; see [`with_sets`].
pub const TINY: [&str; 14] = [
    "--device",
    "cpu",
    "--preset",
    "bench-64x4",
    "--set",
    "model.image_size=8",
    "--set",
    "model.dim=16",
    "--set",
    "model.heads=2",
    "--set",
    "model.depth=1",
    "--set",
    "schedule.warmup_epochs=0",
];

/// `arguments`, and `--set` before each of `sets`.
pub fn with_sets<'a>(arguments: &[&'a str], sets: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(sets.iter().flat_map(|set| ["--set", set])).collect()
}

/// What a call of the binary gave.
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// `vitrine` with these arguments in `folder`, without the caller's `VITRINE_` variables.
pub fn command_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vitrine"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VITRINE_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// Runs `vitrine` with these arguments in `folder`.
pub fn vitrine_in(folder: &Path, arguments: &[&str]) -> Answer {
    let output = command_in(folder, arguments).output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("the binary writes UTF-8");
    Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs `vitrine` in an empty folder.
pub fn vitrine(arguments: &[&str]) -> Answer {
    let folder = tempfile::tempdir().expect("a temporary folder");
    vitrine_in(folder.path(), arguments)
}

impl Answer {
    /// The call was refused with this exit code and all of these words on stderr, and gave no data.
    #[track_caller]
    pub fn refused(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in: {}", self.stderr);
        }
        assert_eq!(self.stdout, "", "a refused call gives no data");
    }

    /// The call succeeded; its stdout.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }
}
