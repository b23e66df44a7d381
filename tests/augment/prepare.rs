//! The device's part as a whole: against plain loops over the batch in f32, to the bit, on every device and at
//! every size of a pass; and a training on bytes against one on the prepared images.

use vitrine::augment::mix::Mix;
use vitrine::augment::prepare::Prepare;
use vitrine::augment::random_erasing::quantiles;
use vitrine::config::experiment::TrainConfig;
use vitrine::config::{Experiment, Sources, load};
use vitrine::data;
use vitrine::data::loader::{Batch, Loader};
use vitrine::graph::launch::Tier;
use vitrine::platform::Wait as _;
use vitrine::rng::{Stream, words};
use vitrine::train::device::Device;
use vitrine::train::images::Images;
use vitrine::train::step::Trainer;

use crate::support::adapter::adapter;
use crate::support::images::{plain, prepared};
use crate::train::toy;

const SIDE: usize = 16;
const IMAGE_LEN: usize = SIDE * SIDE * 3;

fn experiment(sets: &[&str]) -> Experiment {
    let fixed = [
        "model.image_size=16",
        "model.stem=1Proj",
        "model.strides=[4]",
        "data.kind=random",
        "augment.hflip=0.5",
        "augment.label_smoothing=0.1",
        "train.seed=7",
    ];
    let sets = fixed.iter().chain(sets).map(|set| set.to_string()).collect();
    load(&Sources { sets, ..Sources::default() }).expect("a good config").experiment
}

fn batch(experiment: &Experiment, step: usize) -> Batch {
    let split = data::open(&experiment.data, &experiment.model).expect("synthetic images");
    Loader::new(split.train, experiment).expect("a loader").batch(step).expect("a batch")
}

/// A batch prepared by plain loops in f32, the whole batch at once.
fn reference(experiment: &Experiment, batch: &Batch) -> Vec<f32> {
    let pictures = &batch.pictures;
    let normalised = |(ix, byte): (usize, &u8)| {
        let (mean, std) = (pictures.stats.mean[ix % 3], pictures.stats.std[ix % 3]);
        ((f64::from(*byte) / 255.0 - mean) / std) as f32
    };
    let mut images: Vec<f32> = pictures.bytes.iter().enumerate().map(normalised).collect();
    let quantiles = quantiles();
    for (position, (image, hole)) in images.chunks_exact_mut(IMAGE_LEN).zip(&pictures.holes).enumerate() {
        let Some(hole) = hole else { continue };
        let mut number = 0;
        for row in hole.top..hole.top + hole.height {
            for place in hole.left * 3..(hole.left + hole.width) * 3 {
                let index = position * IMAGE_LEN.div_ceil(8) + number / 8;
                let word = words(experiment.train.seed, Stream::EraseNoise as u32, batch.step as u32, index as u32)[number % 8 / 2];
                image[row * SIDE * 3 + place] = quantiles[(word >> (16 * (number % 2)) & 0xFFFF) as usize];
                number += 1;
            }
        }
    }
    let before = images.clone();
    for (ix, value) in images.iter_mut().enumerate() {
        let (position, place) = (ix / IMAGE_LEN, ix % IMAGE_LEN);
        let group = position / pictures.group;
        let group_len = pictures.group.min(pictures.holes.len() - group * pictures.group);
        let partner = group * pictures.group + group_len - 1 - position % pictures.group;
        let (own, other) = (before[ix], before[partner * IMAGE_LEN + place]);
        match pictures.mixes[group] {
            Some(Mix::Mixup { lambda }) => *value = lambda * own + (1.0 - lambda) * other,
            Some(Mix::CutMix { area, .. }) => {
                let is_inside =
                    (area.top..area.bottom).contains(&(place / 3 / SIDE)) && (area.left..area.right).contains(&(place / 3 % SIDE));
                *value = if is_inside { other } else { own };
            }
            None => {}
        }
    }
    images
}

/// Batch, images of a pass, other keys: one pass; several with partners in others, also of odd sizes and numbers;
/// groups of their own.
const SIZES: [(usize, usize, &str); 6] = [
    (12, 12, "train.micro_batch=0"),
    (12, 4, "train.micro_batch=0"),
    (12, 3, "train.micro_batch=0"),
    (18, 9, "train.micro_batch=0"),
    (12, 4, "train.micro_batch=4"),
    (6, 2, "train.micro_batch=2"),
];

fn sized(batch: usize, micro_batch: &str, others: &[&str]) -> Experiment {
    let batch = format!("train.batch={batch}");
    experiment(&[&[batch.as_str(), micro_batch], others].concat())
}

/// Every kind of mixing with and without erasing.
const KINDS: [&[&str]; 5] = [
    &[],
    &["augment.random_erasing=0.8"],
    &["augment.mixup=0.8", "augment.random_erasing=0.8"],
    &["augment.cutmix=1.0", "augment.random_erasing=0.3"],
    &["augment.mixup=0.8", "augment.cutmix=1.0", "augment.mixup_prob=0.7"],
];

