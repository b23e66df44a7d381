//! The host of the native window: run folders, threads, files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eframe::egui;
use vitrine::config::Experiment;
use vitrine::dashboard::host::{Abilities, Export, Host, Notice, Order, Origin, RunKey, Saved, not_ours};
use vitrine::dashboard::import::{self, Imported};
use vitrine::data::folder;
use vitrine::error::{Error, Result};
use vitrine::platform;
use vitrine::run::command::Command;
use vitrine::run::files::{RunFiles, probe_name};
use vitrine::run::{gc, read};

use super::{doctor, estimates, exports, follow, pace, training};

/// The screen is drawn anew so long after a notice at the latest: many events, one frame.
const FRAME_MILLIS: u64 = 30;

/// Tells the screens what happened, from any thread.
#[derive(Clone)]
pub struct Voice {
    notices: Sender<Notice>,
    ctx: egui::Context,
}

impl Voice {
    /// Tells one thing.
    pub fn tell(&self, notice: Notice) {
        // A window that has been closed no longer listens.
        let _ = self.notices.send(notice);
        self.ctx.request_repaint_after(Duration::from_millis(FRAME_MILLIS));
    }

    /// Does something on a thread of its own; its error becomes a message.
    pub fn spawn(&self, name: &str, work: impl FnOnce(&Self) -> Result<()> + Send + 'static) {
        let voice = self.clone();
        let begun = platform::spawn(name, move || {
            if let Err(error) = work(&voice) {
                voice.tell(Notice::Message(error.to_string()));
            }
        });
        if let Err(error) = begun {
            self.tell(Notice::Message(error.to_string()));
        }
    }
}

/// The host.
pub struct Native {
    voice: Voice,
    notices: Receiver<Notice>,
    runs_dir: PathBuf,
    trainings: BTreeMap<RunKey, Sender<Command>>,
    /// Files of dropped runs.
    dropped: BTreeMap<RunKey, Arc<RunFiles>>,
    num_trainings: u64,
    /// Runs that a thread follows: a second one would tell every step twice.
    followed: Arc<Mutex<BTreeSet<RunKey>>>,
    /// Where questions for estimates go.
    estimates: Sender<estimates::Told>,
}

/// The key of a run folder: its id below the folder of runs, its path elsewhere.
pub fn key_of(path: &Path, runs_dir: &Path) -> RunKey {
    // One folder has many names, and a dropped one comes with the longest.
    let whole = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let path = whole(path);
    let id = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.parent() == Some(&whole(runs_dir)) { RunKey(id) } else { RunKey(path.display().to_string()) }
}

impl Native {
    /// A host on the runs of a folder.
    pub fn new(ctx: &egui::Context, runs_dir: PathBuf) -> Self {
        let (sender, notices) = mpsc::channel();
        let voice = Voice { notices: sender, ctx: ctx.clone() };
        voice.spawn("adapters", |voice| {
            voice.tell(Notice::Abilities(abilities()));
            Ok(())
        });
        let estimates = estimates::start(&voice, runs_dir.clone());
        Self {
            voice,
            notices,
            runs_dir,
            trainings: BTreeMap::new(),
            dropped: BTreeMap::new(),
            num_trainings: 0,
            followed: Arc::default(),
            estimates,
        }
    }

    /// Imports the file or folder at a path.
    pub fn import_path(&mut self, path: &Path) {
        if path.join("run.json").is_file() {
            // The screens open what is selected, once.
            self.voice.tell(Notice::Select(key_of(path, &self.runs_dir)));
            return;
        }
        if path.is_dir() {
            self.voice.tell(match folder::count_classes(path) {
                Ok(num_classes) => Notice::Images(path.display().to_string(), num_classes),
                Err(error) => Notice::Message(error.to_string()),
            });
            return;
        }
        let outcome =
            fs::read(path).map_err(|source| Error::io(path, "read the file", source)).and_then(|bytes| self.import_bytes(path, &bytes));
        if let Err(error) = outcome {
            self.voice.tell(Notice::Message(error.to_string()));
        }
    }

