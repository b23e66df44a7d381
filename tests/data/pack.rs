//! Packs: what is read from them, when they are used, what damage does.

use std::fs;
use std::path::Path;

use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;
use vitrine::augment::crop::Picture;
use vitrine::config::experiment::DataConfig;
use vitrine::data::dataset::View;
use vitrine::data::pack::{Encoding, FOLDER, INDEX};
use vitrine::data::packer::{self, Packed, Recipe};
use vitrine::data::shard::{self, Record, Shard};
use vitrine::data::{self, Split};

use super::{assert_data_error, configs, open};

/// Smooth pictures of 60×40 pixels, each of its own colours, 6 a class and 1 for testing.
fn photographs() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (class, red) in [("cat", 40), ("dog", 160)] {
        for ix in 0..7_u32 {
            let half = if ix < 6 { "train" } else { "val" };
            let picture = RgbImage::from_fn(60, 40, |x, y| Rgb([(red + ix * 7) as u8, (x * 4) as u8, (y * 6) as u8]));
            let path = dir.path().join(half).join(class).join(format!("{ix}.png"));
            fs::create_dir_all(path.parent().expect("a folder")).expect("create");
            picture.save_with_format(path, ImageFormat::Png).expect("save");
        }
    }
    dir
}

fn open_files(path: &Path) -> Split {
    let (data, model) = configs("folder", path, 16, 2);
    data::open(&DataConfig { pack: false, ..data }, &model).expect("a good set")
}

fn pack(path: &Path, side: usize, encoding: Encoding) -> Packed {
    packer::pack(&open_files(path), path, Recipe { side, encoding }, &mut |_, _| {}).expect("packed")
}

fn picture(split: &Split, ix: usize) -> Picture {
    let mut picture = Picture::default();
    split.train.image(ix, &mut picture).expect("readable");
    picture
}

#[test]
fn a_pack_is_read_in_place_of_the_images() {
    let dir = photographs();
    let before = open_files(dir.path());
    for (encoding, tolerance) in [(Encoding::Raw, 0), (Encoding::Jpeg, 6)] {
        let packed = pack(dir.path(), 20, encoding);
        assert_eq!((packed.images, packed.shards, packed.kept_shards), (14, 2, 0), "{encoding:?}");
        let after = open("folder", dir.path(), 16, 2).expect("a good set");
        assert!(after.train.notes.iter().any(|note| note.contains(FOLDER) && note.contains("20")), "{:?}", after.train.notes);
        assert_eq!((&before.train.labels, &before.train.class_names), (&after.train.labels, &after.train.class_names));
        assert_ne!(before.hash(), after.hash(), "its pixels are others");
        for ix in 0..12 {
            let expected = vitrine::data::resize::to_shorter_side(&picture(&before, ix), 20);
            let found = picture(&after, ix);
            assert_eq!((found.width, found.height), (30, 20));
            let worst = found.rgb.iter().zip(&expected.rgb).map(|(a, b)| a.abs_diff(*b)).max();
            // JPEG of quality 95 on gradients; raw pixels are exact.
            assert!(worst <= Some(tolerance), "{encoding:?} {ix}: {worst:?}");
        }
        // The files may be damaged now: the pack is what is read.
        let mut square = Picture::default();
        after.test.view(0, View::Scaled, &mut square).expect("from the pack");
    }
}

#[test]
fn images_that_are_small_enough_are_kept_exactly() {
    let dir = photographs();
    let before = open_files(dir.path());
    pack(dir.path(), 40, Encoding::Jpeg);
    let after = open("folder", dir.path(), 16, 2).expect("a good set");
    assert!((0..12).all(|ix| picture(&before, ix) == picture(&after, ix)));
}

#[test]
fn a_pack_that_does_not_fit_is_left_and_said_so() {
    let dir = photographs();
    let before = open_files(dir.path());
    pack(dir.path(), 20, Encoding::Raw);
    let larger = open("folder", dir.path(), 32, 2).expect("a good set");
    assert_eq!(picture(&larger, 0).height, 40, "the file itself");
    assert!(larger.train.notes.iter().any(|note| note.contains("shorter side 20, but 32")), "{:?}", larger.train.notes);
    assert_eq!(larger.hash(), before.hash());

    fs::copy(dir.path().join("train/cat/0.png"), dir.path().join("train/cat/9.png")).expect("copy");
    let changed = open("folder", dir.path(), 16, 2).expect("a good set");
    assert!(changed.train.notes.iter().any(|note| note.contains("made of other files")), "{:?}", changed.train.notes);
    assert_eq!(picture(&changed, 0).height, 40);
}

