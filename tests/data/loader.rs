//! Batches: order, purity, prefetching, evaluation.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use vitrine::config::experiment::Experiment;
use vitrine::data::Split;
use vitrine::data::loader::{Batch, Loader};
use vitrine::data::prefetch::Prefetch;

use super::{assert_says, experiment, open};
use crate::support::images::plain;

fn fashion(side: usize) -> Split {
    open("fashion-mnist", Path::new(""), side, 10).expect("it is embedded")
}

/// Batches with every augmentation switched on.
fn augmented(batch: usize, seed: u64) -> Experiment {
    let mut experiment = experiment(batch, seed);
    let augment = &mut experiment.augment;
    (augment.pad_crop, augment.hflip, augment.label_smoothing) = (4, 0.5, 0.1);
    (augment.mixup, augment.cutmix) = (0.8, 1.0);
    augment.rand_augment = "rand-m9-mstd0.5-inc1".into();
    (augment.color_jitter, augment.random_erasing, augment.repeats) = (0.3, 0.25, 3);
    experiment
}

fn loader(split: &Split, experiment: &Experiment) -> Arc<Loader> {
    Arc::new(Loader::new(split.train.clone(), experiment).expect("a loader"))
}

#[test]
fn a_batch_has_its_shapes_and_normalised_pixels() {
    let split = fashion(32);
    let mut experiment = experiment(16, 1);
    let batch = loader(&split, &experiment).batch(0).expect("a batch");
    let images = plain(32, &batch);
    assert_eq!(images.len(), 16 * 32 * 32 * 3);
    assert_eq!((batch.targets.len(), batch.labels.len(), batch.valid), (160, 16, 16));
    // The padding is black before it is normalised.
    assert!((images[0] - (0.0 - 0.2860) / 0.3530).abs() < 1e-6, "{}", images[0]);
    for (row, &label) in batch.targets.chunks_exact(10).zip(&batch.labels) {
        assert_eq!(row.iter().sum::<f32>(), 1.0);
        assert_eq!(row[label as usize], 1.0);
    }
    (experiment.augment.mean, experiment.augment.std) = (vec![0.0], vec![1.0]);
    let raw = loader(&split, &experiment).batch(0).expect("a batch");
    assert!(plain(32, &raw).iter().all(|value| (0.0..=1.0).contains(value)));
    assert_eq!(raw.labels, batch.labels);
}

#[test]
fn an_epoch_shows_each_image_once_and_epochs_differ() {
    let split = open("random", Path::new(""), 4, 8192).expect("as many classes as images");
    let loader = loader(&split, &experiment(100, 3));
    assert_eq!(loader.steps_per_epoch(), 81);
    let epoch = |epoch: usize| -> Vec<u32> {
        let batches = (epoch * 81..(epoch + 1) * 81).map(|step| loader.batch(step));
        batches.flat_map(|batch| batch.expect("a batch").labels).collect()
    };
    let (first, second) = (epoch(0), epoch(1));
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 8100, "an image came twice");
    assert_eq!(second.iter().collect::<BTreeSet<_>>().len(), 8100);
    assert_ne!(first, second);
    assert!(!first.is_sorted());
}

#[test]
fn batches_depend_on_seed_and_step_alone() {
    let split = fashion(32);
    let one = loader(&split, &augmented(24, 7));
    let later: Vec<Batch> = (400..430).rev().map(|step| one.batch(step).expect("a batch")).collect();
    let fresh = loader(&split, &augmented(24, 7));
    for batch in later.iter().rev() {
        assert_eq!(*batch, fresh.batch(batch.step).expect("a batch"), "step {}", batch.step);
    }
    assert_ne!(later[0].pictures, later[1].pictures);
    let other = loader(&split, &augmented(24, 8)).batch(400).expect("a batch");
    assert_ne!(other.labels, fresh.batch(400).expect("a batch").labels);
}

#[test]
fn any_number_of_workers_gives_the_same_batches_in_order() {
    let split = fashion(32);
    let loader = loader(&split, &augmented(20, 5));
    let steps = 495..510;
    let expected: Vec<Batch> = steps.clone().map(|step| loader.batch(step).expect("a batch")).collect();
    for workers in [1, 3, 9] {
        let mut prefetch = Prefetch::new(loader.clone(), steps.clone(), workers).expect("threads start");
        for expected in &expected {
            let batch = prefetch.next().expect("15 steps").expect("a batch");
            assert_eq!(batch, *expected, "step {} with {workers} workers", expected.step);
            prefetch.recycle(batch);
        }
        assert!(prefetch.next().is_none());
    }
}

