//! Opening by kind: the embedded set, synthetic images, subsets, mistakes in the config.

use std::collections::BTreeSet;
use std::path::Path;

use vitrine::augment::crop::Picture;
use vitrine::config::experiment::DataConfig;
use vitrine::data::{self, resize, subset};
use vitrine::error::Error;

use super::{assert_says, configs, open};

fn counts(labels: &[u32]) -> Vec<usize> {
    (0..10).map(|class| labels.iter().filter(|&&label| label == class).count()).collect()
}

#[test]
fn the_embedded_set_is_class_balanced_fashion_mnist() {
    let split = open("fashion-mnist", Path::new(""), 28, 10).expect("it is embedded");
    assert_eq!(counts(&split.train.labels), [1000; 10]);
    assert_eq!(counts(&split.test.labels), [200; 10]);
    // The first labels of the full set, whose first classes are not full yet.
    assert_eq!(split.train.labels[..10], [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]);
    assert_eq!(split.test.labels[..10], [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]);
    let mut picture = Picture::default();
    let (mut sum, mut squares, mut len) = (0.0, 0.0, 0.0);
    for ix in 0..1000 {
        split.train.image(ix, &mut picture).expect("in memory");
        assert_eq!((picture.width, picture.height), (28, 28));
        for &byte in &picture.rgb {
            let value = f64::from(byte) / 255.0;
            (sum, squares, len) = (sum + value, squares + value * value, len + 1.0);
        }
    }
    let mean = sum / len;
    let deviation = (squares / len - mean * mean).sqrt();
    // 1 000 of 60 000 images: the mean over images varies by about 0.14 / √1000.
    assert!((mean - split.train.stats.mean[0]).abs() < 0.02, "{mean}");
    assert!((deviation - split.train.stats.std[0]).abs() < 0.02, "{deviation}");
}

#[test]
fn synthetic_images_fit_the_model_and_repeat() {
    let split = open("random", Path::new(""), 40, 7).expect("made on demand");
    assert_eq!(split.train.num_classes(), 7);
    let read = |half: &data::Dataset, ix| {
        let mut picture = Picture::default();
        half.image(ix, &mut picture).expect("made on demand");
        picture
    };
    let first = read(&split.train, 0);
    assert_eq!((first.width, first.height, first.rgb.len()), (40, 40, 4800));
    assert_eq!(first, read(&split.train, 0));
    assert_ne!(first, read(&split.train, 1));
    assert_ne!(first, read(&split.test, 0));
}

#[test]
fn fractions_are_balanced_nested_and_rounded_up() {
    let labels: Vec<u32> = (0..110).map(|ix| u32::from(ix % 11 == 0)).collect();
    let per_class = |members: &[u32]| {
        let ones = members.iter().filter(|&&ix| labels[ix as usize] == 1).count();
        (members.len() - ones, ones)
    };
    // 100 and 10 images; in floats 0.07 · 100 lies above 7.
    let fractions = [(0.001, (1, 1)), (0.07, (7, 1)), (0.1, (10, 1)), (0.33, (33, 4)), (0.7, (70, 7)), (1.0, (100, 10))];
    let mut smaller = BTreeSet::new();
    for (fraction, expected) in fractions {
        let members = subset::members(&labels, 2, fraction);
        assert_eq!(per_class(&members), expected, "{fraction}");
        assert!(members.is_sorted());
        let larger: BTreeSet<u32> = members.into_iter().collect();
        assert!(smaller.is_subset(&larger), "{fraction}");
        smaller = larger;
    }
}

#[test]
fn a_fraction_of_a_set_keeps_images_and_labels_together() {
    let (mut data, model) = configs("fashion-mnist", Path::new(""), 28, 10);
    let whole = data::open(&data, &model).expect("it is embedded");
    data.fraction = 0.05;
    let part = data::open(&data, &model).expect("it is embedded");
    assert_eq!(counts(&part.train.labels), [50; 10]);
    assert_eq!(part.test.len(), 2000);
    assert_eq!(part.hash(), whole.hash(), "the fraction is config, not content");
    let members = subset::members(&whole.train.labels, 10, 0.05);
    let (mut from_part, mut from_whole) = (Picture::default(), Picture::default());
    for (ix, &member) in members.iter().enumerate() {
        part.train.image(ix, &mut from_part).expect("in memory");
        whole.train.image(member as usize, &mut from_whole).expect("in memory");
        assert_eq!(from_part, from_whole);
        assert_eq!(part.train.labels[ix], whole.train.labels[member as usize]);
    }
}

#[test]
fn mistakes_in_the_config_say_what_to_set() {
    let nowhere = Path::new("");
    let fraction = |fraction| {
        let (data, model) = configs("fashion-mnist", nowhere, 28, 10);
        data::open(&DataConfig { fraction, ..data }, &model)
    };
    let cases: [(_, &[&str]); 8] = [
        (open("fashion-mnis", nowhere, 28, 10), &["fashion-mnis", "did you mean \"fashion-mnist\""]),
        (open("fashion-mnist", nowhere, 28, 100), &["model.num_classes = 100", "has 10", "set model.num_classes = 10"]),
        (open("mnist", nowhere, 28, 10), &["data.path is empty", "not embedded"]),
        (open("cifar10", nowhere, 32, 10), &["data.path is empty", "data_batch_1.bin"]),
        (open("folder", nowhere, 32, 10), &["data.path is empty", "CLASS"]),
        (fraction(0.0), &["data.fraction = 0"]),
        (fraction(1.5), &["data.fraction = 1.5"]),
        (fraction(f64::NAN), &["data.fraction = NaN"]),
    ];
    for (result, words) in cases {
        let error = result.expect_err("the config is wrong");
        assert!(matches!(error, Error::Config { .. }), "{error}");
        assert_says(&error, words);
    }
}

#[test]
fn sizes_are_kept_padded_or_scaled() {
    use resize::Origin::{Photographs, Uniform};
    let cases = [
        ((28, 28, 28, Uniform), (28, 28)),
        ((28, 28, 32, Uniform), (28, 28)),
        ((28, 28, 33, Uniform), (33, 33)),
        ((28, 28, 64, Uniform), (64, 64)),
        ((32, 32, 28, Uniform), (28, 28)),
        ((32, 32, 32, Photographs), (32, 32)),
        ((40, 60, 32, Photographs), (32, 48)),
        ((500, 375, 224, Photographs), (341, 256)),
        ((100, 100, 96, Photographs), (109, 109)),
    ];
    for ((width, height, side, origin), expected) in cases {
        let found = resize::scaled_size(width, height, side, origin);
        assert_eq!(found, expected, "{width}×{height} for {side}");
    }
    let mut long = Picture { width: 170, height: 10, rgb: vec![0; 5100] };
    assert!(resize::scale(&mut long, 32, Photographs).is_err());
}
