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
