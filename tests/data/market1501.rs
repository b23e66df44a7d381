//! Market-1501: names, classes, halves.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use image::{Rgb, RgbImage};
use vitrine::data::market1501::person;

use super::{assert_data_error, open};

#[test]
fn names_tell_the_person() {
    assert_eq!(person("0002_c1s1_000451_03.jpg"), Some(2));
    assert_eq!(person("-1_c3s2_096136_02.jpg"), Some(-1));
    assert_eq!(person("1501_c6s4_001902_01.jpg"), Some(1501));
    for name in ["Thumbs.db", "0002.jpg", "0002_x1.jpg", "cat_c1s1.jpg", "0002_cat.jpg", "_c1.jpg"] {
        assert_eq!(person(name), None, "{name}");
    }
}

fn save(folder: &Path, name: &str) {
    fs::create_dir_all(folder).expect("create");
    RgbImage::from_pixel(16, 32, Rgb([9, 9, 9])).save(folder.join(name)).expect("save");
}

#[test]
fn persons_are_classes_and_each_keeps_a_training_image() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let train = dir.path().join("bounding_box_train");
    for person in [2, 7, 11, 1500] {
        for shot in 0..30 {
            save(&train, &format!("{person:04}_c{}s1_{shot:06}_00.png", shot % 6 + 1));
        }
    }
    save(&train, "0040_c1s1_000001_00.png");
    save(&train, "-1_c1s1_000001_00.png");
    save(&train, "0000_c1s1_000001_00.png");
    save(&dir.path().join("query"), "0003_c1s1_000001_00.png");
    let split = open("market1501", dir.path(), 16, 5).expect("a good set");
    assert_eq!(split.train.class_names, ["0002", "0007", "0011", "0040", "1500"]);
    assert_eq!(split.train.len() + split.test.len(), 121);
    let persons: BTreeSet<u32> = split.train.labels.iter().copied().collect();
    assert_eq!(persons.len(), 5);
    // Expected 12 of 121 with a standard deviation of 3.3.
    assert!((1..=28).contains(&split.test.len()), "{}", split.test.len());
    assert!(split.train.notes.iter().any(|note| note.contains("2 files show no person")), "{:?}", split.train.notes);
}

#[test]
fn other_folders_are_told() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    save(dir.path(), "cat.png");
    assert_data_error(open("market1501", dir.path(), 16, 5), &["no file with a person", "bounding_box_train/"]);
    assert_data_error(open("market1501", &dir.path().join("nowhere"), 16, 5), &["does not exist"]);
}
