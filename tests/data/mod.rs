//! Readers on small files made here, right and damaged; subsets; the loader.

mod cifar;
mod folder;
mod idx;
mod loader;
mod market1501;
mod mutations;
mod open;
mod order;
mod pack;
mod problems;

use std::path::Path;

use vitrine::config::experiment::{DataConfig, Experiment, ModelConfig};
use vitrine::data::{self, Split};
use vitrine::error::{Error, Result};

/// The sections that decide what is opened.
fn configs(kind: &str, path: &Path, side: usize, num_classes: usize) -> (DataConfig, ModelConfig) {
    let path = path.to_str().expect("temporary paths are UTF-8").to_string();
    let data = DataConfig { kind: kind.to_string(), path, fraction: 1.0, workers: 1, pack: true };
    (data, ModelConfig { image_size: side, num_classes, ..ModelConfig::default() })
}

fn open(kind: &str, path: &Path, side: usize, num_classes: usize) -> Result<Split> {
    let (data, model) = configs(kind, path, side, num_classes);
    data::open(&data, &model)
}

/// Opening must fail as a data error that exits with 3 and says all of `words`.
fn assert_data_error(result: Result<Split>, words: &[&str]) {
    let error = result.expect_err("the files are bad");
    assert!(matches!(error, Error::Data { .. }), "{error}");
    assert_eq!(error.exit_code(), 3);
    assert_says(&error, words);
}

fn assert_says(error: &Error, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "\"{word}\" is missing in: {text}");
    }
}

/// An experiment on batches of `batch`, without augmentation.
fn experiment(batch: usize, seed: u64) -> Experiment {
    let mut experiment = Experiment::default();
    experiment.train.batch = batch;
    experiment.train.seed = seed;
    let augment = &mut experiment.augment;
    (augment.pad_crop, augment.hflip, augment.label_smoothing) = (0, 0.0, 0.0);
    (augment.mixup, augment.cutmix) = (0.0, 0.0);
    experiment
}
