//! Class folders: listing, decoding, sizes, damaged files.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage, Rgba, RgbaImage};
use tempfile::TempDir;
use vitrine::augment::crop::Picture;
use vitrine::data::dataset::View;
use vitrine::data::folder::count_classes;
use vitrine::data::loader::Loader;

use super::{assert_data_error, assert_says, experiment, open};
use crate::support::images::plain;

fn solid(width: u32, height: u32, colour: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(width, height, Rgb(colour)).into()
}

fn save(root: &Path, name: &str, image: &DynamicImage, format: ImageFormat) {
    let path = root.join(name);
    fs::create_dir_all(path.parent().expect("names have a folder")).expect("create");
    image.save_with_format(path, format).expect("save");
}

/// Two classes, `per_class` training images and one test image each, of 8×8 pixels.
fn small_set(per_class: u8) -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (class, red) in [("cat", 100), ("dog", 200)] {
        for ix in 0..per_class {
            let name = format!("train/{class}/{ix:03}.png");
            save(dir.path(), &name, &solid(8, 8, [red, ix, 0]), ImageFormat::Png);
        }
        let name = format!("val/{class}/0.png");
        save(dir.path(), &name, &solid(8, 8, [red, 0, 255]), ImageFormat::Png);
    }
    dir
}

#[test]
fn train_and_val_folders_are_listed_in_order() {
    let dir = small_set(3);
    fs::write(dir.path().join("train/cat/notes.txt"), "not an image").expect("write");
    let split = open("folder", dir.path(), 8, 2).expect("a good set");
    assert_eq!(split.train.class_names, ["cat", "dog"]);
    assert_eq!(split.train.labels, [0, 0, 0, 1, 1, 1]);
    assert_eq!(split.test.labels, [0, 1]);
    assert_eq!(split.train.notes.len(), 1);
    assert!(split.train.notes[0].contains("1 files"), "{:?}", split.train.notes);
    let mut picture = Picture::default();
    split.train.image(5, &mut picture).expect("a PNG");
    assert_eq!(picture.rgb[..3], [200, 2, 0]);
}

#[test]
fn classes_are_counted_in_both_layouts() {
    let dir = small_set(1);
    assert_eq!(count_classes(dir.path()).expect("train/ has class folders"), 2);
    assert_eq!(count_classes(&dir.path().join("val")).expect("class folders"), 2);
    let error = count_classes(&dir.path().join("val/cat")).expect_err("pictures alone are no classes");
    assert!(error.to_string().contains("has no class folders"), "{error}");
    let error = count_classes(&dir.path().join("gone")).expect_err("there is no such folder");
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[test]
fn val_is_preferred_to_test_and_test_is_taken_without_it() {
    let dir = small_set(1);
    fs::create_dir(dir.path().join("test")).expect("create");
    assert_eq!(open("folder", dir.path(), 8, 2).expect("val is labelled").test.len(), 2);
    fs::remove_dir(dir.path().join("test")).expect("remove");
    fs::rename(dir.path().join("val"), dir.path().join("test")).expect("move");
    assert_eq!(open("folder", dir.path(), 8, 2).expect("test is labelled").test.len(), 2);
}

#[test]
fn a_single_level_is_split_by_name() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for ix in 0..60u8 {
        let name = format!("{}/{ix}.png", if ix < 30 { "a" } else { "b" });
        save(dir.path(), &name, &solid(4, 4, [ix, 0, 0]), ImageFormat::Png);
    }
    let reds = || {
        let split = open("folder", dir.path(), 4, 2).expect("a good set");
        [split.train, split.test].map(|half| {
            let mut picture = Picture::default();
            let red = |ix| half.image(ix, &mut picture).map(|()| picture.rgb[0]).expect("a PNG");
            (0..half.len()).map(red).collect::<Vec<u8>>()
        })
    };
    let [train, test] = reds();
    assert_eq!(train.len() + test.len(), 60);
    // Expected 6 with a standard deviation of 2.3.
    assert!((1..=15).contains(&test.len()), "{test:?}");
    assert!(test.iter().all(|red| !train.contains(red)));
    save(dir.path(), "a/later.png", &solid(4, 4, [99, 0, 0]), ImageFormat::Png);
    let [_, with_later] = reds();
    let before: Vec<u8> = with_later.into_iter().filter(|&red| red != 99).collect();
    assert_eq!(before, test, "an added image must not move the others");
}

