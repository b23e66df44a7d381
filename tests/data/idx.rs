//! IDX files, plain and gzip.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use tempfile::TempDir;
use vitrine::augment::crop::Picture;

use super::{assert_data_error, open};

const IMAGE_FILE: &str = "train-images-idx3-ubyte";
const LABEL_FILE: &str = "train-labels-idx1-ubyte.gz";
const TRAIN_LABELS: [u8; 5] = [3, 1, 4, 1, 5];
const TEST_LABELS: [u8; 2] = [9, 2];

fn idx(magic: u32, sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let header = std::iter::once(&magic).chain(sizes).flat_map(|word| word.to_be_bytes());
    header.chain(bytes.iter().copied()).collect()
}

/// Images of 2 rows and 4 columns; image i holds 8·i … 8·i + 7.
fn images(len: u32) -> Vec<u8> {
    let bytes: Vec<u8> = (0..8 * len as u8).collect();
    idx(0x803, &[len, 2, 4], &bytes)
}

fn labels(labels: &[u8]) -> Vec<u8> {
    idx(0x801, &[labels.len() as u32], labels)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

/// A folder with four good files, after `change` has had its way.
pub fn folder(change: impl FnOnce(&Path)) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let put = |name: &str, bytes: Vec<u8>| fs::write(dir.path().join(name), bytes).expect("write");
    put("train-images-idx3-ubyte", images(5));
    put("train-labels-idx1-ubyte.gz", gzip(&labels(&TRAIN_LABELS)));
    put("t10k-images-idx3-ubyte.gz", gzip(&images(2)));
    put("t10k-labels.idx1-ubyte", labels(&TEST_LABELS));
    change(dir.path());
    dir
}

fn overwrite(name: &'static str, bytes: Vec<u8>) -> impl FnOnce(&Path) {
    move |dir| fs::write(dir.join(name), bytes).expect("write")
}

#[test]
fn plain_and_gzip_files_are_read() {
    let dir = folder(|_| ());
    let split = open("mnist", dir.path(), 4, 10).expect("four good files");
    assert_eq!(split.train.labels, TRAIN_LABELS.map(u32::from));
    assert_eq!(split.test.labels, TEST_LABELS.map(u32::from));
    let mut picture = Picture::default();
    split.train.image(2, &mut picture).expect("in memory");
    assert_eq!((picture.width, picture.height), (4, 2));
    let expected: Vec<u8> = (16..24).flat_map(|grey| [grey; 3]).collect();
    assert_eq!(picture.rgb, expected);
}

#[test]
fn gzip_is_told_by_content_not_by_name() {
    let dir = folder(overwrite("train-images-idx3-ubyte", gzip(&images(5))));
    assert_eq!(open("mnist", dir.path(), 4, 10).expect("gzip without ending").train.len(), 5);
}

#[test]
fn the_hash_follows_the_content() {
    let hash = |change: fn(&Path)| {
        let dir = folder(change);
        open("mnist", dir.path(), 4, 10).expect("good files").hash()
    };
    let plain = hash(|_| ());
    assert_eq!(plain.len(), 16);
    assert_eq!(plain, hash(|dir| overwrite("train-images-idx3-ubyte", gzip(&images(5)))(dir)));
    assert_ne!(plain, hash(|dir| overwrite("t10k-labels.idx1-ubyte", labels(&[9, 3]))(dir)));
}

#[test]
fn missing_files_and_folders_are_named() {
    let dir = folder(|dir| fs::remove_file(dir.join("t10k-labels.idx1-ubyte")).expect("remove"));
    assert_data_error(open("mnist", dir.path(), 4, 10), &["neither t10k-labels-idx1-ubyte nor"]);
    assert_data_error(open("mnist", &dir.path().join("gone"), 4, 10), &["gone", "does not exist"]);
    let file = dir.path().join("train-images-idx3-ubyte");
    assert_data_error(open("mnist", &file, 4, 10), &["is not a folder"]);
}

#[test]
fn damaged_files_are_named_with_the_damage() {
    let good = images(5);
    let truncated = good[..good.len() - 3].to_vec();
    let mut longer = good.clone();
    longer.push(0);
    let packed = gzip(&good);
    let mut flipped = packed.clone();
    let checksum = flipped.len() - 6;
    flipped[checksum] ^= 0xFF;
    let huge = idx(0x803, &[u32::MAX, u32::MAX, 2], &[0; 40]);
    let large = idx(0x803, &[4_000_000, 28, 28], &[0; 40]);
    let cases: Vec<(&'static str, Vec<u8>, &[&str])> = vec![
        (IMAGE_FILE, truncated, &[IMAGE_FILE, "cut off after 37 of the 40 bytes"]),
        (IMAGE_FILE, longer, &["goes on after the 40 bytes"]),
        (IMAGE_FILE, packed[..packed.len() - 12].to_vec(), &["cut off"]),
        (IMAGE_FILE, packed[..packed.len() - 2].to_vec(), &["cut off"]),
        (IMAGE_FILE, flipped, &["corrupt"]),
        (IMAGE_FILE, huge, &["claims", "more than the file can hold"]),
        (IMAGE_FILE, large.clone(), &["more than the file can hold"]),
        (IMAGE_FILE, gzip(&large), &["more than the file can hold"]),
        (IMAGE_FILE, good[..9].to_vec(), &["ends after 9 of the 16 bytes of its header"]),
        (IMAGE_FILE, Vec::new(), &["IDX magic"]),
        (IMAGE_FILE, labels(&TRAIN_LABELS), &["[00, 00, 08, 01]", "IDX file of the images"]),
        (IMAGE_FILE, b"<html>404 not found".to_vec(), &["IDX magic"]),
        (IMAGE_FILE, idx(0x803, &[5, 0, 4], &[]), &["holds no pixels"]),
        (LABEL_FILE, images(5), &["IDX file of the labels"]),
        (LABEL_FILE, labels(&[0, 1, 2, 3]), &[LABEL_FILE, "4 labels for 5 images", IMAGE_FILE]),
        (LABEL_FILE, labels(&[0, 1, 2, 10, 3]), &["label 10 of image 3 is out of range", "0..=9"]),
    ];
    for (name, bytes, words) in cases {
        let dir = folder(overwrite(name, bytes));
        assert_data_error(open("mnist", dir.path(), 4, 10), words);
    }
}
