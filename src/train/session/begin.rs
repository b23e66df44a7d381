//! What a session begins with: weights, state of the optimiser, run folder, and what stands recorded.

use std::collections::BTreeMap;
use std::path::Path;

use super::checkpoint::{self, BEST, Restored};
use super::{Request, Start, weights};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::model::parameters::Source;
use crate::platform::{self, files};
use crate::run::event::{Checkpoint, Event};
use crate::run::meta::{DataMark, Parent};
use crate::run::read;
use crate::run::store::{NewRun, RunStore, checkpoint_path};
use crate::train::import::{self, Purpose};
use crate::train::step::Trainer;

/// What the description of the processor begins with.
const PROCESSOR: &str = "cpu (";

/// Where a session stands before its first step.
pub struct Beginning {
    /// The run folder, locked.
    pub store: RunStore,
    /// The events that stand already.
    pub kept: Vec<Event>,
    /// Steps made.
    pub step: u64,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Fills the trainer, and makes or opens the run folder.
pub async fn begin(request: &Request, trainer: &mut Trainer, split: &Split, total_steps: u64) -> Result<Beginning> {
    match &request.start {
        Start::Resume(run_dir) => {
            let Trainer { machine, parameters, experiment, .. } = trainer;
            let Restored { position, mut notes } = checkpoint::restore(run_dir, machine.as_mut(), parameters, experiment)?;
            let meta = read::read_header(run_dir)?.meta;
            if meta.data.hash != split.hash() {
                return Err(Error::file(run_dir, "the images are not those the run began with", "pass their --data-path"));
            }
            notes.extend(device_note(&meta.device, &trainer.machine.describe()));
            let (mut store, kept) = RunStore::resume(run_dir, position.step)?;
            store.set_versions(versions(trainer));
            Ok(Beginning { store, kept, step: position.step, notes })
        }
        Start::Fork(run_dir, name) => {
            trainer.load_initial().await?;
            let path = checkpoint_path(run_dir, name);
            let Trainer { machine, parameters, .. } = trainer;
            let Restored { position, mut notes } = checkpoint::adopt(&path, machine.as_mut(), parameters)?;
            if notes.iter().any(|note| note.contains("ema")) {
                trainer.start_average().await?;
            }
            if position.step >= total_steps {
                let what = format!("the checkpoint is of step {0}, and the training ends at step {total_steps}", position.step);
                return Err(Error::config(what, "raise schedule.epochs"));
            }
            let parent = Parent { run: read::read_header(run_dir)?.meta.id, checkpoint: name.clone(), step: position.step };
            notes.insert(0, format!("forked from {}, {name} at step {}", parent.run, parent.step));
            let (mut store, mut kept) = RunStore::fork(&request.runs_dir, new_run(request, trainer, split), run_dir, parent)?;
            if let Some(best) = store.meta().best {
                match adopt_best(run_dir, &mut store, best.step, position.step)? {
                    Some(told) => kept.insert(kept.len().saturating_sub(1), told),
                    None => {
                        notes.push(format!("the best weights so far, of step {}, are not kept any more: `best` begins anew", best.step))
                    }
                }
            }
            Ok(Beginning { store, kept, step: position.step, notes })
        }
        Start::Again(run_dir, start) => {
            let notes = fill(start, trainer).await?;
            let (store, kept) = RunStore::resume(run_dir, 0)?;
            Ok(Beginning { store, kept, step: 0, notes })
        }
        start => {
            let notes = fill(start, trainer).await?;
            let store = RunStore::create(&request.runs_dir, new_run(request, trainer, split))?;
            Ok(Beginning { store, kept: Vec::new(), step: 0, notes })
        }
    }
}

/// Copies the parent's best weights to its fork, where they are those that the history speaks of.
fn adopt_best(parent_dir: &Path, store: &mut RunStore, best_step: u64, step: u64) -> Result<Option<Event>> {
    if checkpoint::step_of(parent_dir, BEST) != Some(best_step) {
        return Ok(None);
    }
    let (from, to) = (checkpoint_path(parent_dir, BEST), store.checkpoint_path(BEST));
    let bytes = files::read(&from).map_err(|source| Error::io(&from, "read the file", source))?;
    platform::write_atomically(&to, &bytes)?;
    let path = to.strip_prefix(store.path()).unwrap_or(&to).display().to_string();
    let told = Event::Checkpoint(Checkpoint { step, path, state_step: Some(best_step) });
    store.record(&told)?;
    Ok(Some(told))
}

/// What to say of a run that goes on elsewhere. The number of the processor's threads decides no bit.
fn device_note(before: &str, now: &str) -> Option<String> {
    let device = |text: &str| if text.starts_with(PROCESSOR) { PROCESSOR.to_string() } else { text.to_string() };
    (device(before) != device(now))
        .then(|| format!("was trained on {before} and goes on on {now}: the numbers are no longer those of an uninterrupted run"))
}

/// Initial weights, or those of a file. Returns what became of the file's arrays, where that is worth saying.
async fn fill(start: &Start, trainer: &mut Trainer) -> Result<Vec<String>> {
    trainer.load_initial().await?;
    let Start::Weights(path) = start else { return Ok(Vec::new()) };
    let (values, report) = import::adopt(path, &trainer.parameters, Purpose::Start)?;
    weights::upload(trainer.machine.as_mut(), &values, Source::Trained)?;
    trainer.start_average().await?;
    Ok(report.lines())
}

/// What computes the run: the system, and on a GPU wgpu and the driver.
fn versions(trainer: &Trainer) -> BTreeMap<String, String> {
    let system = ("system".to_string(), format!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    let of_device = trainer.machine.versions().into_iter().map(|(name, version)| (name.to_string(), version));
    of_device.chain([system]).collect()
}

fn new_run(request: &Request, trainer: &Trainer, split: &Split) -> NewRun {
    let experiment = &trainer.experiment;
    NewRun {
        name: request.name.clone(),
        config_toml: experiment.to_toml(),
        params: trainer.estimate.params as u64,
        device: trainer.machine.describe(),
        versions: versions(trainer),
        seed: experiment.train.seed,
        data: DataMark { kind: experiment.data.kind.clone(), hash: split.hash() },
    }
}
