//! Whole sweeps and edges as a user calls them.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli::{Answer, TINY, command_in, vitrine_in, with_sets};

/// Two stems, three rates of which one crashes, two seeds, on noise.
const GRID: &str = r#"
name = "small"
preset = "bench-64x4"
seeds = 2
max_steps = 40

[set]
model.image_size = 8
model.dim = 16
model.heads = 2
model.depth = 1
train.batch = 16
train.checkpoint_every = 5
schedule.warmup_epochs = 0.0
probe.images = 4

[axes]
model.stem = ["1Proj", "3Conv+3BN+3ReLU+1Proj"]
optim.lr = [1e-3, 1e-2, 1e20]
"#;

fn sweep(folder: &Path, more: &[&str]) -> Answer {
    vitrine_in(folder, &[&["sweep", "small.toml", "--device", "cpu", "--jobs", "2"], more].concat())
}

fn record(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("runs/sweep-small/sweep.json")).expect("the record");
    serde_json::from_str(&text).expect("the record is JSON")
}

fn ended(folder: &Path) -> usize {
    let runs = std::fs::read_dir(folder.join("runs/sweep-small")).into_iter().flatten().flatten();
    let metas = runs.filter_map(|run| std::fs::read_to_string(run.path().join("run.json")).ok());
    metas.filter(|meta| !meta.contains("\"status\": \"running\"")).count()
}

fn grid_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("small.toml"), GRID).expect("a file");
    folder
}

/// Kills the child once `is_time`, or lets it end.
fn kill_when(child: &mut Child, is_time: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_time() && child.try_wait().expect("the child can be asked").is_none() {
        assert!(began.elapsed() < Duration::from_secs(300), "nothing happens");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("the child can be killed");
    child.wait().expect("the child has ended");
}

#[test]
fn a_sweep_killed_twice_gives_the_table_of_an_unbroken_one() {
    let (whole, broken) = (grid_folder(), grid_folder());
    let csv = sweep(whole.path(), &["--format", "csv", "--quiet"]).done();
    for runs in [2, 7] {
        let mut command = command_in(broken.path(), &["sweep", "small.toml", "--device", "cpu", "--jobs", "2", "--quiet"]);
        let mut child = command.stdout(Stdio::null()).spawn().expect("the binary starts");
        kill_when(&mut child, || ended(broken.path()) >= runs);
    }
    let ended_before = ended(broken.path());
    assert!((7..12).contains(&ended_before), "{ended_before} runs had ended at the kill");
    let preview = sweep(broken.path(), &["--dry-run"]).done();
    assert_eq!(preview.matches(": done").count(), ended_before, "{preview}");

    let resumed = sweep(broken.path(), &["--format", "csv"]);
    assert!(resumed.stderr.contains(&format!("{ended_before} done")), "{}", resumed.stderr);
    assert_eq!(resumed.done(), csv);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 7, "{csv}");
    assert!(lines[3].contains(",2,2,2,0,0,1,"), "1e20 crashes with every seed: {}", lines[3]);
    assert!(lines[1].contains(",2,2,0,"), "1e-3 does not: {}", lines[1]);
    let table = |folder: &Path| std::fs::read_to_string(folder.join("runs/sweep-small/table.csv")).expect("the table");
    assert_eq!((table(broken.path()), table(whole.path())), (csv.clone(), csv));

    // Everything is done, and a grid that has grown keeps what it has.
    let again = sweep(whole.path(), &["--json"]);
    assert!(again.stderr.contains("12 done, 0 to go on"), "{}", again.stderr);
    assert_eq!(serde_json::from_str::<Value>(&again.done()).expect("JSON"), record(whole.path()));
    let listed = vitrine_in(whole.path(), &["runs", "ls"]);
    assert!(listed.stderr.is_empty(), "the folder of a sweep is no broken run: {}", listed.stderr);
    let runs = vitrine_in(whole.path(), &["runs", "ls", "--runs-dir", "runs/sweep-small", "--json"]).done();
    assert_eq!(runs.lines().count(), 12);
    std::fs::write(whole.path().join("small.toml"), GRID.replace("seeds = 2", "seeds = 3")).expect("a file");
    assert_eq!(sweep(whole.path(), &["--dry-run"]).done().matches("would begin").count(), 6);
}

