//! Run folders: their exact contents, kills, resumes, locks, damage.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vitrine::error::Error;
use vitrine::run::alarm::AlarmKind;
use vitrine::run::event::{Event, Status};
use vitrine::run::read::{list, read_header, read_run, resolve};
use vitrine::run::state::RunState;
use vitrine::run::store::{RunStore, slug};

use super::sample::{alarm, ended, new_run, part, started, step, whole};

fn text(path: &Path, name: &str) -> String {
    fs::read_to_string(path.join(name)).expect(name)
}

fn lines(path: &Path, name: &str) -> Vec<Value> {
    text(path, name).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn keys(line: &Value) -> BTreeSet<&str> {
    line.as_object().expect("an object").keys().map(String::as_str).collect()
}

/// Records events as a new run; returns its folder.
fn record(runs_dir: &Path, name: &str, events: &[Event]) -> PathBuf {
    let mut store = RunStore::create(runs_dir, new_run(name)).expect("a new run");
    for event in events {
        store.record(event).expect("recorded");
    }
    store.path().to_path_buf()
}

#[test]
fn the_folder_has_the_documented_format() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = record(folder.path(), "My first run!", &whole(Status::Finished));
    let id = path.file_name().and_then(|name| name.to_str()).expect("an id");
    assert!(id.ends_with("-my-first-run"), "{id}");

    let meta: Value = serde_json::from_str(&text(&path, "run.json")).expect("JSON");
    let expected = ["schema", "id", "name", "status", "verdict", "crash", "best", "final", "params", "device", "versions", "seed", "data"];
    assert_eq!(keys(&meta), BTreeSet::from(expected));
    assert_eq!((&meta["schema"], &meta["id"]), (&1.into(), &id.into()));
    assert_eq!((&meta["status"], &meta["verdict"]), (&"finished".into(), &"unstable".into()));
    assert_eq!(meta["crash"], Value::Null);
    assert_eq!(meta["best"], serde_json::json!({"top1": 0.5, "step": 3}));
    assert_eq!(meta["final"]["step"], 8);
    assert_eq!(meta["final"]["cossim"], serde_json::json!([0.25, "NaN"]));
    assert_eq!(meta["data"], serde_json::json!({"kind": "fashion-mnist", "hash": "abc"}));
    assert!(meta["versions"]["vitrine"].is_string());
    assert_eq!(text(&path, "config.toml"), new_run("").config_toml);

    let metrics = lines(&path, "metrics.jsonl");
    let of_kind = |kind: &str| metrics.iter().filter(|line| line["kind"] == kind).collect();
    let steps: Vec<&Value> = of_kind("step");
    assert_eq!(steps.len(), 8);
    for column in ["kind", "step", "epoch", "loss", "lr", "grad_norm", "images_per_sec"] {
        assert!(keys(steps[0]).contains(column), "{column}");
    }
    assert_eq!((&steps[4]["loss"], &steps[4]["grad_norm"]), (&"NaN".into(), &"Infinity".into()));
    let evals: Vec<&Value> = of_kind("eval");
    assert_eq!(keys(evals[0]), BTreeSet::from(["kind", "step", "loss", "top1", "top5"]));
    let probes: Vec<&Value> = of_kind("probe");
    assert_eq!(keys(probes[0]), BTreeSet::from(["kind", "step", "cossim", "updates"]));

    let events = lines(&path, "events.jsonl");
    let types: Vec<&str> = events.iter().filter_map(|line| line["type"].as_str()).collect();
    assert_eq!(types, ["started", "checkpoint", "lr_changed", "loss_spike", "ended"]);
    for line in &events {
        assert!(keys(line).is_superset(&BTreeSet::from(["step", "type", "level", "why"])));
    }
    assert!(text(&path, "events.jsonl").starts_with(r#"{"step":0,"type":"started","level":"info""#));
    assert!(path.join("probes").is_dir() && path.join("checkpoints").is_dir());
}

#[test]
fn the_summary_has_one_row_an_epoch() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = record(folder.path(), "demo", &whole(Status::Finished));
    let summary = text(&path, "summary.csv");
    let rows: Vec<Vec<&str>> = summary.lines().map(|row| row.split(',').collect()).collect();
    assert_eq!(rows.len(), 1 + 3, "{summary}");
    assert_eq!(rows[0][..3], ["epoch", "step", "loss"]);
    let column = |name: &str| rows[0].iter().position(|&title| title == name).expect(name);
    let of = |row: usize, name: &str| rows[row][column(name)];
    assert_eq!((of(1, "epoch"), of(1, "step"), of(1, "top1")), ("1", "3", "0.5"));
    assert_eq!((of(2, "epoch"), of(2, "step"), of(2, "top1")), ("2", "6", "0.25"));
    assert_eq!((of(3, "epoch"), of(3, "step"), of(3, "top1")), ("3", "8", ""), "no evaluation");
    assert_eq!((of(2, "loss"), of(2, "grad_norm")), ("NaN", "Infinity"));
    assert_eq!(of(1, "accuracy"), "0.125", "the mean of 1/16, 2/16 and 3/16");
}

#[test]
fn resuming_equals_one_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole_path = record(folder.path(), "whole", &whole(Status::Finished));

    // Killed at step 7 after the checkpoint at 3, in the middle of a line.
    let killed = [vec![started(0)], part(1, 7), vec![Event::Alarm(alarm(3, AlarmKind::Stuck))]];
    let path = record(folder.path(), "parts", &killed.concat());
    let torn = text(&path, "metrics.jsonl") + r#"{"kind":"step","st"#;
    fs::write(path.join("metrics.jsonl"), torn).expect("written");
    assert_eq!(read_run(&path).expect("a torn last line is no damage").header.status_text(), "killed");

    let (mut store, kept) = RunStore::resume(&path, 3).expect("resumable");
    let state = RunState::from_events(&kept);
    assert_eq!(state.steps.len(), 3);
    assert_eq!(store.meta().best.map(|best| best.step), Some(3));
    assert!(read_header(&path).expect("readable").is_live);
    for event in [vec![started(3)], part(4, 8), vec![ended(8, Status::Finished)]].concat() {
        store.record(&event).expect("recorded");
    }
    drop(store);

    let sorted = |path: &Path| {
        let mut lines: Vec<String> = text(path, "metrics.jsonl").lines().map(str::to_string).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&path), sorted(&whole_path), "no line twice, none lost");
    assert_eq!(text(&path, "summary.csv"), text(&whole_path, "summary.csv"));
    let types: Vec<String> = lines(&path, "events.jsonl").iter().map(|line| line["type"].as_str().expect("a type").to_string()).collect();
    let expected = ["started", "checkpoint", "resumed", "started", "lr_changed", "loss_spike", "ended"];
    assert_eq!(types, expected);
    let resumed = &lines(&path, "events.jsonl")[2];
    assert_eq!((&resumed["step"], &resumed["cut_steps"]), (&3.into(), &4.into()));

    let states = [&path, &whole_path].map(|path| {
        let mut state = RunState::from_events(&read_run(path).expect("readable").events);
        state.standing.started.step = 0;
        format!("{state:#?}")
    });
    assert_eq!(states[0], states[1]);
}

