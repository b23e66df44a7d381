//! Writing run folders (architecture, section 7).
//!
//! A store takes the session's events and keeps the folder readable at every moment: each line is
//! one whole write to the end of its file, `run.json` is replaced as a whole. Killing the process
//! costs at most the line under way. One process at a time: the folder is locked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::alarm::{AlarmKind, Verdict};
use super::board::BoardFile;
use super::event::{Event, Resumed, Status};
use super::files::{Line, probe_name};
use super::line;
use super::meta::{DataMark, Final, Parent, RunMeta, SCHEMA};
use super::read::{self, file};
use super::state::Standing;
use super::summary::{self, EpochRows};
use crate::error::{Error, Result};
use crate::platform::files::{self, Appender, Lock};
use crate::platform::{self, calendar};

/// Letters of a run's name that its id takes.
const SLUG_LEN: usize = 40;

/// What is known of a run before its first step.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Name given by the user.
    pub name: String,
    /// The resolved config.
    pub config_toml: String,
    /// Trainable numbers.
    pub params: u64,
    /// Device and adapter.
    pub device: String,
    /// Versions of what computes it; Vitrine's own is added.
    pub versions: BTreeMap<String, String>,
    /// Decides every random draw.
    pub seed: u64,
    /// The images.
    pub data: DataMark,
}

/// An open run folder. Dropping it unlocks the folder.
#[derive(Debug)]
pub struct RunStore {
    path: PathBuf,
    meta: RunMeta,
    standing: Standing,
    epochs: EpochRows,
    metrics: LineFile,
    notes: LineFile,
    summary: LineFile,
    board: Option<BoardFile>,
    _lock: Lock,
}

impl RunStore {
    /// Makes `runs_dir/<id>/` for a new run and locks it.
    pub fn create(runs_dir: &Path, run: NewRun) -> Result<Self> {
        files::create_dir_all(runs_dir).map_err(|source| Error::io(runs_dir, "make the folder", source))?;
        let (id, path) = claim_folder(runs_dir, &run.name)?;
        let store = Self::fill(&path, id, run);
        if store.is_err() {
            // The folder is ours and useless; its removal may fail for the same reason.
            let _ = files::remove_dir_all(&path);
        }
        store
    }

    fn fill(path: &Path, id: String, run: NewRun) -> Result<Self> {
        let lock = lock_folder(path)?;
        for folder in [file::PROBES, file::CHECKPOINTS] {
            let folder = path.join(folder);
            files::create_dir(&folder).map_err(|source| Error::io(&folder, "make the folder", source))?;
        }
        platform::write_atomically(&path.join(file::CONFIG), run.config_toml.as_bytes())?;
        let mut store = Self {
            meta: RunMeta {
                schema: SCHEMA,
                id,
                name: run.name,
                status: Status::Running,
                verdict: Verdict::Healthy,
                crash: None,
                best: None,
                last: Final::default(),
                params: run.params,
                device: run.device,
                versions: with_own(run.versions),
                seed: run.seed,
                data: run.data,
                parent: None,
            },
            standing: Standing::default(),
            epochs: EpochRows::default(),
            metrics: LineFile::open(path, file::METRICS)?,
            notes: LineFile::open(path, file::EVENTS)?,
            summary: LineFile::open(path, file::SUMMARY)?,
            board: BoardFile::create(path, &run.config_toml)?,
            path: path.to_path_buf(),
            _lock: lock,
        };
        store.summary.append(summary::HEADER)?;
        store.save_meta()?;
        Ok(store)
    }

    /// Makes a new run that goes on after `parent.step` of the run in `parent_path`: what that has recorded up
    /// to there is copied. Returns the events kept, as [`RunStore::resume`] does.
    pub fn fork(runs_dir: &Path, run: NewRun, parent_path: &Path, parent: Parent) -> Result<(Self, Vec<Event>)> {
        let step = parent.step;
        let is_kept = |line: &Line| line.event.step() <= step && !is_conclusion(&line.event) && !is_of_folder(&line.event);
        let (metrics, notes) = (read::read_metrics(parent_path)?, read::read_notes(parent_path)?);
        let mut store = Self::create(runs_dir, run)?;
        store.meta.parent = Some(parent);
        store.save_meta()?;
        let path = store.path.clone();
        drop(store);
        rewrite(&path, file::EVENTS, filtered(notes, is_kept).iter().map(|line| line.text.as_str()))?;
        rewrite(&path, file::METRICS, filtered(metrics, is_kept).iter().map(|line| line.text.as_str()))?;
        Self::resume(&path, step)
    }

