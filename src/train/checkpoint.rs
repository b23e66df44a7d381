//! Checkpoints: what a run needs to go on exactly.
//!
//! `checkpoints/NAME.safetensors` is a plain state dict, so timm and PyTorch load it. What only
//! training needs (moments, averaged weights) lies apart, in `checkpoints/optimizer-STEP.safetensors`.
//! That file is written first; then `last.safetensors`, which names it, is replaced as a whole; then
//! older optimiser files go. A process killed at any moment leaves a `last` whose partner is there.
//! Random draws, batches and the schedule are functions of the step, so no other state exists.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::weights;
use crate::config::Experiment;
use crate::data::{HASH_START, hash_bytes};
use crate::error::{Error, Result};
use crate::graph::machine::Machine;
use crate::graph::{Place, Region};
use crate::model::parameters::{Parameter, Parameters, Source};
use crate::platform::files;
use crate::run::store::checkpoint_path;
use crate::run::tensors::Tensors;

/// The checkpoint that a run goes on from.
pub const LAST: &str = "last";
/// The weights of the best evaluation.
pub const BEST: &str = "best";

/// Optimiser files: `optimizer-000500.safetensors`.
const OPTIMIZER_PREFIX: &str = "optimizer-";
const EXTENSION: &str = ".safetensors";

/// The optimiser's state: region, prefix of its names, and whether it holds running statistics.
const STATE: [(Region, &str, bool); 4] = [
    (Region::Momentum, "momentum.", false),
    (Region::Variance, "variance.", false),
    (Region::Ema, "ema.", false),
    (Region::EmaStats, "ema.", true),
];

/// Where in its run a checkpoint stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Optimiser steps made.
    pub step: u64,
    /// Epochs done, fractional.
    pub epoch: f64,
    /// Batches that every BatchNorm has seen.
    pub num_batches: u64,
}

/// The words in a checkpoint's metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Vitrine's version.
    pub version: String,
    /// Where in the run.
    #[serde(flatten)]
    pub position: Position,
    /// Decides every random draw.
    pub seed: u64,
    /// Of the resolved config without `data.path` and `data.workers`, 16 hexadecimal digits.
    pub config_hash: String,
    /// The optimiser's file beside it; none for weights alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<String>,
}

impl About {
    fn new(experiment: &Experiment, position: &Position) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_string(),
            position: position.clone(),
            seed: experiment.train.seed,
            config_hash: config_hash(experiment),
            optimizer: None,
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }

    fn from_json(text: &str, path: &Path) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            let hint = "`train --init` takes the weights of any file";
            Error::file(path, format!("it is not a checkpoint of a Vitrine run: {error}"), hint)
        })
    }
}

/// Of everything that decides a run: not where its images lie, nor how many threads read them.
pub fn config_hash(experiment: &Experiment) -> String {
    let mut deciding = experiment.clone();
    deciding.data.path.clear();
    deciding.data.workers = 0;
    format!("{:016x}", hash_bytes(HASH_START, deciding.to_toml().as_bytes()))
}

/// Writes the weights alone, e.g. as `best` or `pre-crash`. Returns the file.
pub async fn save_weights(
    run_dir: &Path,
    name: &str,
    machine: &mut dyn Machine,
    parameters: &Parameters,
    source: Source,
    (experiment, position): (&Experiment, &Position),
) -> Result<PathBuf> {
    let path = checkpoint_path(run_dir, name);
    let by_name = weights::state_dict(machine, parameters, source, position.num_batches).await?;
    Tensors { by_name, about: About::new(experiment, position).to_json() }.write(&path)?;
    Ok(path)
}