#[test]
fn a_torn_line_is_cut_off_before_new_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = record(folder.path(), "demo", &[vec![started(0)], part(1, 3)].concat());
    for name in ["metrics.jsonl", "events.jsonl"] {
        fs::write(path.join(name), text(&path, name) + "{\"torn").expect("written");
    }
    let (mut store, _) = RunStore::resume(&path, 3).expect("resumable");
    store.record(&step(4)).expect("recorded");
    assert_eq!(lines(&path, "metrics.jsonl").last().map(|line| line["step"].clone()), Some(4.into()));
    assert_eq!(lines(&path, "events.jsonl").len(), 3);
}

#[test]
fn a_second_writer_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = RunStore::create(folder.path(), new_run("demo")).expect("a new run");
    store.record(&started(0)).expect("recorded");
    let error = RunStore::resume(store.path(), 0).expect_err("locked");
    assert!(error.to_string().contains("another process is writing this run"), "{error}");
    assert!(read_header(store.path()).expect("readers are welcome").is_live);
    let path = store.path().to_path_buf();
    drop(store);
    assert!(!read_header(&path).expect("readable").is_live);
    RunStore::resume(&path, 0).expect("free again");
}

#[test]
fn runs_of_one_second_have_their_own_folders() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runs_dir = folder.path().join("new/runs");
    let mut ids = BTreeSet::new();
    for _ in 0..5 {
        let store = RunStore::create(&runs_dir, new_run("twin")).expect("a new run");
        ids.insert(store.meta().id.clone());
    }
    assert_eq!(ids.len(), 5);
    assert_eq!(list(&runs_dir).expect("listed").runs.len(), 5);
    for (name, expected) in [("", "run"), ("ViT-S/16  (lr=1e-3)", "vit-s-16-lr-1e-3"), ("…", "run")] {
        assert_eq!(slug(name), expected);
    }
    assert!(slug(&"a ".repeat(100)).len() <= 40);
}