    /// Opens a run again to go on after `step`, the step of a checkpoint. Lines after it are cut
    /// off, and so is what only the end had shown; the cut is recorded. Returns the events kept,
    /// in an order that replays to the state at `step`.
    pub fn resume(path: &Path, step: u64) -> Result<(Self, Vec<Event>)> {
        let is_kept = |line: &Line| line.event.step() <= step && !is_conclusion(&line.event);
        let (mut store, mut events, last_step) = Self::cut(path, is_kept)?;
        let resumed = Event::Resumed(Resumed { step, cut_steps: last_step.saturating_sub(step) });
        store.record(&resumed)?;
        events.push(resumed);
        Ok((store, events))
    }

    /// Opens a run again to record how it ended; all that stands stays.
    pub fn reopen(path: &Path) -> Result<Self> {
        Ok(Self::cut(path, |_| true)?.0)
    }

    /// The folder with some of its lines, their events, and the last step there was.
    fn cut(path: &Path, is_kept: impl Fn(&Line) -> bool) -> Result<(Self, Vec<Event>, u64)> {
        let mut meta = read::read_header(path)?.meta;
        let lock = lock_folder(path)?;
        let (metrics, notes) = (read::read_metrics(path)?, read::read_notes(path)?);
        let last_step = metrics.iter().map(|line| line.event.step()).max().unwrap_or(0);

        let (metrics, notes) = (filtered(metrics, &is_kept), filtered(notes, &is_kept));
        rewrite(path, file::EVENTS, notes.iter().map(|line| line.text.as_str()))?;
        rewrite(path, file::METRICS, metrics.iter().map(|line| line.text.as_str()))?;

        let lines = metrics.into_iter().chain(notes);
        let mut events: Vec<Event> = lines.map(|line| line.event).collect();
        line::sort_for_replay(&mut events);
        let mut standing = Standing::default();
        let mut epochs = EpochRows::default();
        let mut rows = vec![summary::HEADER.to_string()];
        for event in &events {
            standing.apply(event);
            rows.extend(epochs.apply(event));
        }
        rewrite(path, file::SUMMARY, rows.iter().map(String::as_str))?;

        meta.update(&standing);
        let store = Self {
            path: path.to_path_buf(),
            meta,
            standing,
            epochs,
            metrics: LineFile::open(path, file::METRICS)?,
            notes: LineFile::open(path, file::EVENTS)?,
            summary: LineFile::open(path, file::SUMMARY)?,
            board: BoardFile::create(path, &read::read_config(path)?)?,
            _lock: lock,
        };
        Ok((store, events, last_step))
    }

    /// Takes the next event. Everything but a step and a probe also brings `run.json` up to date.
    pub fn record(&mut self, event: &Event) -> Result<()> {
        match line::metric_from_event(event) {
            Some(line) => self.metrics.append(&line)?,
            None => self.notes.append(&line::note_from_event(event))?,
        }
        if let Some(row) = self.epochs.apply(event) {
            self.summary.append(&row)?;
        }
        if let Some(board) = &mut self.board {
            board.apply(event)?;
        }
        self.standing.apply(event);
        if let Event::Started(started) = event {
            self.meta.params = started.params;
            self.meta.device.clone_from(&started.device);
        }
        match event {
            Event::Step(_) | Event::Probe(_) => Ok(()),
            _ => self.save_meta(),
        }
    }

    /// Whether histograms and pictures have a place to go.
    pub fn has_board(&self) -> bool {
        self.board.is_some()
    }

    /// Shows TensorBoard how values are spread at `step`, e.g. the weights of a layer.
    pub fn record_histogram(&mut self, tag: &str, step: u64, values: &[f32]) -> Result<()> {
        self.board.as_mut().map_or(Ok(()), |board| board.histogram(tag, step, values))
    }

    /// Shows TensorBoard a picture: its size and the bytes of a PNG file.
    pub fn record_image(&mut self, tag: &str, step: u64, size: (u32, u32), png: &[u8]) -> Result<()> {
        self.board.as_mut().map_or(Ok(()), |board| board.image(tag, step, size, png))
    }

    /// The run folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the versions of what computes the run from now on; the next event writes them down.
    pub fn set_versions(&mut self, versions: BTreeMap<String, String>) {
        self.meta.versions = with_own(versions);
    }

    /// What `run.json` says.
    pub fn meta(&self) -> &RunMeta {
        &self.meta
    }

    /// The file of the probe at `step`.
    pub fn probe_path(&self, step: u64) -> PathBuf {
        self.path.join(probe_name(step))
    }

