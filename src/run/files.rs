//! A run folder as bytes in memory: what a `.vitrun` file holds and what a browser opens.
//!
//! The readers of the files themselves are here, from bytes; [`super::read`] finds them on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::event::Event;
use super::line;
use super::marks::Marks;
use super::meta::{RunMeta, SCHEMA};
use super::read::{Recorded, RunHeader, file};
use super::tensors::Tensors;
use crate::error::{Error, Result};
use crate::platform::files;

/// The files of one run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunFiles {
    /// Content by path below the run folder, with `/`: `probes/step-000500.safetensors`.
    pub by_name: BTreeMap<String, Vec<u8>>,
}

impl RunFiles {
    /// The recorded run; `source` (a file or folder name) is for messages and becomes its path.
    ///
    /// Errors: a missing or damaged file, named with its line; a newer format.
    pub fn recorded(&self, source: &Path) -> Result<Recorded> {
        let (header, config_toml) = self.head(source)?;
        let metrics = self.lines(file::METRICS, source, line::event_from_metric)?;
        let notes = self.lines(file::EVENTS, source, line::event_from_note)?;
        let mut events: Vec<Event> = metrics.into_iter().chain(notes).map(|line| line.event).collect();
        line::sort_for_replay(&mut events);
        Ok(Recorded { header, config_toml, events })
    }

    /// The run without its series, and its config; neither metrics nor events need be here.
    ///
    /// Errors: those of [`Self::recorded`], of the files read.
    pub fn head(&self, source: &Path) -> Result<(RunHeader, String)> {
        let meta = meta_from_bytes(self.bytes(file::META, source)?, &source.join(file::META))?;
        let marks = match self.by_name.get(file::MARKS) {
            Some(bytes) => Marks::from_bytes(bytes, &source.join(file::MARKS))?,
            None => Marks::default(),
        };
        let config = self.bytes(file::CONFIG, source)?;
        let config_toml =
            std::str::from_utf8(config).map_err(|error| Error::file(&source.join(file::CONFIG), format!("not text: {error}"), ""))?;
        Ok((RunHeader { path: source.to_path_buf(), meta, marks, is_live: false }, config_toml.to_string()))
    }

    /// The id of the run.
    pub fn id(&self, source: &Path) -> Result<String> {
        Ok(meta_from_bytes(self.bytes(file::META, source)?, &source.join(file::META))?.id)
    }

    /// Steps of the probes whose arrays are here, in order.
    pub fn probe_steps(&self) -> Vec<u64> {
        let step_of = |name: &String| {
            let name = name.strip_prefix(file::PROBES)?.strip_prefix("/step-")?;
            name.strip_suffix(".safetensors")?.parse().ok()
        };
        let mut steps: Vec<u64> = self.by_name.keys().filter_map(step_of).collect();
        steps.sort_unstable();
        steps
    }

    /// The arrays of a safetensors file of the run, e.g. `checkpoints/best.safetensors`.
    pub fn tensors(&self, name: &str, source: &Path) -> Result<Tensors> {
        Tensors::from_bytes(self.bytes(name, source)?, &source.join(name))
    }

    fn bytes(&self, name: &str, source: &Path) -> Result<&[u8]> {
        let found = self.by_name.get(name).map(Vec::as_slice);
        found.ok_or_else(|| {
            Error::file(source, format!("it has no {name}"), "a run has run.json, config.toml, metrics.jsonl and events.jsonl")
        })
    }

    fn lines(&self, name: &str, source: &Path, parse: Parse) -> Result<Vec<Line>> {
        lines_from_bytes(self.bytes(name, source)?, &source.join(name), parse)
    }
}

/// Path of the probe at `step` below the run folder.
pub fn probe_name(step: u64) -> String {
    format!("{}/step-{step:06}.safetensors", file::PROBES)
}

/// One line of a run file, with the event it holds.
pub(super) struct Line {
    pub text: String,
    pub event: Event,
}

/// The reader of one kind of line.
pub(super) type Parse = fn(&str) -> serde_json::Result<Event>;

/// Reads the bytes of a `run.json`; `path` is for messages.
///
/// Errors: damage, a newer format.
pub fn meta_from_bytes(bytes: &[u8], path: &Path) -> Result<RunMeta> {
    let damaged = |error: serde_json::Error| Error::file(path, format!("not a valid {}: {error}", file::META), "");
    let value: serde_json::Value = serde_json::from_slice(bytes).map_err(damaged)?;
    let schema = value.get("schema").and_then(serde_json::Value::as_u64);
    match schema {
        None => Err(Error::file(path, "it has no `schema` number", "")),
        Some(schema) if schema > u64::from(SCHEMA) => {
            let what = format!("its format is {schema}, and this version reads up to {SCHEMA}");
            Err(Error::file(path, what, "a newer Vitrine opens it"))
        }
        Some(_) => serde_json::from_value(value).map_err(damaged),
    }
}

/// Reads the lines of a file that grows. A last line without its end, left by a killed process, is not counted.
pub(super) fn lines_from_bytes(bytes: &[u8], path: &Path, parse: Parse) -> Result<Vec<Line>> {
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    let text = std::str::from_utf8(&bytes[..whole]).map_err(|error| Error::file(path, format!("it is damaged: {error}"), ""))?;
    let numbered = text.lines().enumerate();
    numbered
        .map(|(line_ix, text)| {
            let event = parse(text).map_err(|error| Error::file(path, format!("line {} is damaged: {error}", line_ix + 1), ""))?;
            Ok(Line { text: text.to_string(), event })
        })
        .collect()
}

/// Files of a run folder by name, sorted: what belongs to the record of the run, and on demand its
/// checkpoints. Locks, half-written files and what can be made again (`tb/`) are left out.
///
/// Errors: a folder that cannot be listed.
pub fn names_in_folder(run_dir: &Path, with_checkpoints: bool) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    collect(run_dir, "", with_checkpoints, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(folder: &Path, prefix: &str, with_checkpoints: bool, found: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let refuse = |source| Error::io(folder, "list the folder", source);
    for path in files::list(folder).map_err(refuse)? {
        let Some(leaf) = path.file_name().and_then(|leaf| leaf.to_str()) else { continue };
        let is_left_out = leaf.starts_with('.')
            || files::is_link(&path)
            || prefix.is_empty() && (leaf == file::LOCK || leaf == file::TENSORBOARD || leaf == file::CHECKPOINTS && !with_checkpoints);
        if is_left_out {
            continue;
        }
        let name = format!("{prefix}{leaf}");
        if files::is_dir(&path) && prefix.is_empty() {
            collect(&path, &format!("{name}/"), with_checkpoints, found)?;
        } else if files::is_file(&path) {
            found.push((name, path));
        }
    }
    Ok(())
}
