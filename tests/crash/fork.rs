//! A run that crashed, forked from before its crash; a healthy run, driven off.

use std::path::Path;

use serde_json::Value;
use vitrine::run::event::{Event, Status};
use vitrine::run::read::{Recorded, read_run};
use vitrine::run::state::RunState;
use vitrine::run::story::Story;
use vitrine::train::session::{Outcome, Request, Start};

use crate::cli::{Answer, vitrine_in};
use crate::train::outcomes::{request, train};

fn losses(run_dir: &Path) -> Vec<(u64, u64)> {
    let events = read_run(run_dir).expect("the run").events;
    events.iter().filter_map(|event| if let Event::Step(stat) = event { Some((stat.step, stat.loss.to_bits())) } else { None }).collect()
}

fn recorded(outcome: &Outcome) -> Recorded {
    read_run(&outcome.run_dir).expect("the run")
}

/// Crashes when the warm-up reaches rates that no number survives.
const DOOMED: [&str; 5] =
    ["schedule.warmup_epochs=8", "schedule.warmup_lr=1e-4", "optim.lr=1e24", "schedule.epochs=8", "crash.snapshot_every=20"];

#[test]
fn a_fork_with_the_same_config_crashes_again_at_the_same_step() {
    let folder = tempfile::tempdir().expect("a folder");
    let late = [
        "schedule.kind=deit",
        "schedule.warmup_epochs=3",
        "schedule.warmup_lr=1e-3",
        "optim.lr=1e24",
        "schedule.epochs=8",
        "crash.snapshot_every=20",
    ];
    let request = request(folder.path(), &late);
    let crashed = train(&request, |_, _| {});
    assert_eq!(crashed.status, Status::Crashed);
    let crash = crashed.crash.expect("a crash");
    assert!(crash.step > 31, "the first epochs run at 1e-3: {crash:?}");

    let parent = recorded(&crashed);
    let story = Story::of(&RunState::from_events(&parent.events)).expect("a crash");
    let before = story.snapshot_steps_before.expect("a snapshot");
    assert!((10..=30).contains(&before), "{story:?}");
    assert_eq!(parent.header.meta.parent, None);

    let forked = train(&Request { start: Start::Fork(crashed.run_dir.clone(), "pre-crash".into()), ..request.clone() }, |_, _| {});
    assert_ne!(forked.run_dir, crashed.run_dir);
    assert_eq!(forked.crash, crashed.crash);
    assert_eq!(losses(&forked.run_dir), losses(&crashed.run_dir), "the history is a copy, and the rest is the same again");
    let child = recorded(&forked).header.meta.parent.expect("a parent");
    assert_eq!((child.run, child.checkpoint.as_str(), child.step), (parent.header.meta.id, "pre-crash", crash.step - before));
}

#[test]
fn a_fork_with_a_calmer_rate_survives_and_is_a_run_like_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let crashed = train(&request(folder.path(), &DOOMED), |_, _| {});
    assert_eq!(crashed.status, Status::Crashed);
    let calm = ["schedule.warmup_epochs=0", "optim.lr=1e-3", "schedule.epochs=2"];
    let calm = Request { start: Start::Fork(crashed.run_dir.clone(), "pre-crash".into()), ..request(folder.path(), &calm) };
    let first = train(&Request { max_steps: Some(40), ..calm.clone() }, |_, _| {});
    assert_eq!(first.status, Status::Finished);
    let resumed = train(&Request { start: Start::Resume(first.run_dir.clone()), ..calm }, |_, _| {});
    assert_eq!((resumed.status, resumed.run_dir), (Status::Finished, first.run_dir.clone()));
    let steps: Vec<u64> = losses(&first.run_dir).iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, (1..=62).collect::<Vec<u64>>());
}

fn cli(folder: &Path, more: &[&str]) -> Answer {
    vitrine_in(folder, &[&["train", "--device", "cpu", "--json", "--quiet"], more].concat())
}