    fn import_bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        let imported = import::read(&path.display().to_string(), bytes)?;
        if let Imported::Run(head, ..) = &imported
            && self.runs_dir.join(&head.key.0).join("run.json").is_file()
        {
            // The run itself goes on, or can: a copy would take its place.
            self.voice.tell(Notice::Message(format!("{}: {} is among the runs here already", path.display(), head.key)));
            self.voice.tell(Notice::Select(head.key.clone()));
            return Ok(());
        }
        self.voice.tell(imported.notice());
        if let Imported::Run(head, _, files) = imported {
            self.voice.tell(Notice::Message(format!("{} is open as {}", path.display(), head.key)));
            self.dropped.insert(head.key, Arc::new(files));
        }
        Ok(())
    }

    fn folder_of(&self, run: &RunKey) -> PathBuf {
        training::folder_of(run, &self.runs_dir)
    }
}

/// What this machine can do.
fn abilities() -> Abilities {
    let (device, summary) = doctor::device();
    Abilities { device, summary, help: String::new(), drop_trouble: drop_trouble(), can_train: true }
}

/// Why files cannot be dropped: the library behind the window does not take them from a Wayland compositor.
fn drop_trouble() -> String {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("WAYLAND_DISPLAY") || is_set("WAYLAND_SOCKET") {
        "Files cannot be dropped on a window of Wayland; on one of X11 they can: WAYLAND_DISPLAY= vitrine dashboard".to_string()
    } else {
        String::new()
    }
}

/// The person's own folder.
fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").or_else(|| std::env::var_os("USERPROFILE")).map(PathBuf::from)
}

/// A path as a shell reads it: `~` is the person's own folder.
pub fn expanded(path: &str, home: Option<&Path>) -> PathBuf {
    let below = if path == "~" { Some("") } else { path.strip_prefix("~/").or_else(|| path.strip_prefix("~\\")) };
    below.zip(home).map_or_else(|| PathBuf::from(path), |(below, home)| home.join(below))
}

impl Host for Native {
    fn poll(&mut self) -> Vec<Notice> {
        let notices: Vec<Notice> = self.notices.try_iter().collect();
        for notice in &notices {
            if let Notice::Named(old, new) = notice
                && let Some(commands) = self.trainings.remove(old)
            {
                self.trainings.insert(new.clone(), commands);
            }
        }
        notices
    }

    fn list_runs(&mut self) {
        let runs_dir = self.runs_dir.clone();
        self.voice.spawn("list", move |voice| {
            let listing = read::list(&runs_dir)?;
            let mut unreadable: Vec<String> = listing.unreadable.iter().map(Error::to_string).collect();
            let mut heads = Vec::new();
            for header in &listing.runs {
                match follow::head_of(header, key_of(&header.path, &runs_dir), Origin::Kept) {
                    Ok(head) => heads.push(head),
                    Err(error) => unreadable.push(error.to_string()),
                }
            }
            voice.tell(Notice::Runs(heads, unreadable));
            Ok(())
        });
    }

    fn open_run(&mut self, run: &RunKey) {
        let (run, path) = (run.clone(), self.folder_of(run));
        let is_new = self.followed.lock().unwrap_or_else(PoisonError::into_inner).insert(run.clone());
        if !is_new {
            return;
        }
        let followed = self.followed.clone();
        self.voice.spawn("follow", move |voice| {
            follow::follow(voice, &run, &path);
            followed.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
            Ok(())
        });
    }

