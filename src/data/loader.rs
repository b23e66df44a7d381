//! Batches as a pure function of the step.
//!
//! The images of a step, their order, their augmentation and their mixing depend on the set, the
//! experiment and the step's number alone: the same seed gives the same batches, whichever thread
//! makes them, and a resumed run needs no state of the loader.

use std::sync::Arc;

use super::Dataset;
use super::dataset::View;
use super::order::Orders;
use crate::augment::crop::{self, Picture};
use crate::augment::mix::Mixer;
use crate::augment::normalise::ChannelStats;
use crate::augment::pictures::Pictures;
use crate::augment::{ImageAugment, ImagePlace, Operation, image_draws, random_erasing, resized_crop, targets};
use crate::config::experiment::Experiment;
use crate::error::{Error, Result};

/// Images and targets of one step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// The step it belongs to.
    pub step: usize,
    /// [B, S, S, 3] as bytes, and what the device does to them.
    pub pictures: Pictures,
    /// [B, K], smoothed and mixed; zero for padding.
    pub targets: Vec<f32>,
    /// [B], before mixing; zero for padding.
    pub labels: Vec<u32>,
    /// Images that count; the rest is padding at the end of an evaluation.
    pub valid: usize,
}

/// Makes the batches of one set.
#[derive(Debug)]
pub struct Loader {
    dataset: Arc<Dataset>,
    batch: usize,
    seed: u64,
    stats: ChannelStats,
    /// `None`: evaluation, in order and unchanged.
    training: Option<Training>,
}

/// What training adds to evaluation.
#[derive(Debug)]
struct Training {
    orders: Orders,
    /// Least and most share of the area of a random resized crop.
    crop_area: Option<[f64; 2]>,
    images: ImageAugment,
    random_erasing: f64,
    mixer: Mixer,
    /// Images that are mixed with each other.
    group: usize,
    label_smoothing: f64,
}

/// Memory that a thread uses for one image after the other.
#[derive(Default)]
struct Scratch {
    picture: Picture,
    square: Picture,
    spare: Picture,
}

impl Loader {
    /// Training batches of `dataset`: shuffled, augmented, without the last partial batch.
    ///
    /// Errors: a set smaller than the batch, or an impossible mean or deviation.
    pub fn new(dataset: Arc<Dataset>, experiment: &Experiment) -> Result<Self> {
        let batch = experiment.train.batch;
        if dataset.len() < batch {
            let (len, path) = (dataset.len(), dataset.path.display());
            let what = format!("train.batch = {batch}, but {path} has {len} training images");
            let hint = format!("set train.batch to at most {len}, or raise data.fraction");
            return Err(Error::config(what, hint));
        }
        let augment = &experiment.augment;
        let group = if experiment.train.micro_batch > 0 { experiment.train.micro_batch } else { batch };
        let stats = ChannelStats::from_config(augment, dataset.stats)?;
        let training = Training {
            orders: Orders::new(experiment.train.seed, dataset.len(), augment.repeats, batch / group.min(batch)),
            crop_area: augment.random_resized_crop.as_slice().try_into().ok(),
            images: ImageAugment::new(augment, &stats)?,
            random_erasing: augment.random_erasing,
            mixer: Mixer::new(augment),
            group,
            label_smoothing: augment.label_smoothing,
        };
        Self::with(dataset, experiment, batch, Some(training))
    }

    /// Evaluation batches of `dataset`: in order and unchanged, the last one padded to `batch`.
    ///
    /// Errors: an impossible mean or deviation.
    pub fn evaluation(dataset: Arc<Dataset>, experiment: &Experiment, batch: usize) -> Result<Self> {
        Self::with(dataset, experiment, batch, None)
    }

    fn with(dataset: Arc<Dataset>, experiment: &Experiment, batch: usize, training: Option<Training>) -> Result<Self> {
        if dataset.is_empty() {
            return Err(Error::data(&dataset.path, "holds no images", ""));
        }
        if batch == 0 {
            return Err(Error::config("a batch of 0 images", "set train.batch to at least 1"));
        }
        let stats = ChannelStats::from_config(&experiment.augment, dataset.stats)?;
        Ok(Self { dataset, batch, seed: experiment.train.seed, stats, training })
    }

    /// The set.
    pub fn dataset(&self) -> &Arc<Dataset> {
        &self.dataset
    }

    /// Batches of one pass: whole ones in training, all in evaluation.
    pub fn steps_per_epoch(&self) -> usize {
        if self.training.is_some() { self.dataset.len() / self.batch } else { self.dataset.len().div_ceil(self.batch) }
    }

    /// What the images of one batch take.
    pub fn batch_bytes(&self) -> usize {
        self.batch * self.dataset.side * self.dataset.side * 3
    }

    /// The batch of `step`.
    ///
    /// Errors: more than 1 % of the images cannot be decoded.
    pub fn batch(&self, step: usize) -> Result<Batch> {
        let mut batch = Batch::default();
        self.fill(step, 1, &mut batch)?;
        Ok(batch)
    }

