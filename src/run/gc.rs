//! What can go from a folder of runs without losing what people look at: a plan first, then the deed.
//!
//! Runs that are being written and runs with a tag are never touched.

use std::path::{Path, PathBuf};

use super::event::Status;
use super::read::{Listing, RunHeader, file, read_header};
use crate::error::{Error, Result};
use crate::platform::files;

/// How optimiser files begin, which only a run that goes on needs.
const OPTIMIZER_PREFIX: &str = "optimizer-";
/// Weights that are kept of a run that has ended.
const KEPT_WEIGHTS: [&str; 2] = ["best.safetensors", "ema.safetensors"];

/// What may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// All checkpoints of ended runs but the best and the averaged weights.
    pub checkpoints: bool,
    /// Whole runs that crashed, were interrupted or killed.
    pub failed: bool,
}

/// A file or a folder that may go.
#[derive(Clone, Debug, PartialEq)]
pub struct Removal {
    /// What goes.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Why nobody misses it.
    pub why: &'static str,
}

/// What may go from the runs of a folder, run by run: always what killed processes left behind and
/// the optimiser's state of finished runs, and what is `wanted` besides.
///
/// Errors: a folder that cannot be listed.
pub fn plan(runs_dir: &Path, listing: &Listing, wanted: Wanted) -> Result<Vec<Removal>> {
    let mut removals = Vec::new();
    if files::is_dir(runs_dir) {
        let own = listed(runs_dir)?.into_iter().filter(|path| name_of(path).starts_with(".import-"));
        removals.extend(own.map(|path| removal(path, "left by an import that was killed")));
    }
    for run in listing.runs.iter().filter(|run| !run.is_live && run.marks.tags.is_empty()) {
        if wanted.failed && run.meta.status != Status::Finished {
            removals.push(removal(run.path.clone(), why_failed(run)));
        } else {
            removals.extend(of_run(run, wanted)?);
        }
    }
    Ok(removals)
}

fn of_run(run: &RunHeader, wanted: Wanted) -> Result<Vec<Removal>> {
    let mut removals = Vec::new();
    let folder = run.path.join(file::CHECKPOINTS);
    let checkpoints = if files::is_dir(&folder) { listed(&folder)? } else { Vec::new() };
    for path in checkpoints.into_iter().chain(listed(&run.path)?) {
        let name = name_of(&path);
        let is_checkpoint = path.starts_with(&folder) && path != folder;
        let why = if name.starts_with('.') && name.ends_with(".tmp") {
            "half-written by a process that was killed"
        } else if is_checkpoint && name.starts_with(OPTIMIZER_PREFIX) && run.meta.status == Status::Finished {
            "state of the optimiser; the run has finished"
        } else if is_checkpoint && wanted.checkpoints && !KEPT_WEIGHTS.contains(&name.as_str()) {
            "a checkpoint other than the best weights"
        } else {
            continue;
        };
        removals.push(removal(path, why));
    }
    Ok(removals)
}

fn why_failed(run: &RunHeader) -> &'static str {
    match run.meta.status {
        Status::Crashed => "the run crashed",
        Status::Interrupted => "the run was interrupted",
        Status::Running | Status::Finished => "the run was killed",
    }
}

/// Removes a run for good.
///
/// Errors: no run folder; somebody is writing it.
pub fn remove_run(run_dir: &Path) -> Result<()> {
    if read_header(run_dir)?.is_live {
        return Err(Error::file(run_dir, "this run is being trained", "stop it first"));
    }
    remove(run_dir)
}

/// Removes a file or a folder.
pub fn remove(path: &Path) -> Result<()> {
    let outcome = if files::is_dir(path) && !files::is_link(path) { files::remove_dir_all(path) } else { files::remove_file(path) };
    outcome.map_err(|source| Error::io(path, "remove it", source))
}

/// Bytes of a file, or of all files below a folder; what cannot be read counts nothing.
pub fn size_of(path: &Path) -> u64 {
    if files::is_link(path) {
        return 0;
    }
    if files::is_dir(path) {
        return files::list(path).unwrap_or_default().iter().map(|entry| size_of(entry)).sum();
    }
    files::size(path).unwrap_or(0)
}

fn removal(path: PathBuf, why: &'static str) -> Removal {
    let bytes = size_of(&path);
    Removal { path, bytes, why }
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = files::list(folder).map_err(|source| Error::io(folder, "list the folder", source))?;
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