    /// The file of a checkpoint: `last`, `best` or `pre-crash`.
    pub fn checkpoint_path(&self, name: &str) -> PathBuf {
        checkpoint_path(&self.path, name)
    }

    fn save_meta(&mut self) -> Result<()> {
        self.meta.update(&self.standing);
        let mut text = serde_json::to_string_pretty(&self.meta).expect("run.json is plain data with text keys");
        text.push('\n');
        platform::write_atomically(&self.path.join(file::META), text.as_bytes())
    }
}

/// `versions` and Vitrine's own.
fn with_own(mut versions: BTreeMap<String, String>) -> BTreeMap<String, String> {
    versions.insert("vitrine".to_string(), env!("CARGO_PKG_VERSION").to_string());
    versions
}

/// The file of a checkpoint in a run folder: `last`, `best` or `pre-crash`.
pub fn checkpoint_path(run_path: &Path, name: &str) -> PathBuf {
    run_path.join(file::CHECKPOINTS).join(format!("{name}.safetensors"))
}

/// The part of an id that comes from the run's name: small letters, digits and single hyphens.
pub fn slug(name: &str) -> String {
    let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").to_ascii_lowercase().chars().take(SLUG_LEN).collect();
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "run".to_string() } else { slug.to_string() }
}

/// Whether only the end of a run could show it.
fn is_conclusion(event: &Event) -> bool {
    match event {
        Event::Ended(_) => true,
        Event::Alarm(alarm) => alarm.kind == AlarmKind::Stuck,
        _ => false,
    }
}

/// Whether it speaks of files or wishes that a fork does not share.
fn is_of_folder(event: &Event) -> bool {
    matches!(event, Event::Checkpoint(_) | Event::LrChanged(_))
}

fn filtered(lines: Vec<Line>, is_kept: impl Fn(&Line) -> bool) -> Vec<Line> {
    lines.into_iter().filter(is_kept).collect()
}

fn rewrite<'a>(path: &Path, name: &str, lines: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut text = String::new();
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    platform::write_atomically(&path.join(name), text.as_bytes())
}

/// Makes a folder that no other run has: time, name, and a number where two began in one second. Where the
/// clock has gone back behind a run there is, the time goes on from that run, so that ids keep their order.
fn claim_folder(runs_dir: &Path, name: &str) -> Result<(String, PathBuf)> {
    let now = calendar::utc_stamp(platform::unix_millis());
    let listed = files::list(runs_dir).map_err(|source| Error::io(runs_dir, "list the runs", source))?;
    let stamp_of = |path: PathBuf| path.file_name()?.to_str()?.get(..now.len()).map(str::to_string);
    let latest = listed.into_iter().filter(|path| files::is_file(&path.join(file::META))).filter_map(stamp_of).max();
    let next = latest
        .filter(|latest| *latest > now)
        .and_then(|latest| Some(calendar::utc_stamp(1000 * (calendar::secs_from_stamp(&latest)? + 1))));
    let stem = format!("{}-{}", next.unwrap_or(now), slug(name));
    let mut id = stem.clone();
    let mut count = 1;
    loop {
        let path = runs_dir.join(&id);
        match files::create_dir(&path) {
            Ok(()) => return Ok((id, path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                count += 1;
                id = format!("{stem}-{count}");
            }
            Err(source) => return Err(Error::io(&path, "make the run folder", source)),
        }
    }
}

/// Locks a run folder until the lock is dropped or the process ends, however it ends.
pub fn lock_folder(path: &Path) -> Result<Lock> {
    let lock_path = path.join(file::LOCK);
    let lock = Lock::take(&lock_path).map_err(|source| Error::io(&lock_path, "lock the run", source))?;
    let hint = "wait until it ends, stop it with Ctrl-C, or start a new run";
    lock.ok_or_else(|| Error::file(path, "another process is writing this run", hint))
}

/// A file that grows by whole lines, each one write.
#[derive(Debug)]
struct LineFile {
    path: PathBuf,
    file: Appender,
    line: Vec<u8>,
}

impl LineFile {
    fn open(folder: &Path, name: &str) -> Result<Self> {
        let path = folder.join(name);
        let file = Appender::open(&path).map_err(|source| Error::io(&path, "open the file", source))?;
        Ok(Self { path, file, line: Vec::new() })
    }

    fn append(&mut self, line: &str) -> Result<()> {
        self.line.clear();
        self.line.extend_from_slice(line.as_bytes());
        self.line.push(b'\n');
        self.file.append(&self.line).map_err(|source| Error::io(&self.path, "write to the file", source))
    }
}
