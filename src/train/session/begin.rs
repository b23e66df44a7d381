//! What a session begins with: weights, state of the optimiser, run folder, and what stands recorded.

use super::checkpoint::{self, Restored};
use super::{Request, Start, weights};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::model::parameters::Source;
use crate::run::event::Event;
use crate::run::meta::{DataMark, Parent};
use crate::run::read;
use crate::run::store::{NewRun, RunStore, checkpoint_path};
use crate::train::import::{self, Purpose};
use crate::train::step::Trainer;

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
            let Restored { position, notes } = checkpoint::restore(run_dir, machine.as_mut(), parameters, experiment)?;
            let (store, kept) = RunStore::resume(run_dir, position.step)?;
            if store.meta().data.hash != split.hash() {
                return Err(Error::file(run_dir, "the images are not those the run began with", "pass their --data-path"));
            }
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
            let (store, kept) = RunStore::fork(&request.runs_dir, new_run(request, trainer, split), run_dir, parent)?;
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

/// Initial weights, or those of a file. Returns what became of the file's arrays, where that is worth saying.
async fn fill(start: &Start, trainer: &mut Trainer) -> Result<Vec<String>> {
    trainer.load_initial().await?;
    let Start::Weights(path) = start else { return Ok(Vec::new()) };
    let (values, report) = import::adopt(path, &trainer.parameters, Purpose::Start)?;
    weights::upload(trainer.machine.as_mut(), &values, Source::Trained)?;
    trainer.start_average().await?;
    Ok(report.lines())
}

fn new_run(request: &Request, trainer: &Trainer, split: &Split) -> NewRun {
    let experiment = &trainer.experiment;
    NewRun {
        name: request.name.clone(),
        config_toml: experiment.to_toml(),
        params: trainer.estimate.params as u64,
        device: trainer.machine.describe(),
        versions: Default::default(),
        seed: experiment.train.seed,
        data: DataMark { kind: experiment.data.kind.clone(), hash: split.hash() },
    }
}
