//! A run, or its weights, as one file to save: from a folder, or from files in memory.

use std::path::Path;

use vitrine::dashboard::host::{Export, RunKey};
use vitrine::error::{Error, Result};
use vitrine::platform::files;
use vitrine::run::files::RunFiles;
use vitrine::run::vitrun;
use vitrine::train::checkpoint::{BEST, LAST, PRE_CRASH, PREVIOUS};

/// Folder of a run's checkpoints, as its files are named.
pub const CHECKPOINTS: &str = "checkpoints/";
/// Weights worth saving, the best first: name of the checkpoint.
const WEIGHTS: [&str; 4] = [BEST, LAST, PREVIOUS, PRE_CRASH];

/// The weights that are saved of a run with these files: checkpoint and file name.
pub fn weights_among(has_file: impl Fn(&str) -> bool) -> Option<(&'static str, String)> {
    WEIGHTS.into_iter().map(|name| (name, format!("{CHECKPOINTS}{name}.safetensors"))).find(|(_, file)| has_file(file))
}

/// Name and bytes of what is saved of a run folder.
pub fn of_folder(path: &Path, key: &RunKey, export: Export) -> Result<(String, Vec<u8>)> {
    match export {
        Export::Record | Export::WithWeights => Ok((run_name(key), vitrun::pack(path, export == Export::WithWeights, Vec::new())?)),
        Export::Weights => {
            let (name, file) = weights_among(|file| files::is_file(&path.join(file))).ok_or_else(|| no_weights(key))?;
            let path = path.join(file);
            let bytes = files::read(&path).map_err(|source| Error::io(&path, "read the weights", source))?;
            Ok((weights_name(key, name), bytes))
        }
    }
}

/// The same of files in memory.
pub fn of_files(run: &RunFiles, key: &RunKey, export: Export) -> Result<(String, Vec<u8>)> {
    if export != Export::Weights {
        return Ok((run_name(key), vitrun::to_bytes(run)?));
    }
    let (name, file) = weights_among(|file| run.by_name.contains_key(file)).ok_or_else(|| no_weights(key))?;
    Ok((weights_name(key, name), run.by_name[&file].clone()))
}

fn run_name(key: &RunKey) -> String {
    format!("{}.{}", plain(key), vitrun::EXTENSION)
}

fn weights_name(key: &RunKey, checkpoint: &str) -> String {
    format!("{}-{checkpoint}.safetensors", plain(key))
}

/// A key as a name of a file.
fn plain(key: &RunKey) -> String {
    key.0.replace(['/', '\\'], "-")
}

fn no_weights(key: &RunKey) -> Error {
    Error::file(
        Path::new(&key.0),
        "this run has no checkpoint yet",
        "the first is written at the end of an epoch, or on demand while it trains",
    )
}
