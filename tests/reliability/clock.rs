//! A clock that goes backwards.

use std::fs;
use std::path::Path;

use vitrine::run::read::{list, read_run, resolve};
use vitrine::run::state::RunState;
use vitrine::run::store::RunStore;
use vitrine::run::tfevents::read;

use crate::run_store::sample::{new_run, part, started};

fn create(runs_dir: &Path, name: &str) -> String {
    RunStore::create(runs_dir, new_run(name)).expect("a run").meta().id.clone()
}

#[test]
fn the_latest_run_is_the_latest_though_the_clock_went_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = create(folder.path(), "first");
    // As if made while the clock was a century ahead.
    let ahead = format!("2126{}", &first[4..]);
    fs::rename(folder.path().join(&first), folder.path().join(&ahead)).expect("a folder");
    let meta = folder.path().join(&ahead).join("run.json");
    let text = fs::read_to_string(&meta).expect("run.json");
    fs::write(&meta, text.replace(&first, &ahead)).expect("run.json");

    let ids = ["second", "third"].map(|name| create(folder.path(), name));
    let listed: Vec<String> = list(folder.path()).expect("runs").runs.into_iter().map(|run| run.meta.id).collect();
    assert_eq!(listed, [&[ahead][..], &ids].concat());
    assert_eq!(resolve(folder.path(), "last").expect("a run"), folder.path().join(&ids[1]));
    assert!(ids[0].starts_with("2126"), "ids go on counting: {ids:?}");
}

/// Years ahead: 2096.
const AHEAD_SECS: u64 = 4_000_000_000;

#[test]
fn a_run_resumed_after_the_clock_went_back_goes_on_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut store = RunStore::create(folder.path(), new_run("demo")).expect("a run");
    [vec![started(0)], part(1, 7)].concat().iter().for_each(|event| store.record(event).expect("recorded"));
    let path = store.path().to_path_buf();
    drop(store);
    // As if written while the clock was ahead, for ten minutes.
    let written = fs::read_dir(path.join("tb")).expect("a folder").next().expect("a file").expect("an entry").path();
    let ahead = written.with_file_name(format!("events.out.tfevents.{AHEAD_SECS}.vitrine"));
    fs::rename(&written, &ahead).expect("a file");
    let until = AHEAD_SECS + 600;
    let file = fs::File::options().append(true).open(&ahead).expect("a file");
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(until)).expect("a time");

    let (mut store, _) = RunStore::resume(&path, 3).expect("resumable");
    part(4, 8).iter().for_each(|event| store.record(event).expect("recorded"));
    drop(store);
    let mut files: Vec<_> = fs::read_dir(path.join("tb")).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    // TensorBoard reads the files of a run by name: the second session must come second, and takes back steps 4 to 7.
    assert_eq!((files.len(), &files[0]), (2, &ahead), "{files:?}");
    let bytes = fs::read(&files[1]).expect("the file");
    let scalars = read(&bytes, &files[1]).expect("an event file");
    let losses: Vec<_> = scalars.iter().filter(|scalar| scalar.tag == "train/loss").collect();
    assert_eq!(losses.iter().map(|loss| loss.at.step).collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
    assert!(scalars.iter().all(|scalar| scalar.at.wall_secs > until as f64), "time goes on where it stood");
    assert!(scalars.is_sorted_by(|a, b| a.at.wall_secs <= b.at.wall_secs));

    let state = RunState::from_events(&read_run(&path).expect("readable").events);
    assert_eq!(state.steps.iter().map(|stat| stat.step).collect::<Vec<_>>(), (1..=8).collect::<Vec<_>>());
}
