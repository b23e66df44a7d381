//! CIFAR's binary records.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use vitrine::augment::crop::Picture;

use super::{assert_data_error, open};

/// A record whose planes are constant: red, green, blue.
fn record(head: &[u8], colour: [u8; 3]) -> Vec<u8> {
    let planes = colour.into_iter().flat_map(|value| [value; 1024]);
    head.iter().copied().chain(planes).collect()
}

fn write(dir: &Path, name: &str, records: &[Vec<u8>]) {
    fs::write(dir.join(name), records.concat()).expect("write");
}

/// CIFAR-10 with one record a training file and two test records.
pub fn cifar10() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for file in 1..=5u8 {
        write(dir.path(), &format!("data_batch_{file}.bin"), &[record(&[file], [file, 20, 30])]);
    }
    let mut gradient = record(&[0], [0, 0, 0]);
    (gradient[1 + 33], gradient[1 + 1024 + 33], gradient[1 + 2048 + 33]) = (7, 8, 9);
    write(dir.path(), "test_batch.bin", &[record(&[9], [1, 2, 3]), gradient]);
    dir
}

#[test]
fn cifar10_records_become_interleaved_pixels() {
    let dir = cifar10();
    let split = open("cifar10", dir.path(), 32, 10).expect("six good files");
    assert_eq!(split.train.labels, [1, 2, 3, 4, 5]);
    assert_eq!(split.test.labels, [9, 0]);
    assert_eq!(split.train.class_names[9], "truck");
    let mut picture = Picture::default();
    split.train.image(3, &mut picture).expect("in memory");
    assert_eq!((picture.width, picture.height, &picture.rgb[..6]), (32, 32, &[4, 20, 30, 4, 20, 30][..]));
    split.test.image(1, &mut picture).expect("in memory");
    assert_eq!(picture.rgb[33 * 3..34 * 3], [7, 8, 9]);
}

#[test]
fn the_usual_subfolder_is_found() {
    let dir = cifar10();
    let outer = tempfile::tempdir().expect("a temporary folder");
    fs::rename(dir.path(), outer.path().join("cifar-10-batches-bin")).expect("move");
    assert_eq!(open("cifar10", outer.path(), 32, 10).expect("one level down").train.len(), 5);
}

#[test]
fn cifar100_takes_the_fine_label() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    write(dir.path(), "train.bin", &[record(&[11, 99], [5, 6, 7]), record(&[4, 0], [1, 1, 1])]);
    write(dir.path(), "test.bin", &[record(&[0, 42], [5, 6, 7])]);
    let split = open("cifar100", dir.path(), 32, 100).expect("two good files");
    assert_eq!((split.train.labels.clone(), split.test.labels.clone()), (vec![99, 0], vec![42]));
    assert_eq!(split.train.num_classes(), 100);
    let names = &split.train.class_names;
    assert!(names.is_sorted(), "the official names are in alphabetical order");
    write(dir.path(), "test.bin", &[record(&[0, 100], [5, 6, 7])]);
    assert_data_error(open("cifar100", dir.path(), 32, 100), &["test.bin", "label 100 of record 0", "0..=99"]);
}

/// A file, its new content (none: removed), and what the error says.
type Damage = (&'static str, Option<Vec<u8>>, &'static [&'static str]);

#[test]
fn damaged_and_missing_files_are_named() {
    let cases: [Damage; 5] = [
        ("data_batch_3.bin", None, &["data_batch_3.bin", "is missing"]),
        ("data_batch_2.bin", Some(vec![]), &["data_batch_2.bin", "holds 0 bytes"]),
        ("test_batch.bin", Some(vec![1; 3072]), &["3072 bytes", "3073-byte records"]),
        ("test_batch.bin", Some(vec![1; 2 * 3074]), &["3073-byte records"]),
        ("data_batch_1.bin", Some(vec![10; 3073]), &["label 10 of record 0", "0..=9"]),
    ];
    for (name, bytes, words) in cases {
        let dir = cifar10();
        let path = dir.path().join(name);
        match bytes {
            Some(bytes) => fs::write(path, bytes).expect("write"),
            None => fs::remove_file(path).expect("remove"),
        }
        assert_data_error(open("cifar10", dir.path(), 32, 10), words);
    }
    let gone = Path::new("no/such/folder");
    assert_data_error(open("cifar10", gone, 32, 10), &["does not exist", "data_batch_1.bin"]);
}
