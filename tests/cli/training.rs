//! Runs from the first event to the exit code.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use super::{Answer, TINY, command_in, vitrine_in, with_sets};
use crate::support::adapter::adapter;

/// `train` on the tiny model, telling events as JSON.
fn arguments<'a>(sets: &[&'a str], flags: &[&'a str]) -> Vec<&'a str> {
    let tiny = [&["train", "--json", "--quiet"], &TINY[..], flags].concat();
    with_sets(&tiny, &[&["train.batch=16", "probe.images=4"], sets].concat())
}

fn train(folder: &Path, sets: &[&str], flags: &[&str]) -> Answer {
    vitrine_in(folder, &arguments(sets, flags))
}

fn lines(answer: &Answer) -> Vec<Value> {
    answer.stdout.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn summary(answer: &Answer) -> Value {
    let last = lines(answer).pop().expect("a run prints lines");
    assert_eq!(last["type"], "summary", "{last}");
    last
}

#[test]
fn events_come_as_json_lines_and_the_run_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = train(folder.path(), &["train.seed=1"], &["--max-steps", "3", "--name", "one"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let steps =
        |answer: &Answer| lines(answer).iter().filter(|line| line["type"] == "step").map(|line| line["step"].clone()).collect::<Vec<_>>();
    assert_eq!(lines(&first)[0]["type"], "started");
    assert_eq!(steps(&first), [1, 2, 3]);
    let end = summary(&first);
    assert_eq!((&end["status"], &end["exit_code"], &end["steps"]), (&"finished".into(), &0.into(), &3.into()), "{end}");
    assert_eq!(end["similarity"].as_array().map(Vec::len), Some(3), "{end}");
    let id = end["id"].as_str().expect("the run has an id");
    assert_eq!(end["resume"], format!("vitrine train --resume {id} --device cpu"));

    let second = vitrine_in(folder.path(), &["train", "--resume", "one", "--max-steps", "5", "--json", "--quiet", "--device", "cpu"]);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert_eq!(steps(&second), [4, 5]);
    let list = vitrine_in(folder.path(), &["runs", "ls", "--json"]).done();
    let run: Value = serde_json::from_str(&list).expect("one run, one line");
    assert_eq!((&run["id"], &run["final"]["step"]), (&id.into(), &5.into()));
}

#[test]
fn the_command_that_goes_on_is_for_a_shell_and_for_the_same_device() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let end = summary(&train(folder.path(), &[], &["--max-steps", "2", "--runs-dir", "Ann's runs"]));
    let id = end["id"].as_str().expect("the run has an id");
    let command = format!("vitrine train --resume {id} --runs-dir 'Ann'\\''s runs' --device cpu");
    assert_eq!(end["resume"], command);

    if adapter().is_none() {
        return;
    }
    let goes_on = ["train", "--resume", "last", "--runs-dir", "Ann's runs", "--json", "--device", "gpu"];
    let second = vitrine_in(folder.path(), &[&goes_on[..], &["--max-steps", "3"]].concat());
    let note = "was trained on cpu (";
    assert!(second.stderr.contains(note), "{}", second.stderr);
    let started = lines(&second).into_iter().find(|line| line["type"] == "started").expect("it starts");
    assert!(started["notes"].as_array().is_some_and(|notes| notes.iter().any(|said| said.to_string().contains(note))), "{started}");
    let resume = summary(&second)["resume"].to_string();
    assert!(resume.contains("--device gpu"), "{resume}");
    let third = vitrine_in(folder.path(), &[&goes_on[..], &["--max-steps", "4"]].concat());
    assert!(third.code == Some(0) && !third.stderr.contains("was trained on"), "{}", third.stderr);
}

#[test]
fn a_run_that_goes_non_finite_exits_10_and_says_what_to_try() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let crashed = train(folder.path(), &["optim.lr=1e20"], &["--max-steps", "20"]);
    assert_eq!(crashed.code, Some(10), "{}", crashed.stderr);
    assert!(crashed.stderr.contains("crash: non_finite at step"), "{}", crashed.stderr);
    let end = summary(&crashed);
    assert_eq!((&end["status"], &end["crash"]["type"]), (&"crashed".into(), &"non_finite".into()), "{end}");
    assert!(end["decisive"]["hint"].as_str().is_some_and(|hint| hint.contains("learning rate")), "{end}");
    assert_eq!(end["resume"], Value::Null);
    let words = ["NaN", "Infinity"].map(|word| format!("\"loss\":\"{word}\""));
    assert!(words.iter().any(|word| crashed.stdout.contains(word)), "no loss is written as a word: {}", crashed.stdout);
}

#[test]
fn ctrl_c_writes_a_checkpoint_and_exits_130() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = command_in(folder.path(), &arguments(&["schedule.epochs=100000"], &[]));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let mut line = String::new();
    while !line.contains("\"type\":\"step\"") {
        line.clear();
        assert!(stdout.read_line(&mut line).expect("stdout can be read") > 0, "the run ended before its first step");
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    if !killed.is_ok_and(|status| status.success()) {
        crate::support::adapter::skipped("no `kill` command on this system");
        child.kill().expect("the child can be ended");
        child.wait().expect("the child has ended");
        return;
    }
    let rest: Vec<String> = stdout.lines().map(|line| line.expect("stdout can be read")).collect();
    assert_eq!(child.wait().expect("the child ends").code(), Some(130));
    let end: Value = serde_json::from_str(rest.last().expect("there is a summary")).expect("each line is JSON");
    assert_eq!((&end["status"], &end["exit_code"]), (&"interrupted".into(), &130.into()), "{end}");
    let checkpoint = folder.path().join(end["run_dir"].as_str().expect("a path")).join("checkpoints/last.safetensors");
    assert!(checkpoint.is_file(), "{}", checkpoint.display());
}

#[test]
fn the_kernels_of_an_adapter_can_be_chosen() {
    if adapter().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let on_tier = |tier: &str| {
        let mut command = command_in(folder.path(), &["train", "--preset", "bench-64x4", "--device", "gpu", "--max-steps", "1", "--json"]);
        let output = command.args(&TINY[4..]).env("VITRINE_TIER", tier).output().expect("the binary starts");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, stdout, stderr) = on_tier("t1");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("Tiled kernels") && stderr.contains("T1 kernels, as VITRINE_TIER asks for"), "{stderr}");
    let (code, _, stderr) = on_tier("T9");
    assert!(code == Some(2) && stderr.contains("VITRINE_TIER=T9") && stderr.contains("T0n"), "{stderr}");
}

