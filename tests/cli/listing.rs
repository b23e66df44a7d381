//! What is printed without training.

use super::{vitrine, vitrine_in};

#[test]
fn print_config_loads_to_the_same_and_names_sources() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["train", "--seed", "7", "--set", "optim.lr=3e-3", "--print-config"];
    let printed = vitrine_in(folder.path(), &arguments).done();
    let line = |key: &str| printed.lines().find(|line| line.starts_with(key)).expect("the key is printed").to_string();
    assert!(line("seed = 7").ends_with("# from --seed"), "{}", line("seed"));
    assert!(line("lr = 0.003").ends_with("# from --set"), "{}", line("lr"));
    assert!(line("stem = ").ends_with("# from preset demo"), "{}", line("stem"));

    std::fs::write(folder.path().join("again.toml"), &printed).expect("the file is written");
    let again = vitrine_in(folder.path(), &["train", "--config", "again.toml", "--print-config"]).done();
    let values = |text: &str| text.lines().map(|line| line.split(" #").next().unwrap_or("").trim_end().to_string()).collect::<Vec<_>>();
    assert_eq!(values(&printed), values(&again));
}

#[test]
fn a_dry_run_states_steps_and_memory_and_makes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let arguments = ["train", "--dry-run", "--json", "--device", "cpu", "--set", "train.batch=100", "--set", "schedule.epochs=3"];
    let text = vitrine_in(folder.path(), &arguments).done();
    let forecast: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
    assert_eq!(forecast["steps_per_epoch"], 100);
    assert_eq!(forecast["total_steps"], 300);
    assert!(forecast["arena_bytes"].as_u64() > Some(0), "{text}");
    assert!(forecast["step_flops"].as_f64() > Some(1e9), "{text}");
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn presets_are_listed_and_printed_as_toml() {
    let table = vitrine(&["presets"]).done();
    for name in ["demo", "demo-patchify", "bench-96x6", "bench-64x4", "deit-small", "deit-small-conv"] {
        assert!(table.lines().any(|line| line.split_whitespace().next() == Some(name)), "no {name} in: {table}");
    }
    let demo = vitrine(&["presets", "demo"]).done();
    assert!(demo.parse::<toml::Table>().is_ok(), "{demo}");
}

#[test]
fn folders_without_runs_are_told_from_damaged_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let list = |runs_dir: &str| vitrine_in(folder.path(), &["runs", "ls", "--runs-dir", runs_dir]);
    assert!(list("none").done().contains("no runs yet"));
    std::fs::create_dir(folder.path().join("empty")).expect("the folder is made");
    assert!(list("empty").done().contains("no runs yet"));
    std::fs::write(folder.path().join("file"), "").expect("the file is written");
    list("file").refused(3, &["error: file", "not a folder"]);
    std::fs::create_dir_all(folder.path().join("damaged/one")).expect("the folder is made");
    std::fs::write(folder.path().join("damaged/one/run.json"), "{\"schema\":1").expect("the file is written");
    list("damaged").refused(3, &["run.json"]);
    vitrine_in(folder.path(), &["runs", "show", "one", "--runs-dir", "damaged"]).refused(3, &["run.json"]);
}

#[test]
fn a_dry_run_without_images_tells_all_but_the_steps() {
    for preset in ["deit-tiny", "deit-small", "deit-small-conv", "deit-base"] {
        let text = vitrine(&["train", "--preset", preset, "--dry-run", "--device", "cpu"]).done();
        for row in ["parameters", "images       unknown: data.path is empty", "steps        unknown", "arithmetic"] {
            assert!(text.contains(row), "{preset}, no `{row}` in: {text}");
        }
    }
    let text = vitrine(&["train", "--preset", "deit-small", "--dry-run", "--device", "cpu", "--json"]).done();
    let forecast: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
    assert!(forecast["params"].as_u64() > Some(20_000_000) && forecast["arena_bytes"].as_u64() > Some(0), "{text}");
    assert!(forecast.get("total_steps").is_none() && forecast.get("train_images").is_none(), "{text}");
    let sweep = vitrine(&["sweep", "deit-small-table1", "--dry-run", "--device", "cpu"]).done();
    assert!(sweep.contains("would begin"), "{sweep}");
    // What trains still says what is missing.
    vitrine(&["train", "--preset", "deit-small", "--device", "cpu"]).refused(3, &["data.path is empty", "--data-path"]);
    vitrine(&["sweep", "deit-small-table1", "--device", "cpu"]).refused(3, &["data.path is empty"]);
}

#[test]
fn json_is_honoured_or_refused() {
    let lines = |text: String| -> Vec<serde_json::Value> { text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect() };
    let presets = lines(vitrine(&["presets", "--json"]).done());
    assert!(presets.iter().any(|preset| preset["name"] == "demo" && preset["description"].is_string()), "{presets:?}");
    let demo = lines(vitrine(&["presets", "demo", "--json"]).done()).remove(0);
    assert!(demo["toml"].as_str().is_some_and(|text| text.contains("[model]")), "{demo}");
    vitrine(&["train", "--print-config", "--json"]).refused(2, &["--json", "--print-config"]);
    for arguments in [["sweep", "stem-lr-warmup"], ["reproduce", "table2"]] {
        let dry = |more: &[&str]| vitrine(&[&arguments[..], &["--dry-run"], more].concat());
        for more in [&["--json"][..], &["--format", "json"]] {
            let runs = lines(dry(more).done());
            assert!(runs.len() > 10 && runs.iter().all(|run| run["standing"] == "would begin" && run["label"].is_string()), "{runs:?}");
        }
        dry(&["--format", "csv"]).refused(2, &["--dry-run", "--format"]);
    }
}