#[test]
fn grey_alpha_and_all_formats_become_rgb() {
    let dir = small_set(1);
    let grey: DynamicImage = GrayImage::from_pixel(8, 8, Luma([77])).into();
    let alpha: DynamicImage = RgbaImage::from_pixel(8, 8, Rgba([10, 20, 30, 40])).into();
    save(dir.path(), "train/cat/1.png", &grey, ImageFormat::Png);
    save(dir.path(), "train/cat/2.PNG", &alpha, ImageFormat::Png);
    save(dir.path(), "train/cat/3.webp", &solid(8, 8, [1, 2, 3]), ImageFormat::WebP);
    save(dir.path(), "train/cat/4.JPEG", &solid(8, 8, [90, 90, 90]), ImageFormat::Jpeg);
    // ImageNet holds a PNG under the name of a JPEG.
    save(dir.path(), "train/cat/5.jpg", &solid(8, 8, [4, 5, 6]), ImageFormat::Png);
    let split = open("folder", dir.path(), 8, 2).expect("a good set");
    let expected = [[77; 3], [10, 20, 30], [1, 2, 3], [90; 3], [4, 5, 6]];
    for (ix, expected) in expected.into_iter().enumerate() {
        let mut picture = Picture::default();
        split.train.image(ix + 1, &mut picture).expect("a good image");
        assert_eq!(picture.rgb.len(), 8 * 8 * 3);
        for (found, expected) in picture.rgb[..3].iter().zip(expected) {
            assert!(found.abs_diff(expected) <= 1, "image {ix}: {:?}", &picture.rgb[..3]);
        }
    }
}

#[test]
fn photographs_are_scaled_to_the_shorter_side_and_cut() {
    let dir = small_set(1);
    let wide = RgbImage::from_fn(300, 200, |x, _| Rgb([(x * 255 / 299) as u8, 0, 0]));
    save(dir.path(), "val/cat/0.png", &wide.into(), ImageFormat::Png);
    let split = open("folder", dir.path(), 112, 2).expect("a good set");
    let mut picture = Picture::default();
    split.test.view(0, View::Scaled, &mut picture).expect("a PNG");
    // 112 / 0.875 = 128; 300·128/200 = 192.
    assert_eq!((picture.width, picture.height), (192, 128));
    let mut experiment = experiment(2, 0);
    (experiment.augment.mean, experiment.augment.std) = (vec![0.0], vec![1.0]);
    let loader = Loader::evaluation(split.test.clone(), &experiment, 2).expect("a loader");
    let images = plain(112, &loader.batch(0).expect("a batch"));
    // Columns 40..152 of 192: the gradient from 40/191 to 151/191 of white.
    let (left, right) = (images[0], images[111 * 3]);
    assert!((left - 40.0 / 191.0).abs() < 0.01, "{left}");
    assert!((right - 151.0 / 191.0).abs() < 0.01, "{right}");
}

#[test]
fn training_cuts_photographs_at_random_places() {
    let dir = small_set(1);
    let wide = RgbImage::from_fn(300, 200, |x, _| Rgb([(x * 255 / 299) as u8, 0, 0]));
    save(dir.path(), "train/cat/000.png", &wide.into(), ImageFormat::Png);
    fs::remove_dir_all(dir.path().join("train/dog")).expect("remove");
    fs::remove_dir_all(dir.path().join("val/dog")).expect("remove");
    let split = open("folder", dir.path(), 112, 1).expect("a good set");
    let mut experiment = experiment(1, 0);
    (experiment.augment.mean, experiment.augment.std) = (vec![0.0], vec![1.0]);
    let loader = Loader::new(split.train.clone(), &experiment).expect("a loader");
    // The top left pixel tells the column the square was cut at: 0..=80 of 192.
    let columns: Vec<f32> = (0..40).map(|step| plain(112, &loader.batch(step).expect("a batch"))[0] * 191.0).collect();
    let (least, most) = columns.iter().fold((f32::MAX, f32::MIN), |(l, m), &c| (l.min(c), m.max(c)));
    assert!((-2.0..20.0).contains(&least) && (60.0..82.0).contains(&most), "{least}..{most}");
}

#[test]
fn decoded_images_are_kept() {
    let dir = small_set(2);
    let split = open("folder", dir.path(), 8, 2).expect("a good set");
    let mut first = Picture::default();
    split.train.view(0, View::Scaled, &mut first).expect("a PNG");
    fs::remove_file(dir.path().join("train/cat/000.png")).expect("remove");
    let mut again = Picture::default();
    split.train.view(0, View::Scaled, &mut again).expect("from memory");
    assert_eq!(first, again);
    assert!(split.train.image(0, &mut again).is_err(), "the file is gone");
}

