//! Checkpoints: what a run needs to go on exactly.
//!
//! `checkpoints/NAME.safetensors` is a plain state dict, so timm and PyTorch load it. What only
//! training needs (moments, averaged weights) lies apart, in `checkpoints/optimizer-STEP.safetensors`.
//! That file is written first, then the weights beside `last.safetensors`; then `last` becomes
//! `previous.safetensors` and the new weights become `last`; then optimiser files that no checkpoint
//! names any more go. A process killed at any moment leaves a `last` or a `previous` whose partner is there.
//! Random draws, batches and the schedule are functions of the step, so no other state exists.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ring::Snapshot;
use super::weights;
use crate::config::Experiment;
use crate::data::{HASH_START, hash_bytes};
use crate::error::{Error, Result};
use crate::graph::machine::Machine;
use crate::graph::{Place, Region};
use crate::model::parameters::{Parameter, Parameters, Source};
use crate::platform::files;
use crate::run::store::checkpoint_path;
use crate::run::tensors::{Tensor, Tensors};

/// The checkpoint that a run goes on from.
pub const LAST: &str = "last";
/// The one before it, for when it is damaged.
pub const PREVIOUS: &str = "previous";
/// The state some steps before a crash.
pub const PRE_CRASH: &str = "pre-crash";
/// A checkpoint under way.
const NEXT: &str = "next";
/// The weights of the best evaluation.
pub const BEST: &str = "best";

/// Optimiser files: `optimizer-000500.safetensors`.
const OPTIMIZER_PREFIX: &str = "optimizer-";
const EXTENSION: &str = ".safetensors";

/// The optimiser's state: region, prefix of its names, and whether it holds running statistics.
pub(super) const STATE: [(Region, &str, bool); 4] = [
    (Region::Momentum, "momentum.", false),
    (Region::Variance, "variance.", false),
    (Region::Ema, "ema.", false),
    (Region::EmaStats, "ema.", true),
];

/// The state of mixed precision's loss scale in the optimiser's file.
const LOSS_SCALE: &str = "loss_scale";

/// Largest header of a checkpoint that is looked into.
const MAX_HEADER_BYTES: usize = 64 << 20;

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
    let snapshot = Snapshot::take(machine, position.clone()).await?;
    save_snapshot(run_dir, LAST, &snapshot, parameters, experiment)
}

/// Writes a snapshot as the checkpoint `name`; the `last` before becomes the `previous`. Returns the file.
///
/// Errors: a file cannot be written; the checkpoints before stay whole then.
pub fn save_snapshot(run_dir: &Path, name: &str, snapshot: &Snapshot, parameters: &Parameters, experiment: &Experiment) -> Result<PathBuf> {
    let position = &snapshot.position;
    let [path, next, previous] = [name, NEXT, PREVIOUS].map(|name| checkpoint_path(run_dir, name));
    let folder = path.parent().expect("checkpoints lie in a folder");
    let optimizer = format!("{OPTIMIZER_PREFIX}{:06}{EXTENSION}", position.step);
    let mut about = About::new(experiment, position);

    let mut state = Tensors { about: about.to_json(), ..Tensors::default() };
    for (region, prefix, of_stats) in STATE {
        let arrays = if of_stats { &parameters.stats } else { &parameters.trained };
        let named = snapshot.words(region).map(|words| weights::named(words, arrays)).unwrap_or_default();
        state.by_name.extend(named.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)));
    }
    if let Some(words) = snapshot.words(Region::LossScale) {
        state.by_name.insert(LOSS_SCALE.to_string(), Tensor::floats(&[words.len()], words.to_vec()));
    }
    state.write(&folder.join(&optimizer))?;

    about.optimizer = Some(optimizer);
    let words = |region: Region| snapshot.words(region).unwrap_or_default();
    let by_name = weights::state_dict_from(words(Region::Params), words(Region::Stats), parameters, position.num_batches);
    Tensors { by_name, about: about.to_json() }.write(&next)?;
    let rename = |from: &Path, to: &Path| files::rename(from, to).map_err(|source| Error::io(to, "replace the checkpoint", source));
    // Written twice at one step, it is still the same checkpoint.
    if name == LAST && files::is_file(&path) && step_of(run_dir, LAST) != Some(position.step) {
        rename(&path, &previous)?;
    }
    rename(&next, &path)?;
    remove_older(folder, run_dir);
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
fn remove_older(folder: &Path, run_dir: &Path) {
    let named: Vec<String> =
        [LAST, PREVIOUS, PRE_CRASH].iter().filter_map(|name| about_of(&checkpoint_path(run_dir, name))?.optimizer).collect();
    let Ok(entries) = files::list(folder) else { return };
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_older = name.starts_with(OPTIMIZER_PREFIX) && !named.contains(&name);
        let is_leftover = name.starts_with('.') && name.ends_with(".tmp");
        if is_older || is_leftover {
            let _ = files::remove_file(&path);
        }
    }
}

/// What a checkpoint says about itself, from the beginning of the file alone.
fn about_of(path: &Path) -> Option<About> {
    let length: [u8; 8] = files::read_start(path, 8).ok()?.try_into().ok()?;
    let header = usize::try_from(u64::from_le_bytes(length)).ok().filter(|len| *len <= MAX_HEADER_BYTES)?;
    let bytes = files::read_start(path, 8 + header).ok()?;
    let json: serde_json::Value = serde_json::from_slice(bytes.get(8..)?).ok()?;
    serde_json::from_str(json.get("__metadata__")?.as_object()?.values().next()?.as_str()?).ok()
}

