//! Folders of images from the command line: damage, checks, packs.

use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

use super::{Answer, vitrine, vitrine_in};

/// 120 training images and 8 test images of 2 classes, 12×10 pixels, in `set`.
fn photographs() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (half, per_class) in [("train", 60), ("val", 4)] {
        for (class, red) in [("cat", 40), ("dog", 160)] {
            let folder = dir.path().join("set").join(half).join(class);
            fs::create_dir_all(&folder).expect("create");
            for ix in 0..per_class {
                let green = if half == "val" { 250 } else { 0 };
                let picture = RgbImage::from_fn(12, 10, |x, y| Rgb([red + ix, green + x as u8 / 3, y as u8 * 20]));
                picture.save(folder.join(format!("{ix:02}.png"))).expect("save");
            }
        }
    }
    dir
}

fn cut_off(dir: &Path, name: &str) {
    let path = dir.join("set").join(name);
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("write");
}

fn train(dir: &Path, more: &[&str]) -> Answer {
    let sets = "data.kind=folder model.num_classes=2 model.image_size=8 model.dim=16 model.depth=1 model.heads=2 model.stem=1Proj \
                model.strides=[4] train.batch=24 schedule.epochs=1 augment.random_resized_crop=true \
                augment.rand_augment=rand-m9-mstd0.5-inc1 augment.random_erasing=0.25 augment.mixup=0.8 probe.images=4";
    let sets = sets.split_whitespace().flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> =
        ["train", "--device", "cpu", "--data-path", "set"].into_iter().chain(sets).chain(more.iter().copied()).collect();
    vitrine_in(dir, &arguments)
}

#[test]
fn a_damaged_image_is_named_skipped_counted_and_told() {
    let dir = photographs();
    cut_off(dir.path(), "train/cat/07.png");
    let answer = train(dir.path(), &[]);
    assert!(answer.stderr.contains("image skipped") && answer.stderr.contains("07.png"), "{}", answer.stderr);
    let stdout = answer.done();
    assert!(stdout.contains("skipped     1 unreadable") && stdout.contains("07.png"), "{stdout}");
    let run = fs::read_dir(dir.path().join("runs")).expect("runs").next().expect("a run").expect("an entry").path();
    let events = fs::read_to_string(run.join("events.jsonl")).expect("events");
    let told: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .filter(|event: &Value| event["type"] == "unreadable")
        .collect();
    assert_eq!(told.len(), 1, "once: {told:?}");
    assert_eq!(told[0]["level"], "warn");
    assert!(told[0]["what"].as_str().is_some_and(|what| what.contains("07.png")), "{told:?}");
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).expect("metrics");
    let steps = metrics.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")).filter(|line| line["kind"] == "step");
    let waits: Vec<f64> = steps.map(|step| step["data_wait"].as_f64().expect("a share of the time")).collect();
    assert!(waits.len() == 5 && waits.iter().all(|share| (0.0..=1.0).contains(share)), "{waits:?}");
}

#[test]
fn more_than_one_percent_of_damage_ends_with_code_3() {
    let dir = photographs();
    cut_off(dir.path(), "train/cat/07.png");
    cut_off(dir.path(), "train/dog/08.png");
    train(dir.path(), &["--quiet"]).refused(3, &["2 of 120 images cannot be decoded", "more than 1 %", ".png", "vitrine data check"]);
}

#[test]
fn check_lists_and_pack_packs() {
    let dir = photographs();
    let clean = vitrine_in(dir.path(), &["data", "check", "--data-path", "set"]).done();
    assert_eq!(clean, "128 images, shorter sides 10 to 10 pixels: no problem found\n");
    let findings: Value =
        serde_json::from_str(&vitrine_in(dir.path(), &["data", "check", "--data-path", "set", "--json"]).done()).expect("one JSON object");
    assert_eq!(
        (&findings["images"], &findings["unreadable"], &findings["is_refused"]),
        (&128.into(), &Value::Array(vec![]), &false.into())
    );
    cut_off(dir.path(), "train/cat/07.png");
    let damaged = vitrine_in(dir.path(), &["data", "check", "--data-path", "set"]).done();
    assert!(damaged.lines().count() == 2 && damaged.contains("07.png") && damaged.contains("1 problem\n"), "{damaged}");
    let packed = vitrine_in(dir.path(), &["data", "pack", "--data-path", "set", "--side", "8"]).done();
    assert!(packed.contains("128 images in 2 shards") && packed.contains("1 cannot be read"), "{packed}");
    let answer = train(dir.path(), &["--max-steps", "1"]);
    assert!(answer.stderr.contains(".vitrine-pack (shorter side 8)"), "{}", answer.stderr);
    answer.done();
    let without = train(dir.path(), &["--max-steps", "1", "--set", "data.pack=false"]);
    assert!(!without.stderr.contains(".vitrine-pack"), "{}", without.stderr);
}

#[test]
fn what_makes_no_sense_is_told() {
    vitrine(&["data", "check"]).refused(2, &["--data-path"]);
    vitrine(&["data", "check", "--data-path", "nowhere"]).refused(3, &["nowhere", "does not exist"]);
    vitrine(&["data", "pack", "--set", "data.kind=fashion-mnist"]).refused(3, &["into memory as a whole"]);
    vitrine(&["data", "pack", "--data-path", ".", "--side", "2"]).refused(2, &["--side", "8..=8192"]);
}

#[test]
fn check_lists_the_files_that_are_no_images_however_many() {
    let dir = photographs();
    let bad = ["train/cat/00.png", "train/cat/01.png", "train/dog/02.png"];
    bad.iter().for_each(|name| fs::write(dir.path().join("set").join(name), "<html>").expect("write"));
    train(dir.path(), &["--quiet"]).refused(3, &["3 of 120 images cannot be read", "vitrine data check"]);
    let found = vitrine_in(dir.path(), &["data", "check", "--data-path", "set"]);
    assert_eq!(found.code, Some(3), "{}", found.stderr);
    assert!(bad.iter().all(|name| found.stdout.contains(name)) && found.stdout.contains("3 problems"), "{}", found.stdout);
    assert!(found.stderr.contains("3 of 128 images cannot be used"), "{}", found.stderr);
}

#[test]
fn one_class_is_none_to_tell_from_another() {
    let dir = photographs();
    for half in ["train", "val"] {
        fs::remove_dir_all(dir.path().join("set").join(half).join("dog")).expect("remove");
    }
    train(dir.path(), &["--quiet"]).refused(3, &["set/train: holds one class, cat", "at least two class folders"]);
    let dir = photographs();
    train(dir.path(), &["--quiet", "--set", "model.num_classes=3"]).refused(3, &["num_classes = 3, but set/train has 2"]);
}