#[test]
fn a_learned_run_is_driven_off_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = [
        "--preset",
        "demo",
        "--set",
        "model.dim=16",
        "--set",
        "model.depth=1",
        "--set",
        "model.stem_width=4",
        "--set",
        "data.fraction=0.05",
        "--set",
        "train.batch=16",
        "--set",
        "train.eval_every=100",
        "--set",
        "schedule.kind=constant",
        "--set",
        "schedule.warmup_epochs=0",
        "--set",
        "probe.every=0",
        "--set",
        "probe.images=2",
        "--set",
        "optim.lr=2e-3",
        "--set",
        "schedule.epochs=24",
    ];
    let learned = cli(folder.path(), &[&small[..], &["--name", "learned", "--max-steps", "300"]].concat());
    assert_eq!(learned.code, Some(0), "{}", learned.stderr);

    let driven = cli(folder.path(), &["--from", "learned", "--set", "optim.lr=1.0", "--name", "driven"]);
    assert_eq!(driven.code, Some(10), "{}", driven.stderr);
    let end: Value = serde_json::from_str(driven.stdout.lines().last().expect("a summary")).expect("JSON");
    assert!(["diverged", "collapsed"].contains(&end["crash"]["type"].as_str().expect("a kind")), "{end}");
    let shown = vitrine_in(folder.path(), &["runs", "show", "driven"]).done();
    for words in ["forked from", "last at step 300", "t0     ", "checkpoints/pre-crash.safetensors holds the state"] {
        assert!(shown.contains(words), "no `{words}` in {shown}");
    }
    cli(folder.path(), &["--from", "driven", "--at", "17"]).refused(2, &["--at 17", "there are pre-crash (step 300)"]);
    cli(folder.path(), &["--from", "driven", "--preset", "demo"]).refused(2, &["--preset"]);
    cli(folder.path(), &["--at", "last"]).refused(2, &["--from"]);
    cli(folder.path(), &["--from", "learned", "--set", "schedule.epochs=1"]).refused(3, &["step 300", "schedule.epochs"]);
}

#[test]
fn a_fork_has_the_best_weights_that_its_history_speaks_of() {
    let folder = tempfile::tempdir().expect("a folder");
    // Weights that hardly move: the first evaluation, at step 31, stays the best.
    let request = Request { max_steps: Some(40), ..request(folder.path(), &["optim.lr=1e-9", "schedule.epochs=2", "train.eval_every=1"]) };
    let parent = train(&request, |_, _| {});
    let fork = Request { max_steps: Some(42), start: Start::Fork(parent.run_dir.clone(), "last".into()), ..request };
    let best = |outcome: &Outcome| outcome.run_dir.join("checkpoints/best.safetensors");
    let forked = train(&fork, |_, _| {});
    assert!(std::fs::read(best(&parent)).expect("best") == std::fs::read(best(&forked)).expect("a copy"));
    let run = recorded(&forked);
    assert_eq!(run.header.meta.best.map(|best| best.step), Some(31));
    let copied = |event: &Event| matches!(event, Event::Checkpoint(made) if made.state_step == Some(31) && made.step == 40);
    assert!(run.events.iter().any(copied), "{:?}", run.events);

    std::fs::remove_file(best(&parent)).expect("it was there");
    let mut notes = Vec::new();
    let without = train(&fork, |event, _| {
        if let Event::Started(started) = event {
            notes.clone_from(&started.notes);
        }
    });
    assert!(notes.iter().any(|note| note.contains("best weights so far, of step 31")), "{notes:?}");
    let run_dir = without.run_dir.to_str().expect("UTF-8");
    let evaluated = vitrine_in(folder.path(), &["eval", "--run", run_dir, "--device", "cpu"]);
    assert!(evaluated.stderr.contains("of step 31, are not kept; taking `last`"), "{}", evaluated.stderr);
    evaluated.done();
}