/// Whether the run has a checkpoint to go on from.
pub fn has_last(run_dir: &Path) -> bool {
    [LAST, PREVIOUS].iter().any(|name| files::is_file(&checkpoint_path(run_dir, name)))
}

/// What a run goes on from.
#[derive(Clone, Debug, PartialEq)]
pub struct Restored {
    /// Where in the run it stands.
    pub position: Position,
    /// What a person should know: that the last checkpoint is damaged, and another was taken.
    pub notes: Vec<String>,
}

/// Brings back the state of the run's last checkpoint, bit for bit; of the one before where the last is
/// missing or damaged. That one is the last from then on.
///
/// Errors: no checkpoint yet, missing, truncated or damaged files, files that do not belong together,
/// another config or another model.
pub fn restore(run_dir: &Path, machine: &mut dyn Machine, parameters: &Parameters, experiment: &Experiment) -> Result<Restored> {
    if !has_last(run_dir) {
        return Err(Error::file(run_dir, "this run has no checkpoint to go on from", "start it again from the beginning"));
    }
    let [last, previous] = [LAST, PREVIOUS].map(|name| checkpoint_path(run_dir, name));
    let read = |path: &Path| Contents::read(path, machine, parameters, Some(experiment));
    let (contents, notes) = match read(&last) {
        Ok(contents) => (contents, Vec::new()),
        Err(damage) => {
            let Ok(contents) = read(&previous) else { return Err(damage) };
            files::rename(&previous, &last).map_err(|source| Error::io(&last, "replace the checkpoint", source))?;
            let step = contents.position.step;
            (contents, vec![format!("the last checkpoint cannot be used, so the previous one is, of step {step} ({damage})")])
        }
    };
    contents.upload(machine)?;
    Ok(Restored { position: contents.position, notes })
}

/// Brings in a checkpoint of another run, made with another config perhaps. State of the optimiser that it
/// lacks begins anew, and a note says so.
///
/// Errors: a missing or damaged file, another model.
pub fn adopt(path: &Path, machine: &mut dyn Machine, parameters: &Parameters) -> Result<Restored> {
    let contents = Contents::read(path, machine, parameters, None)?;
    contents.upload(machine)?;
    let notes = match contents.missing[..] {
        [] => Vec::new(),
        _ => vec![format!("the checkpoint has no {}: that begins anew", contents.missing.join(", "))],
    };
    Ok(Restored { position: contents.position, notes })
}

/// The step of a checkpoint; none where there is no readable one.
pub fn step_of(run_dir: &Path, name: &str) -> Option<u64> {
    about_of(&checkpoint_path(run_dir, name)).map(|about| about.position.step)
}

/// A checkpoint in host memory, checked against a model.
struct Contents<'a> {
    position: Position,
    trained: weights::Values<'a>,
    state: Vec<(Place, Vec<f32>)>,
    missing: Vec<&'static str>,
}

impl<'a> Contents<'a> {
    /// Reads a checkpoint; `exactly` of this experiment, with all of its state, or whatever fits.
    fn read(path: &Path, machine: &dyn Machine, parameters: &'a Parameters, exactly: Option<&Experiment>) -> Result<Self> {
        let file = Tensors::read(path)?;
        let about = About::from_json(&file.about, path)?;
        if exactly.is_some_and(|experiment| about.config_hash != config_hash(experiment)) {
            let hint = format!("put the config back, or fork it: train --from RUN; {} stays as it is", path.display());
            return Err(Error::file(path, "it was made with another config than the run's config.toml", hint));
        }
        let trained = weights::match_names(file.by_name, parameters, path)?;
        let (mut state, mut missing) = (Vec::new(), Vec::new());
        let named = match (&about.optimizer, exactly) {
            (None, None) => None,
            _ => Some(read_state(path, &about)?),
        };
        for (region, prefix, arrays) in state_of(machine, parameters) {
            for parameter in arrays {
                match named.as_ref().map(|named| floats_of(named, parameter, prefix)) {
                    Some(Ok(values)) => state.push((Place::new(region, parameter.offset), parameter.from_torch(values))),
                    Some(Err(error)) if exactly.is_some() => return Err(error),
                    _ if !missing.contains(&prefix) => missing.push(prefix),
                    _ => {}
                }
            }
        }
        let scale_len = machine.region_len(Region::LossScale);
        if scale_len > 0 {
            match named.as_ref().map(|(path, state)| state.floats(LOSS_SCALE, path)) {
                Some(Ok((_, words))) if words.len() == scale_len => state.push((Place::new(Region::LossScale, 0), words.to_vec())),
                Some(Err(error)) if exactly.is_some() => return Err(error),
                _ => missing.push(LOSS_SCALE),
            }
        }
        let missing = missing.into_iter().map(|prefix| prefix.trim_end_matches('.')).collect();
        Ok(Self { position: about.position, trained, state, missing })
    }

    fn upload(&self, machine: &mut dyn Machine) -> Result<()> {
        weights::upload(machine, &self.trained, Source::Trained)?;
        self.state.iter().try_for_each(|(place, words)| machine.upload(*place, words))
    }
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