#[test]
fn packing_goes_on_where_it_was_interrupted() {
    let dir = photographs();
    let whole = pack(dir.path(), 20, Encoding::Raw);
    let folder = dir.path().join(FOLDER);
    let expected = fs::read(folder.join("test-00000.shard")).expect("a shard");
    // As a kill between the two shards leaves it: no index, one shard, half of a temporary file.
    fs::remove_file(folder.join(INDEX)).expect("remove");
    fs::write(folder.join("test-00000.shard"), &expected[..expected.len() / 2]).expect("write");
    assert!(open("folder", dir.path(), 16, 2).expect("no pack without its index").train.notes.is_empty());
    let resumed = pack(dir.path(), 20, Encoding::Raw);
    assert_eq!((resumed.kept_shards, resumed.bytes), (1, whole.bytes));
    assert_eq!(fs::read(folder.join("test-00000.shard")).expect("a shard"), expected);
    let again = pack(dir.path(), 24, Encoding::Raw);
    assert_eq!(again.kept_shards, 0, "another recipe keeps nothing");
}

#[test]
fn damaged_packs_are_named() {
    let dir = photographs();
    pack(dir.path(), 20, Encoding::Raw);
    let shard = dir.path().join(FOLDER).join("train-00000.shard");
    let good = fs::read(&shard).expect("a shard");
    for len in [0, 7, 20, 60, good.len() - 1] {
        fs::write(&shard, &good[..len]).expect("write");
        assert_data_error(open("folder", dir.path(), 16, 2), &["train-00000.shard", "data pack", "data.pack=false"]);
    }
    fs::remove_file(&shard).expect("remove");
    assert_data_error(open("folder", dir.path(), 16, 2), &["train-00000.shard", "cannot be opened"]);
    fs::write(dir.path().join(FOLDER).join(INDEX), "{}").expect("write");
    assert_data_error(open("folder", dir.path(), 16, 2), &[INDEX, "is not the index of a pack"]);
}

#[test]
fn no_byte_of_a_shard_makes_the_reader_panic_or_ask_for_memory() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("a.shard");
    let raw = Picture { width: 2, height: 1, rgb: vec![1, 2, 3, 4, 5, 6] };
    let records = [Record::Raw(raw), Record::Encoded(vec![9; 20]), Record::Unreadable("cut off".into())];
    shard::write(&path, 5, &records).expect("write");
    let good = fs::read(&path).expect("read");
    assert!(Shard::open(&path, 6).is_err(), "another key");
    for ix in 0..good.len() {
        for value in [0, 1, 2, 0x7F, 0xFF] {
            let mut bytes = good.clone();
            bytes[ix] = value;
            fs::write(&path, &bytes).expect("write");
            let Ok(shard) = Shard::open(&path, 5) else { continue };
            assert_eq!(shard.len(), records.len(), "the number of images is part of what is checked");
            for (record, expected) in records.iter().enumerate() {
                let found = shard.record(record);
                assert!(bytes != good || found.is_ok_and(|found| found == *expected), "image {record}");
            }
        }
    }
}

#[test]
fn an_unreadable_image_stays_unreadable_in_the_pack() {
    let dir = photographs();
    for ix in 0..200_u32 {
        RgbImage::from_pixel(8, 8, Rgb([ix as u8, 1, 2])).save(dir.path().join(format!("train/cat/x{ix}.png"))).expect("save");
    }
    let path = dir.path().join("train/cat/x3.png");
    let bytes = fs::read(&path).expect("read");
    fs::write(&path, &bytes[..bytes.len() / 2]).expect("write");
    let packed = pack(dir.path(), 20, Encoding::Raw);
    assert_eq!(packed.unreadable.len(), 1);
    assert!(packed.unreadable[0].contains("x3.png"), "{packed:?}");
    let after = open("folder", dir.path(), 16, 2).expect("a good set");
    let ix = (0..after.train.len()).find(|&ix| after.train.name(ix).ends_with("x3.png")).expect("it keeps its place");
    let error = after.train.image(ix, &mut Picture::default()).expect_err("unreadable");
    assert!(error.to_string().contains("when it was packed"), "{error}");
    assert_eq!(after.train.readable(ix, View::Whole, &mut Picture::default()).expect("the next one"), ix + 1);
}