#[test]
fn resized_crops_are_pure_and_show_parts_of_the_picture() {
    let split = fashion(32);
    let mut experiment = augmented(20, 5);
    experiment.augment.pad_crop = 0;
    experiment.augment.random_resized_crop = vec![0.08, 1.0];
    let cropped = loader(&split, &experiment);
    let expected = cropped.batch(3).expect("a batch");
    let mut again = Batch::default();
    cropped.fill(3, 7, &mut again).expect("a batch");
    assert_eq!(again, expected, "on seven threads");
    experiment.augment.random_resized_crop.clear();
    let uncropped = loader(&split, &experiment).batch(3).expect("a batch");
    assert_eq!(uncropped.labels, expected.labels);
    assert_ne!(uncropped.pictures.bytes, expected.pictures.bytes);
}

#[test]
fn a_micro_batch_is_mixed_with_itself_alone() {
    let split = fashion(28);
    let mut experiment = experiment(24, 5);
    experiment.augment.mixup = 0.8;
    experiment.train.micro_batch = 8;
    let batch = loader(&split, &experiment).batch(0).expect("a batch");
    let weights: Vec<f32> = (0..24)
        .filter_map(|ix| {
            let partner = ix / 8 * 8 + 7 - ix % 8;
            let (own, other) = (batch.labels[ix] as usize, batch.labels[partner] as usize);
            let row = &batch.targets[ix * 10..(ix + 1) * 10];
            assert!((row[own] + if own == other { 0.0 } else { row[other] } - 1.0).abs() < 1e-6, "image {ix}: {row:?}");
            (own != other && ix % 8 == 0).then(|| row[own])
        })
        .collect();
    assert!(weights.windows(2).all(|pair| pair[0] != pair[1]) && weights.len() >= 2, "{weights:?}");
}

#[test]
fn dropping_a_prefetch_ends_its_threads() {
    let split = fashion(32);
    let loader = loader(&split, &experiment(20, 5));
    let mut prefetch = Prefetch::new(loader.clone(), 0..usize::MAX, 3).expect("threads start");
    prefetch.next().expect("endless").expect("a batch");
    drop(prefetch);
    assert_eq!(Arc::strong_count(&loader), 1, "a thread still holds the loader");
}

#[test]
fn errors_reach_the_consumer_in_place() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for half in ["train", "val"] {
        let folder = dir.path().join(half).join("only");
        std::fs::create_dir_all(&folder).expect("create");
        // The signature of a PNG and nothing behind it.
        std::fs::write(folder.join("0.png"), b"\x89PNG\r\n\x1a\n").expect("write");
    }
    let split = open("folder", dir.path(), 8, 1).expect("the signature is right");
    let loader = loader(&split, &experiment(1, 0));
    let mut prefetch = Prefetch::new(loader, 0..3, 2).expect("threads start");
    for _ in 0..3 {
        let error = prefetch.next().expect("three steps").expect_err("nothing can be decoded");
        assert_says(&error, &["1 of 1 images cannot be decoded", "0.png"]);
    }
    assert!(prefetch.next().is_none());
}

#[test]
fn evaluation_is_in_order_and_pads_the_last_batch() {
    let split = fashion(28);
    let experiment = augmented(128, 0);
    let loader = Arc::new(Loader::evaluation(split.test.clone(), &experiment, 128).expect("a loader"));
    assert_eq!(loader.steps_per_epoch(), 16);
    let prefetch = Prefetch::new(loader.clone(), 0..16, 2).expect("threads start");
    let batches: Vec<Batch> = prefetch.map(|batch| batch.expect("a batch")).collect();
    let labels: Vec<u32> = batches.iter().flat_map(|batch| batch.labels[..batch.valid].to_vec()).collect();
    assert_eq!(labels, split.test.labels);
    let last = &batches[15];
    assert_eq!(last.valid, 2000 - 15 * 128);
    assert_eq!((last.pictures.bytes.len(), last.labels.len()), (128 * 28 * 28 * 3, 128));
    assert!(last.targets[last.valid * 10..].iter().all(|&target| target == 0.0));
    assert!(last.pictures.bytes[last.valid * 28 * 28 * 3..].iter().all(|&byte| byte == 0));
    assert!(last.targets[..last.valid * 10].iter().all(|&target| target == 0.0 || target == 1.0));
}

#[test]
fn recycled_buffers_leave_nothing_behind() {
    let split = fashion(28);
    let loader = Loader::evaluation(split.test, &experiment(128, 0), 128).expect("a loader");
    let mut used = loader.batch(3).expect("a batch");
    loader.fill(15, 2, &mut used).expect("a batch");
    assert_eq!(used, loader.batch(15).expect("a batch"));
}

#[test]
fn a_set_smaller_than_the_batch_is_an_error_with_both_numbers() {
    let split = fashion(28);
    let error = Loader::new(split.train, &experiment(10_001, 0)).expect_err("10 000 images");
    assert_says(&error, &["train.batch = 10001", "10000 training images", "at most 10000"]);
}