    /// Writes the batch of `step` to `out`, whose memory is used again, on `num_threads` threads.
    pub fn fill(&self, step: usize, num_threads: usize, out: &mut Batch) -> Result<()> {
        let numbers = self.image_numbers(step);
        let (side, num_classes) = (self.dataset.side, self.dataset.num_classes());
        let image_len = side * side * 3;
        out.step = step;
        out.valid = numbers.len();
        out.pictures.stats = self.stats;
        out.pictures.bytes.resize(self.batch * image_len, 0);
        out.labels.resize(self.batch, 0);
        out.targets.resize(self.batch * num_classes, 0.0);
        let per_thread = numbers.len().div_ceil(num_threads.max(1)).max(1);
        let mut shares: Vec<_> = numbers
            .chunks(per_thread)
            .zip(out.pictures.bytes.chunks_mut(per_thread * image_len))
            .zip(out.labels.chunks_mut(per_thread))
            .enumerate()
            .map(|(ix, ((numbers, images), labels))| (ix * per_thread, numbers, images, labels))
            .collect();
        let first = shares.remove(0);
        std::thread::scope(|scope| {
            let make = |(position, numbers, images, labels)| self.fill_images(step, position, numbers, images, labels);
            let others: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || make(share))).collect();
            make(first)?;
            others.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(Error::Internal("decoding panicked".into()))))
        })?;
        self.finish(out);
        Ok(())
    }

    /// The images of `step`, in the order of the batch.
    fn image_numbers(&self, step: usize) -> Vec<u32> {
        let place = step % self.steps_per_epoch() * self.batch;
        let end = (place + self.batch).min(self.dataset.len());
        match &self.training {
            Some(training) => training.orders.numbers(step / self.steps_per_epoch(), place..end),
            None => (place as u32..end as u32).collect(),
        }
    }

    /// Fills consecutive places of the batch, from `position` on.
    fn fill_images(&self, step: usize, position: usize, numbers: &[u32], images: &mut [u8], labels: &mut [u32]) -> Result<()> {
        let mut scratch = Scratch::default();
        let is_whole = self.training.as_ref().is_some_and(|training| training.crop_area.is_some());
        let view = if is_whole { View::Whole } else { View::Scaled };
        let image_len = self.dataset.side * self.dataset.side * 3;
        let places = numbers.iter().zip(images.chunks_exact_mut(image_len)).zip(labels);
        for (ix, ((&number, image), label)) in places.enumerate() {
            let read = self.dataset.readable(number as usize, view, &mut scratch.picture)?;
            *label = self.dataset.labels[read];
            let at = ImagePlace { seed: self.seed, step: step as u32, position: (position + ix) as u32 };
            self.cut_and_augment(at, &mut scratch);
            image.copy_from_slice(&scratch.square.rgb);
        }
        Ok(())
    }

    fn cut_and_augment(&self, at: ImagePlace, scratch: &mut Scratch) {
        let Scratch { picture, square, spare } = scratch;
        let side = self.dataset.side;
        let draws = |operation| image_draws(at.seed, at.step, at.position, operation);
        let Some(training) = &self.training else {
            return crop::cut(picture, side, crop::centre(picture, side), square);
        };
        match training.crop_area {
            Some(area) => resized_crop::cut(picture, side, area, &mut draws(Operation::ResizedCrop), square),
            None if self.dataset.cuts_at_random() => {
                crop::cut(picture, side, crop::draw(picture, side, &mut draws(Operation::Crop)), square)
            }
            None => crop::cut(picture, side, crop::centre(picture, side), square),
        }
        training.images.apply(square, spare, at);
    }

    /// Targets, padding, and what is left to the device: holes and mixing.
    fn finish(&self, out: &mut Batch) {
        let (side, num_classes) = (self.dataset.side, self.dataset.num_classes());
        out.pictures.bytes[out.valid * side * side * 3..].fill(0);
        out.labels[out.valid..].fill(0);
        let (targets, padding) = out.targets.split_at_mut(out.valid * num_classes);
        padding.fill(0.0);
        let smoothing = self.training.as_ref().map_or(0.0, |training| training.label_smoothing);
        targets::smoothed(&out.labels[..out.valid], num_classes, smoothing, targets);
        let Pictures { holes, mixes, group, .. } = &mut out.pictures;
        holes.clear();
        mixes.clear();
        let Some(training) = &self.training else { return };
        let place = |position: usize| ImagePlace { seed: self.seed, step: out.step as u32, position: position as u32 };
        holes.extend((0..self.batch).map(|position| random_erasing::draw(training.random_erasing, side, place(position))));
        *group = training.group;
        for (ix, targets) in out.targets.chunks_mut(training.group * num_classes).enumerate() {
            let mix = training.mixer.draw(self.seed, out.step as u32, ix as u32, side);
            mix.iter().for_each(|mix| mix.mix_targets(targets, targets.len() / num_classes));
            mixes.push(mix);
        }
    }
}
