//! `vitrine trace`: a few optimiser steps on given weights and batches, with everything that parity
//! with another implementation needs.
//!
//! Steps are made at constant `optim.lr`, one whole batch each, without augmentation, drop-path and
//! averaged weights. The result holds, in PyTorch's shapes:
//!
//!   loss, grad_norm [S]          before each step; the norm before clipping
//!   logits [B, K], grad.NAME     step 0, training mode
//!   logits_eval [B, K]           initial weights, evaluation mode, batch 0
//!   cossim [layers]              likewise: stem output, after the position embedding, each block
//!   param.NAME                   after S steps; running mean and variance too
//!
//! With SAM, loss, norm, logits and gradients are those of the first pass.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::device::Device;
use super::session::DeviceChoice;
use super::step::Trainer;
use super::weights;
use crate::config::{Experiment, Sources, load};
use crate::error::{Error, Result};
use crate::graph::{Region, Shape};
use crate::model::parameters::Source;
use crate::run::tensors::{Tensor, Tensors};

/// What the verb is given.
#[derive(Clone, Debug)]
pub struct Request {
    /// Config; data and augmentation play no part.
    pub config: PathBuf,
    /// State dict with timm's names.
    pub weights: PathBuf,
    /// `images` [S, B, 3, H, W], normalised, and `targets` [S, B, K].
    pub batch: PathBuf,
    /// Where the result goes.
    pub out: PathBuf,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Part of the adapter's name.
    pub adapter: Option<String>,
}

/// Reads, computes, writes.
///
/// Errors: bad config, weights or batches; no device; the result cannot be written.
pub async fn run(request: &Request) -> Result<()> {
    let experiment = load(&Sources { file: Some(&request.config), ..Sources::default() })?.experiment;
    let (device, _) = Device::open(request.device, request.adapter.as_deref()).await?;
    trace(&experiment, &device, &request.weights, &request.batch).await?.write(&request.out)
}

/// The trace of the batches in `batch`, beginning at the weights in `weights`.
pub async fn trace(experiment: &Experiment, device: &Device, weights: &Path, batch: &Path) -> Result<Tensors> {
    let batches = Batches::read(batch, experiment)?;
    let mut experiment = experiment.clone();
    experiment.model.drop_path = 0.0;
    experiment.train.ema = 0.0;
    experiment.train.batch = batches.batch;
    experiment.train.micro_batch = batches.batch;
    experiment.probe.images = batches.batch;

    let mut trainer = Trainer::new(&experiment, device).await?;
    let values = weights::load(weights, &trainer.parameters)?;
    weights::upload(trainer.machine.as_mut(), &values, Source::Trained)?;
    drop(values);

    let mut by_name = BTreeMap::new();
    observe(&mut trainer, &batches, &mut by_name).await?;
    train(&mut trainer, &batches, &mut by_name).await?;
    Ok(Tensors { by_name, about: String::new() })
}

/// Everything that leaves the weights alone.
async fn observe(trainer: &mut Trainer, batches: &Batches, result: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let (images, targets) = batches.at(0);
    let sides = [batches.batch, batches.num_classes];
    trainer.evaluate_batch(images, targets, batches.batch)?;
    result.insert("logits_eval".to_string(), Tensor::floats(&sides, trainer.logits().await?));
    let similarity: Vec<f32> = trainer.probe(images, batches.batch).await?.into_iter().map(|value| value as f32).collect();
    result.insert("cossim".to_string(), Tensor::floats(&[similarity.len()], similarity));
    trainer.pass(images, targets)?;
    result.insert("logits".to_string(), Tensor::floats(&sides, trainer.logits().await?));
    insert(trainer, Region::Grads, "grad.", result).await
}

async fn train(trainer: &mut Trainer, batches: &Batches, result: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let lr = trainer.experiment.optim.lr;
    let mut numbers = Vec::new();
    for step in 0..batches.num_steps {
        let (images, targets) = batches.at(step);
        trainer.step(step as u64, lr, images, targets)?;
        numbers.extend(trainer.collect(false).await?);
    }
    numbers.extend(trainer.collect(true).await?);
    let column = |of: fn(&super::step::StepNumbers) -> f64| {
        let values: Vec<f32> = numbers.iter().map(|numbers| of(numbers) as f32).collect();
        Tensor::floats(&[values.len()], values)
    };
    result.insert("loss".to_string(), column(|numbers| numbers.loss));
    result.insert("grad_norm".to_string(), column(|numbers| numbers.grad_norm));
    insert(trainer, Region::Params, "param.", result).await?;
    insert(trainer, Region::Stats, "param.", result).await
}

/// Adds what lies in a region, each name behind `prefix`.
async fn insert(trainer: &mut Trainer, region: Region, prefix: &str, result: &mut BTreeMap<String, Tensor>) -> Result<()> {
    let Trainer { machine, parameters, .. } = trainer;
    let arrays = if region == Region::Stats { &parameters.stats } else { &parameters.trained };
    let named = weights::download(machine.as_mut(), arrays, region).await?;
    result.extend(named.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
    Ok(())
}

/// The batches of a file.
struct Batches {
    num_steps: usize,
    batch: usize,
    num_classes: usize,
    /// [S, B, H, W, 3].
    images: Vec<f32>,
    /// [S, B, K].
    targets: Vec<f32>,
}

impl Batches {
    fn read(path: &Path, experiment: &Experiment) -> Result<Self> {
        let file = Tensors::read(path)?;
        let (image_sides, images) = file.floats("images", path)?;
        let (target_sides, targets) = file.floats("targets", path)?;
        let (side, num_classes) = (experiment.model.image_size, experiment.model.num_classes);
        let wrong = |name: &str, sides: &[usize], wanted: String| {
            Error::file(
                path,
                format!("{name} is {} and should be {wanted}", Shape::new(sides)),
                "the config decides image side and classes",
            )
        };
        let (num_steps, batch) = match *image_sides {
            [steps, batch, 3, height, width] if steps * batch > 0 && [height, width] == [side; 2] => (steps, batch),
            _ => return Err(wrong("images", image_sides, format!("[steps, batch, 3, {side}, {side}]"))),
        };
        if target_sides != [num_steps, batch, num_classes] {
            return Err(wrong("targets", target_sides, format!("[{num_steps}, {batch}, {num_classes}]")));
        }
        Ok(Self { num_steps, batch, num_classes, images: channels_last(images, side * side), targets: targets.to_vec() })
    }

    /// Images and targets of a step.
    fn at(&self, step: usize) -> (&[f32], &[f32]) {
        let (image_len, target_len) = (self.images.len() / self.num_steps, self.batch * self.num_classes);
        (&self.images[step * image_len..][..image_len], &self.targets[step * target_len..][..target_len])
    }
}

/// [n, 3, pixels] → [n, pixels, 3].
fn channels_last(images: &[f32], num_pixels: usize) -> Vec<f32> {
    let mut result = Vec::with_capacity(images.len());
    for image in images.chunks_exact(3 * num_pixels) {
        result.extend((0..num_pixels).flat_map(|pixel| [image[pixel], image[num_pixels + pixel], image[2 * num_pixels + pixel]]));
    }
    result
}
