//! Bad configs, data and files: exit code 3, and a message that names the place and the way out.

use super::{vitrine, vitrine_in};
use crate::support::adapter::adapter;

#[test]
fn unknown_keys_name_the_nearest_right_one() {
    vitrine(&["train", "--set", "modle.heads=7"]).refused(3, &["error: --set modle.heads", "[model]"]);
    vitrine(&["train", "--set", "model.haeds=7"]).refused(3, &["error: --set model.haeds", "heads"]);
}

#[test]
fn impossible_values_name_the_numbers() {
    vitrine(&["train", "--set", "model.heads=7"]).refused(3, &["error: --set model.heads", "64", "7 heads"]);
    vitrine(&["train", "--set", "model.heads=two"]).refused(3, &["--set model.heads", "two"]);
}

/// Planning alone, on whatever adapter there is: no buffer holds the patches of so many images.
#[test]
fn a_pass_too_large_for_the_adapter_names_one_that_fits() {
    if adapter().is_none() {
        return;
    }
    let sets = ["--set", "data.kind=random", "--set", "train.batch=8192", "--set", "train.micro_batch=8192"];
    let arguments = [&["train", "--preset", "deit-tiny", "--device", "gpu", "--dry-run"][..], &sets].concat();
    vitrine(&arguments).refused(4, &["MiB", "train.micro_batch = ", "fits"]);
}

#[test]
fn a_key_is_named_once() {
    let refused = |set: &str, line: &str| {
        let answer = vitrine(&["train", "--set", set]);
        assert_eq!(answer.stderr.lines().next(), Some(line), "{set}");
    };
    refused("optim.lr=fast", "error: --set optim.lr: expected a finite number, found the text `\"fast\"`");
    refused("model.depth=0", "error: --set model.depth is 0; it must lie between 1 and 1024");
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("mine.toml"), "[model]\ndepth = 0\n").expect("the file is written");
    let answer = vitrine_in(folder.path(), &["train", "--config", "mine.toml"]);
    assert_eq!(answer.stderr.trim_end(), "error: mine.toml:2: model.depth is 0; it must lie between 1 and 1024");
    let preset = vitrine(&["presets", "demmo"]).stderr;
    assert!(preset.starts_with("error: unknown preset `demmo`"), "{preset}");
}

#[test]
fn an_unknown_preset_names_the_nearest() {
    vitrine(&["train", "--preset", "demmo"]).refused(3, &["error: --preset", "`demmo`", "`demo`"]);
    vitrine(&["presets", "demmo"]).refused(3, &["`demmo`", "`demo`"]);
    vitrine(&["bench", "step", "--preset", "demmo"]).refused(3, &["`demmo`", "`demo`"]);
}

#[test]
fn missing_files_are_named_and_leave_no_run_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let refused = |arguments: &[&str], words: &[&str]| vitrine_in(folder.path(), arguments).refused(3, words);
    refused(&["train", "--set", "data.kind=cifar10"], &["error: --set data.kind", "--data-path"]);
    refused(&["train", "--set", "data.kind=cifar10", "--data-path", "no/such", "--device", "cpu"], &["no/such", "does not exist"]);
    refused(&["train", "--config", "no.toml"], &["error: no.toml", "cannot be read"]);
    refused(&["train", "--init", "no.safetensors", "--device", "cpu"], &["error: no.safetensors"]);
    refused(&["eval", "--weights", "no.safetensors", "--device", "cpu"], &["error: no.safetensors"]);
    let trace = ["trace", "--config", "no.toml", "--weights", "w", "--batch", "b", "--out", "o"];
    refused(&trace, &["error: no.toml"]);
    let left: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder is there").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_config_file_with_a_wrong_key_names_the_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("mine.toml"), "[model]\ndim = 64\nhaeds = 2\n").expect("the file is written");
    vitrine_in(folder.path(), &["train", "--config", "mine.toml"]).refused(3, &["mine.toml:3", "haeds", "heads"]);
}

#[test]
fn an_adapter_that_is_not_there_exits_4() {
    vitrine(&["train", "--adapter", "no such adapter", "--max-steps", "1"]).refused(4, &["error: no"]);
}
