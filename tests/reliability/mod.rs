//! What goes wrong on real machines, injected: nothing lost, a clear word, a resume that works.

mod clock;
mod damage;
mod kill;
mod time_out;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cli::{TINY, command_in, with_sets};

/// `train` on the tiny model, with a checkpoint every other step.
fn arguments<'a>(sets: &[&'a str], flags: &[&'a str]) -> Vec<&'a str> {
    let tiny = [&["train", "--json", "--quiet"], &TINY[..], flags].concat();
    with_sets(&tiny, &[&["model.num_classes=10", "train.batch=16", "probe.images=4", "train.checkpoint_every=2"], sets].concat())
}

/// The run of `folder`; there must be one.
fn only_run(folder: &Path) -> PathBuf {
    let mut runs: Vec<PathBuf> = std::fs::read_dir(folder.join("runs")).expect("runs").map(|run| run.expect("an entry").path()).collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.remove(0)
}

/// The bytes of the last checkpoint of a run: equal where two runs are.
fn last_checkpoint(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("checkpoints/last.safetensors")).expect("a checkpoint")
}

/// Starts a command and waits until it has told its `step`-th step.
fn started(mut command: Command, step: u64) -> Child {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut lines = BufReader::new(child.stdout.as_mut().expect("stdout is piped")).lines();
    let words = [format!("\"step\":{step},"), "\"type\":\"step\"".to_string()];
    let is_told = lines.any(|line| line.is_ok_and(|line| words.iter().all(|word| line.contains(word.as_str()))));
    assert!(is_told, "the run ended before step {step}");
    child
}

/// A long run under way in `folder`.
fn long_run(folder: &Path) -> Child {
    started(command_in(folder, &arguments(&["schedule.epochs=100000"], &[])), 5)
}