#[test]
fn bench_takes_every_preset_at_any_batch() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let small = ["--set", "model.image_size=32", "--set", "model.depth=1", "--seconds", "0.01", "--json"];
    for preset in ["demo", "deit-small", "deit-small-conv"] {
        let arguments = [&["bench", "step", "--preset", preset, "--batch", "2", "--device", "cpu"][..], &small].concat();
        let report: Value = serde_json::from_str(&vitrine_in(folder.path(), &arguments).done()).expect("one JSON object");
        assert_eq!((&report["batch"], &report["micro_batch"]), (&2.into(), &2.into()), "{preset}");
    }
}

#[test]
fn bench_reports_a_step_as_json() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["bench", "step", "--preset", "bench-64x4", "--batch", "2", "--device", "cpu", "--seconds", "0.01", "--json"];
    let report: Value = serde_json::from_str(&vitrine_in(folder.path(), &arguments).done()).expect("one JSON object");
    assert_eq!((&report["batch"], &report["preset"]), (&2.into(), &"bench-64x4".into()));
    let rate = |key: &str| report[key].as_f64().expect("a number");
    let per_step = rate("images_per_sec") * rate("step_millis") / 1e3;
    assert!((per_step - 2.0).abs() < 1e-6, "{report}");
}

#[test]
fn doctor_finds_every_kernel_right() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let found: Value = serde_json::from_str(&vitrine_in(folder.path(), &["doctor", "--json"]).done()).expect("one JSON object");
    let adapters = found["adapters"].as_array().expect("a list");
    if adapters.is_empty() {
        assert!(std::env::var("REQUIRE_GPU").is_err(), "REQUIRE_GPU is set, and there is no adapter");
        crate::support::adapter::skipped("no adapter");
    }
    for adapter in adapters {
        let kernels = adapter["kernels"].as_array().expect("a list");
        let families: std::collections::BTreeSet<&str> =
            kernels.iter().filter_map(|finding| finding["kernel"].as_str()?.split('.').next()).collect();
        for family in ["attention", "batchnorm", "conv2d", "cross_entropy", "drop_path", "layernorm", "matmul", "norm", "sam", "tokens"] {
            assert!(families.contains(family), "no {family} among {families:?}");
        }
        assert!(kernels.iter().all(|finding| finding["trouble"].is_null()), "{adapter}");
    }
    assert!(found["speed"].as_array().is_some_and(|speed| speed.len() == adapters.len() + 1), "{found}");
}