#[test]
fn bad_folders_are_named() {
    let empty = tempfile::tempdir().expect("a temporary folder");
    assert_data_error(open("folder", empty.path(), 8, 2), &["has no class folders", "CLASS"]);

    let dir = small_set(1);
    fs::create_dir(dir.path().join("train/eel")).expect("create");
    assert_data_error(open("folder", dir.path(), 8, 3), &["eel", "class folder without images"]);

    let dir = small_set(1);
    save(dir.path(), "val/eel/0.png", &solid(8, 8, [0; 3]), ImageFormat::Png);
    assert_data_error(open("folder", dir.path(), 8, 2), &["val", "eel", "no counterpart"]);

    let dir = small_set(1);
    fs::remove_dir_all(dir.path().join("val")).expect("remove");
    assert_data_error(open("folder", dir.path(), 8, 2), &["neither val/ nor test/"]);

    let few = tempfile::tempdir().expect("a temporary folder");
    save(few.path(), "a/0.png", &solid(4, 4, [0; 3]), ImageFormat::Png);
    assert_data_error(open("folder", few.path(), 4, 1), &["1 images are too few"]);
}

#[test]
fn files_that_are_no_images_are_named_when_the_set_is_opened() {
    for (content, words) in [(&b"<html>"[..], "is not a JPEG, PNG or WebP image"), (&b""[..], "is empty")] {
        let dir = small_set(2);
        fs::write(dir.path().join("train/dog/000.png"), content).expect("write");
        assert_data_error(open("folder", dir.path(), 8, 2), &["dog", "000.png", words]);
    }
}

/// Cuts the file to its first `share`, in percent.
fn cut_off(path: &Path, share: usize) {
    let bytes = fs::read(path).expect("read");
    fs::write(path, &bytes[..bytes.len() * share / 100]).expect("write");
}

#[test]
fn truncated_images_fail_to_decode() {
    let dir = small_set(1);
    let noise = RgbImage::from_fn(64, 64, |x, y| Rgb([((x * 37) ^ (y * 91)) as u8, x as u8, y as u8]));
    let formats = [("png", ImageFormat::Png), ("jpg", ImageFormat::Jpeg), ("webp", ImageFormat::WebP)];
    for (ending, format) in formats {
        let name = format!("train/cat/0.{ending}");
        save(dir.path(), &name, &noise.clone().into(), format);
        for share in [5, 50, 99] {
            save(dir.path(), &name, &noise.clone().into(), format);
            cut_off(&dir.path().join(&name), share);
            let split = open("folder", dir.path(), 8, 2).expect("listing looks at the start only");
            let error = split.train.image(0, &mut Picture::default()).expect_err("cut off");
            assert_says(&error, &[&format!("0.{ending}"), "cannot be decoded"]);
        }
        fs::remove_file(dir.path().join(&name)).expect("remove");
    }
}

#[test]
fn a_damaged_image_is_replaced_by_the_next_and_counted() {
    let dir = small_set(60);
    cut_off(&dir.path().join("train/cat/007.png"), 60);
    let split = open("folder", dir.path(), 8, 2).expect("listing looks at the start only");
    let mut picture = Picture::default();
    assert_eq!(split.train.readable(7, View::Scaled, &mut picture).expect("the next one is good"), 8);
    assert_eq!(picture.rgb[..2], [100, 8]);
    let loader = Loader::new(split.train.clone(), &experiment(120, 0)).expect("a loader");
    loader.batch(0).expect("1 of 120 is less than 1 %");
    let unreadable = split.train.unreadable();
    assert_eq!(unreadable.len(), 1, "counted once");
    assert!(unreadable[0].contains("007.png"), "{unreadable:?}");
}

#[test]
fn more_than_one_percent_of_damaged_images_is_an_error() {
    let dir = small_set(60);
    for ix in [3, 30] {
        cut_off(&dir.path().join(format!("train/dog/{ix:03}.png")), 60);
    }
    let split = open("folder", dir.path(), 8, 2).expect("listing looks at the start only");
    let loader = Loader::new(Arc::clone(&split.train), &experiment(120, 0)).expect("a loader");
    let error = loader.batch(0).expect_err("2 of 120");
    assert_says(&error, &["2 of 120 images cannot be decoded", "more than 1 %", ".png"]);
}
