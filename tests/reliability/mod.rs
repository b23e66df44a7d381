//! What goes wrong on real machines, injected: nothing lost, a clear word, a resume that works.

mod clock;
mod damage;
mod kill;
mod time_out;

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::cli::command_in;

/// Trains a model so small that a step takes a millisecond, on noise, with a checkpoint every other step.
const TINY: [&str; 25] = [
    "train",
    "--device",
    "cpu",
    "--json",
    "--quiet",
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
    "model.num_classes=10",
    "--set",
    "train.batch=16",
    "--set",
    "schedule.warmup_epochs=0",
    "--set",
    "probe.images=4",
    "--set",
    "train.checkpoint_every=2",
];

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
    started(command_in(folder, &[&TINY[..], &["--set", "schedule.epochs=100000"]].concat()), 5)
}