#[test]
fn an_impossible_cell_is_named_before_anything_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("g.toml"), "[axes]\nmodel.heads = [2, 7]").expect("a file");
    vitrine_in(folder.path(), &["sweep", "g.toml"]).refused(3, &["cell 7", "model.heads"]);
    assert!(!folder.path().join("runs").exists());
    for grid in ["stem-lr-warmup", "deit-small-table1"] {
        let preview = vitrine_in(folder.path(), &["sweep", grid, "--dry-run", "--data-path", "somewhere"]);
        assert!(preview.done().contains("would begin"), "{grid}");
    }
    vitrine_in(folder.path(), &["sweep", "none.toml"]).refused(3, &["none.toml", "cannot be read"]);
    vitrine_in(folder.path(), &["edge", "--stem", "4Proj"]).refused(3, &["4Proj", "did you mean"]);
    vitrine_in(folder.path(), &["edge", "--lr", "-1"]).refused(2, &["--lr"]);
}

#[test]
fn a_run_that_cannot_be_trained_is_told_and_the_others_go_on() {
    let folder = grid_folder();
    let missing = GRID.replace("[axes]", "[axes]\ndata.kind = [\"random\", \"cifar10\"]").replace("seeds = 2", "seeds = 1");
    let missing = missing.replace("optim.lr = [1e-3, 1e-2, 1e20]", "").replace("probe.images", "data.path = \"nowhere\"\nprobe.images");
    std::fs::write(folder.path().join("small.toml"), missing.replace("max_steps = 40", "max_steps = 2")).expect("a file");
    let answer = sweep(folder.path(), &["--json"]);
    assert_eq!(answer.code, Some(1), "{}", answer.stderr);
    assert!(answer.stderr.contains("failed: nowhere"), "{}", answer.stderr);
    let record = record(folder.path());
    let states: Vec<&Value> = record["cells"].as_array().expect("cells").iter().map(|cell| &cell["runs"][0]["state"]).collect();
    assert_eq!(states.iter().filter(|state| **state == "done").count(), 2, "{record}");
    assert_eq!(states.iter().filter(|state| **state == "failed").count(), 2, "{record}");
}

#[test]
fn an_edge_is_found_and_goes_on_where_it_was_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let edge = [&["edge", "--json", "--stem", "1Proj", "--seeds", "1", "--steps", "100", "--lr", "1e3", "--jobs", "1"], &TINY[..]].concat();
    let arguments = with_sets(&edge, &["train.batch=8", "train.checkpoint_every=20", "probe.images=2", "crash.stuck_frac=1000"]);
    let runs = || std::fs::read_dir(folder.path().join("runs/edge-bench-64x4")).into_iter().flatten().count();
    let mut child = command_in(folder.path(), &arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary starts");
    kill_when(&mut child, || runs() >= 7);
    let first = vitrine_in(folder.path(), &arguments).done();
    let edge: Value = serde_json::from_str(&first).expect("JSON");
    let frontier = &edge["stems"][0]["edge"];
    let number = |key: &str| frontier[key].as_f64().expect("a number");
    assert!(number("low") < number("lr") && number("lr") < number("high"), "{edge}");
    let tried = edge["stems"][0]["searches"][0]["tried"].as_array().expect("trials");
    let stable_above = tried.iter().filter(|trial| trial["stable"] == true && trial["lr"].as_f64() > frontier["high"].as_f64()).count();
    assert_eq!(stable_above, 0, "{edge}");
    let num_runs = runs();
    assert_eq!(vitrine_in(folder.path(), &arguments).done(), first, "nothing is left to do");
    assert_eq!(runs(), num_runs);
    let path = folder.path().join("runs/edge-bench-64x4/edge.json");
    assert_eq!(serde_json::from_str::<Value>(&std::fs::read_to_string(path).expect("the record")).expect("JSON"), edge);
}