/// Writes everything that [`restore`] needs. Returns the file, `last.safetensors`.
///
/// Errors: a file cannot be written; the checkpoint before stays whole then.
pub async fn save(
    run_dir: &Path,
    machine: &mut dyn Machine,
    parameters: &Parameters,
    experiment: &Experiment,
    position: &Position,
) -> Result<PathBuf> {
    let path = checkpoint_path(run_dir, LAST);
    let folder = path.parent().expect("checkpoints lie in a folder");
    let optimizer = format!("{OPTIMIZER_PREFIX}{:06}{EXTENSION}", position.step);
    let mut about = About::new(experiment, position);

    let mut state = Tensors { about: about.to_json(), ..Tensors::default() };
    for (region, prefix, arrays) in state_of(machine, parameters) {
        let named = weights::download(machine, arrays, region).await?;
        state.by_name.extend(named.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
    }
    state.write(&folder.join(&optimizer))?;

    about.optimizer = Some(optimizer.clone());
    let by_name = weights::state_dict(machine, parameters, Source::Trained, position.num_batches).await?;
    Tensors { by_name, about: about.to_json() }.write(&path)?;
    remove_older(folder, &optimizer);
    Ok(path)
}

/// The regions of the optimiser's state that this machine has, with what lies in them.
fn state_of<'a>(machine: &dyn Machine, parameters: &'a Parameters) -> Vec<(Region, &'static str, &'a [Parameter])> {
    let with_arrays = STATE.iter().map(|&(region, prefix, of_stats)| {
        let arrays: &[Parameter] = if of_stats { &parameters.stats } else { &parameters.trained };
        (region, prefix, arrays)
    });
    with_arrays.filter(|(region, _, arrays)| machine.region_len(*region) > 0 && !arrays.is_empty()).collect()
}

/// Removes optimiser files that no checkpoint names any more, and what killed writes have left.
/// What cannot be removed is tried again at the next checkpoint.
fn remove_older(folder: &Path, keep: &str) {
    let Ok(entries) = files::list(folder) else { return };
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_older = name.starts_with(OPTIMIZER_PREFIX) && name != keep;
        let is_leftover = name.starts_with('.') && name.ends_with(".tmp");
        if is_older || is_leftover {
            let _ = files::remove_file(&path);
        }
    }
}

/// Whether the run has a checkpoint to go on from.
pub fn has_last(run_dir: &Path) -> bool {
    files::is_file(&checkpoint_path(run_dir, LAST))
}

/// Brings back the state of the run's last checkpoint, bit for bit.
///
/// Errors: no checkpoint yet, a missing, truncated or damaged file, files that do not belong
/// together, another config or another model.
pub fn restore(run_dir: &Path, machine: &mut dyn Machine, parameters: &Parameters, experiment: &Experiment) -> Result<Position> {
    let path = checkpoint_path(run_dir, LAST);
    if !files::is_file(&path) {
        return Err(Error::file(run_dir, "this run has no checkpoint to go on from", "start it again from the beginning"));
    }
    let last = Tensors::read(&path)?;
    let about = About::from_json(&last.about, &path)?;
    if about.config_hash != config_hash(experiment) {
        let hint = format!("put the config back, or start a new run with --init {}", path.display());
        return Err(Error::file(&path, "it was made with another config than the run's config.toml", hint));
    }
    let trained = weights::match_names(last.by_name, parameters, &path)?;
    let state = read_state(&path, &about)?;

    weights::upload(machine, &trained, Source::Trained)?;
    for (region, prefix, arrays) in state_of(machine, parameters) {
        for parameter in arrays {
            let values = floats_of(&state, parameter, prefix)?;
            machine.upload(Place::new(region, parameter.offset), &parameter.from_torch(values))?;
        }
    }
    Ok(about.position)
}

/// The optimiser's file that a checkpoint names.
fn read_state(last: &Path, about: &About) -> Result<(PathBuf, Tensors)> {
    let Some(optimizer) = &about.optimizer else {
        return Err(Error::file(last, "it holds weights alone, no state of the optimiser", "`train --init` starts from weights"));
    };
    let path = last.with_file_name(optimizer);
    if !files::is_file(&path) {
        let hint = format!("without it, start a new run with --init {}", last.display());
        return Err(Error::file(&path, format!("it is missing, and {} needs it", last.display()), hint));
    }
    let state = Tensors::read(&path)?;
    let own = About::from_json(&state.about, &path)?;
    if (own.position.step, own.seed, &own.config_hash) != (about.position.step, about.seed, &about.config_hash) {
        return Err(Error::file(&path, format!("it is of another run or step than {}", last.display()), ""));
    }
    Ok((path, state))
}

fn floats_of<'a>((path, state): &'a (PathBuf, Tensors), parameter: &Parameter, prefix: &str) -> Result<&'a [f32]> {
    let name = format!("{prefix}{}", parameter.name);
    let (shape, values) = state.floats(&name, path)?;
    if shape != parameter.shape.sides() {
        return Err(Error::file(path, format!("{name} is {shape:?} and should be {}", parameter.shape), ""));
    }
    Ok(values)
}