    fn read_probe(&mut self, run: &RunKey, step: u64) {
        let (run, name) = (run.clone(), probe_name(step));
        if let Some(files) = self.dropped.get(&run) {
            let bytes = files.by_name.get(&name).cloned().ok_or_else(|| format!("the file holds no {name}"));
            self.voice.tell(Notice::Probe(run, step, bytes));
            return;
        }
        let path = self.folder_of(&run).join(name);
        self.voice.spawn("probe", move |voice| {
            let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()));
            voice.tell(Notice::Probe(run, step, bytes));
            Ok(())
        });
    }

    fn estimate(&mut self, experiment: &Experiment) {
        // The thread lives as long as this sender.
        let _ = self.estimates.send(estimates::Told::Asked(Box::new(experiment.clone())));
    }

    fn train(&mut self, order: Order) -> RunKey {
        self.num_trainings += 1;
        let key = RunKey(format!("training-{}", self.num_trainings));
        match training::start(&self.voice, &key, order, &self.runs_dir) {
            Ok(commands) => {
                self.trainings.insert(key.clone(), commands);
            }
            Err(error) => self.voice.tell(Notice::RunFailed(key.clone(), error.to_string())),
        }
        key
    }

    fn command(&mut self, run: &RunKey, command: Command) {
        let is_heard = self.trainings.get(run).is_some_and(|commands| commands.send(command).is_ok());
        if !is_heard {
            self.voice.tell(Notice::Message(not_ours(run)));
        }
    }

    fn import(&mut self, file: egui::DroppedFileHandle) {
        let path = file.path().to_path_buf();
        self.import_path(&path);
    }

    fn pick_files(&mut self) -> bool {
        false
    }

    fn pick_folder(&mut self) -> bool {
        false
    }

    fn open_path(&mut self, path: &str) {
        self.import_path(&expanded(path, home().as_deref()));
    }

    fn export_run(&mut self, run: &RunKey, export: Export) {
        let (run, files, path) = (run.clone(), self.dropped.get(run).cloned(), self.folder_of(run));
        self.voice.spawn("export", move |voice| {
            let (name, bytes) = match files {
                Some(files) => exports::of_files(&files, &run, export)?,
                None => exports::of_folder(&path, &run, export)?,
            };
            save(voice, &name, &bytes)
        });
    }

    fn delete_run(&mut self, run: &RunKey) {
        let (run, path) = (run.clone(), self.folder_of(run));
        self.voice.spawn("delete", move |voice| {
            gc::remove_run(&path)?;
            voice.tell(Notice::Deleted(run));
            Ok(())
        });
    }

    fn save(&mut self, file: Saved) {
        self.voice.spawn("save", move |voice| save(voice, &file.name, &file.bytes));
    }

    fn check_up(&mut self) {
        let estimates = self.estimates.clone();
        self.voice.spawn("doctor", move |voice| {
            if let Some(flops_per_sec) = pace::of_timings(&doctor::check_up(voice)) {
                // A window that has been closed no longer asks.
                let _ = estimates.send(estimates::Told::Timed(flops_per_sec));
            }
            Ok(())
        });
    }

    fn set_location(&mut self, _hash: &str) {}

    fn link(&self, hash: &str) -> String {
        format!("vitrine dashboard --runs-dir {} --view '{hash}'", self.runs_dir.display())
    }

    fn announce(&mut self, _status: &str) {
        // A native window speaks through AccessKit.
    }
}

/// Writes a file where a person looks for it: the folder for downloads, else this one. Never over
/// another file.
fn save(voice: &Voice, name: &str, bytes: &[u8]) -> Result<()> {
    let downloads = home().map(|home| home.join("Downloads")).filter(|folder| folder.is_dir());
    let folder = downloads.unwrap_or_else(|| PathBuf::from("."));
    let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let numbered = |number: u32| if number == 1 { folder.join(name) } else { folder.join(format!("{stem}-{number}.{extension}")) };
    let path = (1..).map(numbered).find(|path| !path.exists()).expect("some number is free");
    platform::write_atomically(&path, bytes)?;
    voice.tell(Notice::Message(format!("Saved {}", path.display())));
    Ok(())
}
