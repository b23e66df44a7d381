//! `runs` and its verbs, as a user calls them, on runs recorded for the purpose.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use vitrine::run::event::Status;
use vitrine::run::store::{NewRun, RunStore};

use super::{Answer, command_in, vitrine_in};
use crate::run_store::sample::{new_run, whole};

/// A recorded run with a checkpoint and an optimiser's file in `folder/runs`.
fn record(folder: &Path, name: &str, lr: &str, status: Status) -> PathBuf {
    let new = new_run(name);
    let config_toml = new.config_toml.replace("0.001", lr);
    let mut store = RunStore::create(&folder.join("runs"), NewRun { config_toml, ..new }).expect("a new run");
    whole(status).iter().for_each(|event| store.record(event).expect("recorded"));
    for file in ["best", "last", "optimizer-000008"] {
        std::fs::write(store.checkpoint_path(file), vec![0; 3000]).expect("written");
    }
    store.path().to_path_buf()
}

fn runs(folder: &Path, arguments: &[&str]) -> Answer {
    vitrine_in(folder, &[&["runs"], arguments].concat())
}

#[test]
fn a_run_travels_as_one_file() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let id = record(at, "demo", "0.001", Status::Crashed).file_name().expect("an id").to_string_lossy().into_owned();
    assert_eq!(runs(at, &["export", "last"]).done().trim(), format!("{id}.vitrun"));
    assert_eq!(runs(at, &["export", "demo", "--checkpoints", "-o", "all.vitrun"]).done().trim(), "all.vitrun");
    let file = format!("{id}.vitrun");
    let shown = runs(at, &["show", &file]).done();
    assert!(shown.contains("non_finite at step 5"), "{shown}");
    runs(at, &["import", &file]).refused(3, &["already"]);
    let imported = runs(at, &["import", "all.vitrun", "--runs-dir", "theirs"]).done();
    assert!(at.join(imported.trim()).join("checkpoints/best.safetensors").is_file(), "{imported}");
    runs(at, &["import", "theirs"]).refused(3, &["theirs"]);
    std::fs::write(at.join("not.vitrun"), "text").expect("written");
    runs(at, &["import", "not.vitrun"]).refused(3, &["not a .vitrun file"]);
    runs(at, &["export", "nobody"]).refused(2, &["nobody", "runs ls"]);
    runs(at, &["export", "last", "--format", "csv", "--checkpoints"]).refused(2, &["--checkpoints"]);

    let csv = runs(at, &["export", "last", "--format", "csv", "-o", "-"]).done();
    assert_eq!(csv.lines().count(), 9, "{csv}");
    let events = runs(at, &["export", &file, "--format", "tensorboard"]).done();
    assert!(events.contains("tfevents"), "{events}");
    assert!(at.join(events.trim()).is_file());
    let page = runs(at, &["report", "last"]).done();
    assert!(std::fs::read_to_string(at.join(page.trim())).expect("the page").starts_with("<!doctype html>"));
    let leftovers = std::fs::read_dir(at).expect("listed").filter(|entry| {
        let name = entry.as_ref().expect("an entry").file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(leftovers.count(), 0, "no temporary file is left");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = record(folder.path(), "demo", "0.001", Status::Finished);
    // More than a pipe holds, and nothing that gzip makes small.
    let mut state = 1u64;
    let noise: Vec<u8> = (0..1 << 20)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .collect();
    std::fs::write(run.join("checkpoints/last.safetensors"), noise).expect("written");
    let mut command = command_in(folder.path(), &["runs", "export", "last", "--checkpoints", "-o", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn runs_are_compared_and_marked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    record(at, "calm", "0.001", Status::Finished);
    record(at, "wild", "0.004", Status::Crashed);
    let table = runs(at, &["compare", "calm", "wild"]).done();
    assert!(table.contains("optim.lr") && table.contains("0.004") && !table.contains("model.dim"), "{table}");
    let json: serde_json::Value = serde_json::from_str(&runs(at, &["compare", "calm", "wild", "--json"]).done()).expect("JSON");
    assert_eq!(json["differs"]["optim.lr"], serde_json::json!([0.001, 0.004]));
    runs(at, &["compare", "calm"]).refused(2, &["2"]);

    assert_eq!(runs(at, &["tag", "calm", "twin", "baseline"]).done(), "baseline\ntwin\n");
    assert_eq!(runs(at, &["tag", "calm", "--remove", "twin"]).done(), "baseline\n");
    runs(at, &["tag", "calm", "two words"]).refused(2, &["one word"]);
    runs(at, &["tag", "calm", "--remove", "nothing"]).refused(2, &["it has baseline"]);
    let listed = runs(at, &["ls", "--tag", "baseline"]).done();
    assert!(listed.contains("calm") && !listed.contains("wild"), "{listed}");
    assert!(runs(at, &["ls", "--tag", "other"]).done().contains("none of 2 runs"));
    runs(at, &["note", "wild", "  learning rate too large "]).done();
    assert_eq!(runs(at, &["note", "wild"]).done(), "learning rate too large\n");
    assert!(runs(at, &["show", "wild"]).done().contains("learning rate too large"));
    runs(at, &["note", "wild", ""]).done();
    assert_eq!(runs(at, &["note", "wild"]).done(), "");
}

#[test]
fn nothing_goes_without_yes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let calm = record(at, "calm", "0.001", Status::Finished);
    let wild = record(at, "wild", "0.004", Status::Crashed);
    let kept = record(at, "kept", "0.004", Status::Crashed);
    runs(at, &["tag", "kept", "keep"]).done();
    let exists = |path: &Path, name: &str| path.join("checkpoints").join(name).is_file();

    let plan = runs(at, &["gc"]).done();
    assert!(plan.contains("optimizer-000008") && plan.contains("--yes") && plan.contains("3.0 kB"), "{plan}");
    assert!(!plan.contains("wild") && !plan.contains("last.safetensors"), "{plan}");
    assert!(exists(&calm, "optimizer-000008.safetensors"), "only said");
    runs(at, &["gc", "--yes"]).done();
    assert!(!exists(&calm, "optimizer-000008.safetensors") && exists(&calm, "last.safetensors"));
    assert!(runs(at, &["gc"]).done().contains("nothing to remove"));

    let lines = runs(at, &["gc", "--checkpoints", "--failed", "--json"]).done();
    assert!(lines.lines().all(|line| line.contains("\"is_removed\":false")), "{lines}");
    runs(at, &["gc", "--checkpoints", "--failed", "--yes"]).done();
    assert!(exists(&calm, "best.safetensors") && !exists(&calm, "last.safetensors"));
    assert!(!wild.exists() && exists(&kept, "last.safetensors"), "tagged runs stay");

    let unsure = runs(at, &["rm", "calm"]);
    assert_eq!((unsure.code, unsure.stderr.trim_end()), (Some(2), "error: nothing removed; add --yes"));
    assert!(unsure.stdout.contains("calm") && unsure.stdout.contains("the whole run"), "{}", unsure.stdout);
    assert!(calm.exists());
    runs(at, &["rm", "calm", "--yes"]).done();
    assert!(!calm.exists());
    let live = RunStore::create(&at.join("runs"), new_run("live")).expect("a new run");
    runs(at, &["rm", "live", "--yes"]).refused(3, &["being trained"]);
    assert!(live.path().exists());
    assert!(runs(at, &["gc", "--failed"]).done().contains("nothing to remove"));
}

#[test]
fn completions_and_the_manual_know_every_verb() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = vitrine_in(Path::new("."), &["completions", shell]).done();
        for verb in ["train", "compare", "max-steps"] {
            assert!(script.contains(verb), "{shell}: no {verb}");
        }
    }
    vitrine_in(Path::new("."), &["completions", "tcsh"]).refused(2, &["bash", "zsh"]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = vitrine_in(folder.path(), &["man"]).done();
    assert!(page.contains(".TH") && page.contains("vitrine\\-train"), "{page}");
    vitrine_in(folder.path(), &["man", "--dir", "pages"]).done();
    for name in ["vitrine.1", "vitrine-train.1", "vitrine-runs.1", "vitrine-runs-compare.1"] {
        let text = std::fs::read_to_string(folder.path().join("pages").join(name)).expect(name);
        assert!(text.contains("Examples"), "{name} has examples");
    }
}

#[test]
fn a_folder_whose_run_never_began_is_no_damage() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = folder.path().join("runs/20260509-073045-killed");
    std::fs::create_dir_all(&run).expect("a folder");
    std::fs::write(run.join("lock"), "").expect("a file");
    vitrine_in(folder.path(), &["runs", "ls"]).done();
    std::fs::write(run.join("metrics.jsonl"), "{\"kind\":\"step\"}\n").expect("a file");
    vitrine_in(folder.path(), &["runs", "ls"]).refused(3, &["run.json"]);
}