#[test]
fn runs_are_found_by_short_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let runs_dir = folder.path();
    assert!(matches!(resolve(runs_dir, "last"), Err(Error::Usage { .. })), "no run yet");
    let zebra = record(runs_dir, "zebra", &[started(0)]);
    // The same second, or the next: the later one is the last one, whatever its name.
    std::thread::sleep(std::time::Duration::from_millis(30));
    let ape = record(runs_dir, "ape", &[started(0)]);
    let id = zebra.file_name().and_then(|name| name.to_str()).expect("an id");
    assert_eq!(resolve(runs_dir, "last").expect("there are two"), ape);
    assert_eq!(resolve(runs_dir, id).expect("by id"), zebra);
    assert_eq!(resolve(runs_dir, &id[..id.len() - 1]).expect("by the beginning of the id"), zebra);
    assert_eq!(resolve(runs_dir, "zebra").expect("by name"), zebra);
    assert_eq!(resolve(Path::new("elsewhere"), &zebra.to_string_lossy()).expect("by path"), zebra);

    let error = resolve(runs_dir, &id[..2]).expect_err("both begin so");
    assert!(error.to_string().contains(id), "the choices are named: {error}");
    for missing in ["giraffe", ""] {
        let error = resolve(runs_dir, missing).expect_err("there is none");
        assert!(error.to_string().contains("runs ls"), "{error}");
    }
}

#[test]
fn damage_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = record(folder.path(), "demo", &whole(Status::Finished));
    let spoiled = |name: &str, contents: &str| {
        let good = text(&path, name);
        fs::write(path.join(name), contents).expect("written");
        let error = read_run(&path).expect_err(name);
        fs::write(path.join(name), good).expect("written");
        assert!(error.to_string().contains(name), "{error}");
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        error.to_string()
    };
    assert!(spoiled("metrics.jsonl", "{\"kind\":\"step\"}\n").contains("line 1"));
    assert!(spoiled("events.jsonl", "\n\n").contains("line 1"));
    spoiled("run.json", "{");
    spoiled("run.json", "{}");
    let newer = spoiled("run.json", r#"{"schema":2,"whatever":true}"#);
    assert!(newer.contains("format is 2") && newer.contains("newer Vitrine"), "{newer}");
    read_run(&path).expect("whole again");

    fs::create_dir(folder.path().join("stray")).expect("a folder that is no run");
    let listing = list(folder.path()).expect("one bad folder does not hide the others");
    assert_eq!((listing.runs.len(), listing.unreadable.len()), (1, 1));
    assert!(listing.unreadable[0].to_string().contains("stray"));
    assert!(list(&folder.path().join("missing")).expect("no runs yet").runs.is_empty());

    fs::remove_file(path.join("metrics.jsonl")).expect("removed");
    let error = read_run(&path).expect_err("a file is missing");
    assert!(error.to_string().contains("metrics.jsonl"), "{error}");
}

#[test]
fn a_run_that_cannot_be_made_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let taken = folder.path().join("runs");
    fs::write(&taken, "a file").expect("written");
    let error = RunStore::create(&taken, new_run("demo")).expect_err("a file is no folder");
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert!(error.to_string().contains("runs"), "{error}");
    assert_eq!(fs::read_to_string(&taken).expect("untouched"), "a file");
}
