//! Reading run folders: one, all, or by a short name.

use std::path::{Path, PathBuf};

use super::edge::EDGE_FILE;
use super::event::Event;
use super::files::{Line, Parse, lines_from_bytes, meta_from_bytes};
use super::line;
use super::marks::Marks;
use super::meta::RunMeta;
use super::sweep::SWEEP_FILE;
use crate::error::{Error, Result};
use crate::platform::files;

/// Files of a run folder.
pub(super) mod file {
    pub const META: &str = "run.json";
    pub const CONFIG: &str = "config.toml";
    pub const METRICS: &str = "metrics.jsonl";
    pub const EVENTS: &str = "events.jsonl";
    pub const SUMMARY: &str = "summary.csv";
    pub const LOCK: &str = "lock";
    pub const PROBES: &str = "probes";
    pub const CHECKPOINTS: &str = "checkpoints";
    pub const MARKS: &str = "marks.json";
    pub const TENSORBOARD: &str = "tb";
}

/// A run without its series.
#[derive(Clone, Debug, PartialEq)]
pub struct RunHeader {
    /// The run folder.
    pub path: PathBuf,
    /// Its `run.json`.
    pub meta: RunMeta,
    /// Tags and note.
    pub marks: Marks,
    /// Whether a process is writing it right now.
    pub is_live: bool,
}

/// A whole recorded run.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Folder and `run.json`.
    pub header: RunHeader,
    /// The resolved config.
    pub config_toml: String,
    /// All events, in an order that replays to the live state.
    pub events: Vec<Event>,
}

/// The runs of a folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// Readable runs, oldest first.
    pub runs: Vec<RunHeader>,
    /// What is wrong with the others.
    pub unreadable: Vec<Error>,
}

impl RunHeader {
    /// The status for people; see [`RunMeta::status_text`].
    pub fn status_text(&self) -> &'static str {
        self.meta.status_text(self.is_live)
    }
}

/// Reads a whole run. A last line without its end, left by a killed process, is not counted.
///
/// Errors: no run folder, a newer format, a damaged file (named, with the line).
pub fn read_run(path: &Path) -> Result<Recorded> {
    let header = read_header(path)?;
    let config_toml = read_config(path)?;
    let mut events = Vec::new();
    for line in read_metrics(path)?.into_iter().chain(read_notes(path)?) {
        events.push(line.event);
    }
    line::sort_for_replay(&mut events);
    Ok(Recorded { header, config_toml, events })
}

/// Reads `run.json` of a run folder.
pub fn read_header(path: &Path) -> Result<RunHeader> {
    let meta_path = path.join(file::META);
    if !files::is_file(&meta_path) {
        let what = format!("this is no run folder: it has no {}", file::META);
        return Err(Error::file(path, what, "`vitrine runs ls` shows the runs"));
    }
    let bytes = files::read(&meta_path).map_err(|source| Error::io(&meta_path, "read the file", source))?;
    let meta = meta_from_bytes(&bytes, &meta_path)?;
    Ok(RunHeader { path: path.to_path_buf(), meta, marks: Marks::read(path)?, is_live: is_locked(path) })
}

/// All runs in a folder, oldest first; none if the folder is missing.
pub fn list(runs_dir: &Path) -> Result<Listing> {
    let mut listing = Listing::default();
    if !files::is_dir(runs_dir) {
        return Ok(listing);
    }
    let refuse = |source| Error::io(runs_dir, "list the runs", source);
    for path in files::list(runs_dir).map_err(refuse)? {
        // A hidden folder is one that an import is filling; that of a sweep holds runs of its own.
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        let is_campaign = [SWEEP_FILE, EDGE_FILE].iter().any(|name| files::is_file(&path.join(name)));
        if files::is_dir(&path) && !is_hidden && !is_campaign && !is_unbegun(&path) {
            match read_header(&path) {
                Ok(header) => listing.runs.push(header),
                Err(error) => listing.unreadable.push(error),
            }
        }
    }
    listing.runs.sort_by_cached_key(|run| {
        // Ids begin with the second of creation; the config is written once, at that moment.
        let second = run.meta.id.chars().take(STAMP_LEN).collect::<String>();
        let written = files::modified(&run.path.join(file::CONFIG));
        (second, written.ok(), run.meta.id.clone())
    });
    Ok(listing)
}

/// Whether a process is making this folder, or was killed while it did: it has no `run.json` and nothing else to lose.
fn is_unbegun(path: &Path) -> bool {
    let [lock, meta, metrics] = [file::LOCK, file::META, file::METRICS].map(|name| path.join(name));
    let is_written = files::is_file(&metrics) && files::read(&metrics).is_ok_and(|bytes| !bytes.is_empty());
    files::is_file(&lock) && !files::is_file(&meta) && !is_written
}

/// Length of `20260509-073045`.
const STAMP_LEN: usize = 15;

/// The folder of a run given as a path, an id, `last`, the beginning of an id, or a name.
pub fn resolve(runs_dir: &Path, run: &str) -> Result<PathBuf> {
    let in_runs_dir = runs_dir.join(run);
    for path in [Path::new(run), &in_runs_dir] {
        if !run.is_empty() && files::is_file(&path.join(file::META)) {
            return Ok(path.to_path_buf());
        }
    }
    let runs = list(runs_dir)?.runs;
    if run == "last" {
        let last = runs.last().map(|header| header.path.clone());
        return last.ok_or_else(|| {
            let what = format!("there is no run in {}", runs_dir.display());
            Error::usage(what, "`vitrine train` makes one; --runs-dir looks elsewhere")
        });
    }
    let by_prefix = |header: &&RunHeader| !run.is_empty() && header.meta.id.starts_with(run);
    let mut matches: Vec<&RunHeader> = runs.iter().filter(by_prefix).collect();
    if matches.is_empty() {
        matches = runs.iter().filter(|header| header.meta.name == run).collect();
    }
    match matches[..] {
        [header] => Ok(header.path.clone()),
        [] => Err(Error::usage(format!("there is no run `{run}` in {}", runs_dir.display()), "`vitrine runs ls` shows the runs")),
        _ => {
            let ids: Vec<&str> = matches.iter().map(|header| header.meta.id.as_str()).collect();
            let what = format!("`{run}` is the beginning or the name of {} runs", ids.len());
            Err(Error::usage(what, format!("one of {}", ids.join(", "))))
        }
    }
}

/// Lines of `metrics.jsonl`.
pub(super) fn read_metrics(path: &Path) -> Result<Vec<Line>> {
    read_lines(&path.join(file::METRICS), line::event_from_metric)
}

/// Lines of `events.jsonl`.
pub(super) fn read_notes(path: &Path) -> Result<Vec<Line>> {
    read_lines(&path.join(file::EVENTS), line::event_from_note)
}

fn read_lines(path: &Path, parse: Parse) -> Result<Vec<Line>> {
    let bytes = files::read(path).map_err(|source| Error::io(path, "read the file", source))?;
    lines_from_bytes(&bytes, path, parse)
}

/// Reads the resolved config of a run folder.
pub(super) fn read_config(path: &Path) -> Result<String> {
    read_text(&path.join(file::CONFIG))
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = files::read(path).map_err(|source| Error::io(path, "read the file", source))?;
    String::from_utf8(bytes).map_err(|error| Error::file(path, format!("not text: {error}"), ""))
}

fn is_locked(path: &Path) -> bool {
    files::Lock::is_taken(&path.join(file::LOCK))
}