/// Every batch there is to compare: three steps of each kind at each size.
fn for_each_batch(mut check: impl FnMut(&Experiment, &Prepare, &Batch)) {
    let (mut mixups, mut cutmixes, mut holes) = (0, 0, 0);
    for (size, rows, micro_batch) in SIZES {
        for kind in KINDS {
            let experiment = sized(size, micro_batch, kind);
            let prepare = Prepare::training(&experiment, rows);
            for step in 0..3 {
                let batch = batch(&experiment, step);
                check(&experiment, &prepare, &batch);
                let mixes = batch.pictures.mixes.iter().flatten();
                mixups += mixes.clone().filter(|mix| matches!(mix, Mix::Mixup { .. })).count();
                cutmixes += mixes.filter(|mix| matches!(mix, Mix::CutMix { .. })).count();
                holes += batch.pictures.holes.iter().flatten().count();
            }
        }
    }
    assert!(mixups > 20 && cutmixes > 20 && holes > 100, "{mixups} mixups, {cutmixes} cutmixes, {holes} holes");
}

#[test]
fn the_processor_prepares_what_plain_loops_do_to_the_bit() {
    for_each_batch(|experiment, prepare, batch| {
        let found = prepared(&Device::Cpu, prepare, experiment.train.seed, batch);
        let expected = reference(experiment, batch);
        assert_eq!(found.len(), expected.len());
        let wrong = found.iter().zip(&expected).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(wrong, None, "{prepare:?} {:?}", batch.pictures.mixes);
    });
}

#[test]
fn the_adapter_prepares_the_same_pixels() {
    let Some(gpu) = adapter() else { return };
    for tier in [Tier::Plain, Tier::Tiled] {
        let device = Device::Gpu(gpu.clone(), Some(tier));
        for_each_batch(|experiment, prepare, batch| {
            let expected = prepared(&Device::Cpu, prepare, experiment.train.seed, batch);
            let found = prepared(&device, prepare, experiment.train.seed, batch);
            for (ix, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let mix = batch.pictures.mixes[ix / IMAGE_LEN / batch.pictures.group];
                // Everything else is copied. A driver may fuse the product with the sum, which leaves out one
                // rounding of a term below 4 (values of bytes reach 2, the noise 4.2): half an ulp there, and the
                // sum's own rounding may then fall on the other side.
                let allowed = if matches!(mix, Some(Mix::Mixup { .. })) { 2.0 * 2.0_f32.powi(-22) } else { 0.0 };
                assert!((found - expected).abs() <= allowed, "{prepare:?} {mix:?}: number {ix} is {found}, not {expected}");
            }
        });
    }
}

#[test]
fn another_seed_or_step_changes_the_pixels() {
    let kind = ["augment.random_erasing=1.0", "augment.mixup=0.8"];
    let one = sized(12, "train.micro_batch=0", &kind);
    let other = Experiment { train: TrainConfig { seed: 8, ..one.train.clone() }, ..one.clone() };
    let images = |experiment: &Experiment, step| {
        let prepare = Prepare::training(experiment, 12);
        prepared(&Device::Cpu, &prepare, experiment.train.seed, &batch(experiment, step))
    };
    assert_eq!(images(&one, 0), images(&one, 0));
    assert_ne!(images(&one, 0), images(&one, 1));
    assert_ne!(images(&one, 0), images(&other, 0));
}

#[test]
fn training_on_bytes_is_training_on_the_prepared_images() {
    let kind = ["data.kind=random", "augment.random_erasing=0.8", "augment.mixup=0.8", "augment.cutmix=1.0", "train.ema=0.9"];
    for others in
        [&["train.micro_batch=4"][..], &["train.micro_batch=2"], &["train.micro_batch=2", "optim.sam_rho=0.05"], &["optim.sam_rho=0.05"]]
    {
        let experiment = toy::experiment(&[&kind[..], others].concat());
        let by = |is_bytes: bool| {
            let mut trainer: Trainer = toy::trainer(&experiment, &Device::Cpu);
            let prepare = Prepare::training(&experiment, trainer.estimate.micro_batch);
            for step in 0..3 {
                let batch = batch(&experiment, step);
                let images = prepared(&Device::Cpu, &prepare, experiment.train.seed, &batch);
                let given = if is_bytes { Images::Pictures(&batch.pictures) } else { Images::Normalised(&images) };
                trainer.step(step as u64, 1e-2, given, &batch.targets).expect("a step");
            }
            (trainer.collect(true).wait().expect("numbers"), toy::state(&mut trainer))
        };
        assert_eq!(by(true), by(false), "{others:?}");
    }
}

#[test]
fn padding_of_an_evaluation_is_0() {
    let experiment = experiment(&["train.batch=12"]);
    let split = data::open(&experiment.data, &experiment.model).expect("synthetic images");
    let loader = Loader::evaluation(split.test, &experiment, 100).expect("a loader");
    let last = loader.batch(loader.steps_per_epoch() - 1).expect("a batch");
    assert_eq!(last.valid, 24);
    let images = plain(SIDE, &last);
    assert!(images[..24 * IMAGE_LEN].iter().all(|value| *value != 0.0), "bytes are not at the mean of 127.5");
    assert!(images[24 * IMAGE_LEN..].iter().all(|value| *value == 0.0));
}
