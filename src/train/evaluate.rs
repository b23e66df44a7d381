//! `vitrine eval`: loss and accuracy of weights on the test images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint::{BEST, LAST};
use super::device::Device;
use super::import::{self, Purpose};
use super::session::DeviceChoice;
use super::step::{Totals, Trainer};
use super::weights;
use crate::config::Experiment;
use crate::data;
use crate::data::loader::{Batch, Loader};
use crate::data::prefetch::Prefetch;
use crate::error::{Error, Result};
use crate::model::parameters::Source;
use crate::platform::files;
use crate::run::store::checkpoint_path;
use crate::run::tensors::{Tensor, Tensors};

/// What the verb is given.
#[derive(Clone, Debug)]
pub struct Request {
    /// Model and data.
    pub experiment: Experiment,
    /// State dict with timm's names.
    pub weights: PathBuf,
    /// Where the logits go: `logits` [N, K] and `labels` [N], in the order of the test images.
    pub out: Option<PathBuf>,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Part of the adapter's name.
    pub adapter: Option<String>,
}

/// What an evaluation found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Loss, accuracy, images.
    pub totals: Totals,
    /// Name of the device.
    pub device: String,
    /// What was changed in the weights to fit the model.
    pub adopted: Vec<String>,
    /// Images that could not be decoded and were replaced by their neighbours.
    pub unreadable: Vec<String>,
}

/// Evaluates weights on all test images.
///
/// Errors: bad data or weights, no device, the logits cannot be written.
pub async fn run(request: &Request) -> Result<Report> {
    let experiment = &request.experiment;
    let split = data::open(&experiment.data, &experiment.model)?;
    let (device, _) = Device::open(request.device, request.adapter.as_deref()).await?;
    let mut trainer = Trainer::new(experiment, &device).await?;
    let (values, adopted) = import::adopt(&request.weights, &trainer.parameters, Purpose::Use)?;
    weights::upload(trainer.machine.as_mut(), &values, Source::Trained)?;
    drop(values);

    let test = Arc::new(Loader::evaluation(split.test.clone(), experiment, trainer.estimate.micro_batch)?);
    let num_classes = experiment.model.num_classes;
    let (mut logits, mut labels) = (Vec::new(), Vec::new());
    let totals = evaluate(&mut trainer, &test, experiment.data.workers, async |trainer, batch| {
        if request.out.is_some() {
            logits.extend_from_slice(&trainer.logits().await?[..batch.valid * num_classes]);
            labels.extend(batch.labels[..batch.valid].iter().map(|label| i64::from(*label)));
        }
        Ok(())
    })
    .await?;
    if let Some(out) = &request.out {
        let len = labels.len();
        let arrays =
            [("logits".to_string(), Tensor::floats(&[len, num_classes], logits)), ("labels".to_string(), Tensor::integers(&[len], labels))];
        Tensors { by_name: BTreeMap::from(arrays), about: String::new() }.write(out)?;
    }
    Ok(Report { adopted: adopted.lines(), totals, device: trainer.machine.describe(), unreadable: split.test.unreadable() })
}

/// Mean loss and accuracy over every image of `test`, whose batches are the trainer's
/// micro-batches, made ahead of need on `workers` threads (0: as many as the machine runs). `each`
/// is called after every batch.
pub async fn evaluate(
    trainer: &mut Trainer,
    test: &Arc<Loader>,
    workers: usize,
    mut each: impl AsyncFnMut(&mut Trainer, &Batch) -> Result<()>,
) -> Result<Totals> {
    trainer.clear_totals()?;
    let mut prefetch = Prefetch::new(test.clone(), 0..test.steps_per_epoch(), workers)?;
    while let Some(batch) = prefetch.next().transpose()? {
        trainer.evaluate_batch(&batch.pictures, &batch.targets, batch.valid)?;
        trainer.breathe().await?;
        each(trainer, &batch).await?;
        prefetch.recycle(batch);
    }
    trainer.totals().await
}

/// The weights of a run: the best, or the last where nothing was evaluated.
///
/// Errors: a run without a checkpoint.
pub fn weights_of_run(run_dir: &Path) -> Result<PathBuf> {
    let candidates = [BEST, LAST].map(|name| checkpoint_path(run_dir, name));
    let found = candidates.into_iter().find(|path| files::is_file(path));
    found.ok_or_else(|| Error::file(run_dir, "this run has no checkpoint yet", "`vitrine train --resume` goes on with a run"))
}
