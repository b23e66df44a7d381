//! Damaged files of every format: a reader may refuse them, but never panics and never asks for
//! memory that their size does not call for. Each mutation is a function of its number.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use vitrine::augment::crop::Picture;
use vitrine::data::pack::read_index;
use vitrine::data::{Split, decode};
use vitrine::error::{Error, Result};
use vitrine::rng::{Draws, Stream};

use super::{cifar, idx, open};

/// `good` with a few bytes changed, a part removed, doubled or cut off.
fn mutated(good: &[u8], number: u32) -> Vec<u8> {
    let mut draws = Draws::new(1, Stream::Synthetic, number, 0);
    let mut bytes = good.to_vec();
    let len = bytes.len() as u32;
    for _ in 0..=draws.next_below(4) {
        // Headers stand in front: half of the changes go there.
        let reach = if draws.next_below(2) == 0 { len.min(48) } else { len };
        let (at, value) = (draws.next_below(reach) as usize, draws.next_u32() as u8);
        bytes[at] = [0, 1, 0x7F, 0x80, 0xFF, value][draws.next_below(6) as usize];
    }
    let (first, second) = (draws.next_below(len) as usize, draws.next_below(len) as usize);
    let part = first.min(second)..first.max(second);
    match draws.next_below(6) {
        0 => bytes.truncate(first),
        1 => drop(bytes.drain(part)),
        2 => bytes.extend_from_within(part),
        _ => {}
    }
    bytes
}

#[test]
fn image_files() {
    let noise = RgbImage::from_fn(24, 17, |x, y| Rgb([((x * 37) ^ (y * 91)) as u8, (x * 9) as u8, y as u8]));
    for format in [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP] {
        let mut good = Cursor::new(Vec::new());
        DynamicImage::from(noise.clone()).write_to(&mut good, format).expect("writing to memory");
        let good = good.into_inner();
        decode::bytes(&good).expect("undamaged");
        let num_refused = (0..400).filter(|&number| match decode::bytes(&mutated(&good, number)) {
            Ok(Picture { width, height, rgb }) => {
                assert_eq!(rgb.len(), width * height * 3, "{format:?} {number}");
                false
            }
            Err(what) => {
                assert!(!what.is_empty());
                true
            }
        });
        assert!(num_refused.count() > 40, "{format:?}: mutations do damage");
    }
}

#[test]
fn headers_that_promise_too_many_pixels_are_refused() {
    let mut good = Cursor::new(Vec::new());
    DynamicImage::from(RgbImage::new(8, 8)).write_to(&mut good, ImageFormat::Jpeg).expect("writing to memory");
    let mut bomb = good.into_inner();
    let frame = bomb.windows(2).position(|pair| pair == [0xFF, 0xC0]).expect("a baseline frame");
    bomb[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
    let what = decode::bytes(&bomb).expect_err("65 535 pixels a side");
    assert!(!what.is_empty());
}

/// Mutates each file of `folder` in turn; opening must give a set or a data error.
fn mutate_all(folder: &Path, mutations: u32, open: impl Fn() -> Result<Split>) {
    let mut files: Vec<_> = fs::read_dir(folder).expect("list").map(|entry| entry.expect("entry").path()).collect();
    files.sort();
    let mut num_refused = 0;
    for (ix, path) in files.iter().enumerate() {
        let good = fs::read(path).expect("read");
        for number in 0..mutations {
            fs::write(path, mutated(&good, 1000 * ix as u32 + number)).expect("write");
            match open() {
                Ok(split) => assert!(split.train.labels.iter().all(|&label| (label as usize) < split.train.num_classes())),
                Err(error) => {
                    assert!(matches!(error, Error::Data { .. }), "{error}");
                    num_refused += 1;
                }
            }
        }
        fs::write(path, good).expect("write");
    }
    assert!(num_refused > 0, "mutations do damage");
    open().expect("all files are whole again");
}

#[test]
fn idx_files() {
    let dir = idx::folder(|_| {});
    mutate_all(dir.path(), 60, || open("mnist", dir.path(), 8, 10));
}

#[test]
fn cifar_files() {
    let dir = cifar::cifar10();
    mutate_all(dir.path(), 20, || open("cifar10", dir.path(), 32, 10));
}

#[test]
fn indices_of_packs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("index.json");
    let good = br#"{"schema":1,"side":256,"encoding":"jpeg","halves":[{"name":"train","hash":"00ff","images":7}]}"#;
    fs::write(&path, good).expect("write");
    read_index(&path).expect("undamaged");
    let refused = (0..300).filter(|&number| {
        fs::write(&path, mutated(good, number)).expect("write");
        read_index(&path).is_err()
    });
    assert!(refused.count() > 100);
}
