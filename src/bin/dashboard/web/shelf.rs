//! Runs from everywhere: kept by this browser, recorded with the site, dropped, or served from a folder.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use vitrine::dashboard::host::{Export, Notice, Origin, RunHead, RunKey};
use vitrine::dashboard::import::{self, Imported};
use vitrine::error::{Error, Result};
use vitrine::platform::{files, sleep};
use vitrine::run::event::Event;
use vitrine::run::files::{RunFiles, probe_name};
use vitrine::run::read::{self, RunHeader};
use vitrine::run::store::checkpoint_path;
use vitrine::run::{gc, line, vitrun};
use vitrine::serve::RUNS_HERE;
use vitrine::train::checkpoint::PRE_CRASH;
use wasm_bindgen_futures::spawn_local;

use super::exports::{self, weights_among};
use super::wire::Told;
use super::worker::{RUNS_DIR, Worker, folder_of};

/// Between two looks at a served run that is being written.
const LOOK_SECS: f64 = 0.5;
/// After so many looks at nothing new the server is asked whether the run is still being written …
const QUIET_LOOKS: u32 = 6;
/// … and after that, looks are so far apart.
const QUIET_LOOK_SECS: f64 = 3.0;
/// The files of a served run that the list needs …
const HEAD_FILES: [&str; 2] = ["run.json", "config.toml"];
/// … and those that its charts need.
const FILES: [&str; 4] = ["run.json", "config.toml", "metrics.jsonl", "events.jsonl"];
/// Between two looks for the recorded runs that another task fetches.
const WAIT_SECS: f64 = 0.02;

/// Runs whose files are in memory, by id.
#[derive(Default)]
pub struct Shelf {
    open: RefCell<BTreeMap<String, Held>>,
    bundled: Cell<Bundled>,
    /// Recorded runs of the site that have been fetched, by file name, with what is wrong with their content.
    fetched: RefCell<BTreeMap<String, Option<String>>>,
    /// Heads of served runs that have ended.
    ended: RefCell<BTreeMap<String, RunHead>>,
    followed: RefCell<std::collections::BTreeSet<RunKey>>,
}

/// A run in memory. Its head is read once: the list is asked for every few seconds, beside a training.
#[derive(Clone)]
struct Held {
    head: RunHead,
    files: Rc<RunFiles>,
}

/// Where the recorded runs of the site are.
#[derive(Clone, Copy, Default, PartialEq)]
enum Bundled {
    /// Nobody has asked for them.
    #[default]
    Away,
    /// On their way.
    Coming,
    /// Here, as far as they can be had.
    Here,
}

/// A run of `runs-here/index.json`.
#[derive(serde::Deserialize)]
struct Served {
    id: String,
    is_live: bool,
    /// Bytes of each file.
    #[serde(default)]
    files: BTreeMap<String, u64>,
}

/// What the list shows of a run.
pub fn head_of(header: RunHeader, config_toml: String, origin: Origin) -> RunHead {
    RunHead {
        key: RunKey(header.meta.id.clone()),
        origin,
        is_live: header.is_live,
        meta: header.meta,
        config_toml,
        tags: header.marks.tags,
        has_pre_crash: files::is_file(&checkpoint_path(&header.path, PRE_CRASH)),
    }
}

impl Shelf {
    /// Every run, oldest first, and what is wrong with the others.
    pub async fn list(worker: &Worker) -> (Vec<RunHead>, Vec<String>) {
        let mut troubles = Vec::new();
        Self::fetch_bundled(worker, &mut troubles).await;
        let mut heads = Vec::new();
        heads.extend(worker.shelf.open.borrow().values().map(|held| held.head.clone()));
        heads.extend(Self::served(worker).await);
        match read::list(Path::new(RUNS_DIR)) {
            Ok(listing) => {
                troubles.extend(listing.unreadable.iter().map(ToString::to_string));
                for header in listing.runs {
                    let config = files::read(&header.path.join("config.toml")).unwrap_or_default();
                    let origin = if worker.trainings.borrow().contains_key(&RunKey(header.meta.id.clone())) {
                        Origin::Trained
                    } else {
                        Origin::Kept
                    };
                    heads.push(head_of(header, String::from_utf8_lossy(&config).into_owned(), origin));
                }
            }
            Err(error) => troubles.push(error.to_string()),
        }
        (heads, troubles)
    }

    /// Fetches the recorded runs that are not here yet: what could not be had is tried again with the next list.
    async fn fetch_bundled(worker: &Worker, troubles: &mut Vec<String>) {
        let shelf = &worker.shelf;
        if shelf.bundled.get() == Bundled::Coming {
            Self::bundled_are_here(worker).await;
        }
        if shelf.bundled.get() == Bundled::Away {
            shelf.bundled.set(Bundled::Coming);
        }
        let Some(site) = worker.site().await else {
            shelf.bundled.set(Bundled::Here);
            return troubles.push("what this site holds cannot be fetched; check the connection".to_string());
        };
        for (name, url) in &site.runs {
            if shelf.fetched.borrow().contains_key(name) {
                continue;
            }
            let path = Path::new(name);
            let Some(bytes) = worker.fetch(url, 0).await else {
                troubles.push(Error::file(path, "it cannot be fetched", "check the connection").to_string());
                continue;
            };
            let read = vitrun::read(&bytes, path).and_then(|run| Ok((head_in(&run, path, Origin::Bundled)?, run)));
            shelf.fetched.borrow_mut().insert(name.clone(), read.as_ref().err().map(ToString::to_string));
            if let Ok((head, run)) = read {
                shelf.hold(head, run);
            }
        }
        shelf.bundled.set(Bundled::Here);
        troubles.extend(shelf.fetched.borrow().values().flatten().cloned());
    }

    async fn bundled_are_here(worker: &Worker) {
        while worker.shelf.bundled.get() != Bundled::Here {
            sleep(WAIT_SECS).await;
        }
    }

    /// Heads of the runs of the server's folder.
    async fn served(worker: &Worker) -> Vec<RunHead> {
        let mut heads = Vec::new();
        for Served { id, is_live, .. } in index(worker).await.flatten().unwrap_or_default() {
            let known = worker.shelf.ended.borrow().get(&id).cloned().filter(|_| !is_live);
            if let Some(head) = known {
                heads.push(head);
            } else if let Ok(run) = fetched(worker, &id, &HEAD_FILES).await
                && let Ok(head) = head_in(&run, Path::new(&id), Origin::Served)
            {
                if !is_live {
                    worker.shelf.ended.borrow_mut().insert(id, head.clone());
                }
                heads.push(RunHead { is_live, ..head });
            }
        }
        heads
    }

    fn hold(&self, head: RunHead, files: RunFiles) {
        self.open.borrow_mut().insert(head.key.0.clone(), Held { head, files: Rc::new(files) });
    }

    /// Opens a run and follows it while it grows.
    pub async fn open(worker: &Rc<Worker>, key: RunKey) {
        let opened = Self::recorded(worker, &key).await;
        match opened {
            Ok((head, events, is_served)) => {
                let is_followed = is_served && head.is_live && worker.shelf.followed.borrow_mut().insert(key.clone());
                worker.notice(Notice::Opened(Box::new(head), events));
                if is_followed {
                    spawn_local(follow(worker.clone(), key));
                }
            }
            Err(error) => worker.notice(Notice::RunFailed(key, error.to_string())),
        }
    }

    /// A run's head and events, and whether it is a served one.
    async fn recorded(worker: &Worker, key: &RunKey) -> Result<(RunHead, Vec<Event>, bool)> {
        // A link may name a recorded run; the worker begins with the list, which fetches them.
        Self::bundled_are_here(worker).await;
        let path = folder_of(&key.0);
        let in_memory = worker.shelf.open.borrow().get(&key.0).cloned();
        if let Some(Held { head, files }) = in_memory {
            return Ok((head, files.recorded(Path::new(&key.0))?.events, false));
        }
        if files::is_dir(&path) {
            // What the session has told is on its way to the page; what is read here must not come twice.
            worker.flush();
            let recorded = read::read_run(&path)?;
            let origin = if worker.trainings.borrow().contains_key(key) { Origin::Trained } else { Origin::Kept };
            return Ok((head_of(recorded.header, recorded.config_toml, origin), recorded.events, false));
        }
        let served = served(worker, key).await?;
        let run = fetched(worker, &key.0, &FILES).await?;
        let mut recorded = run.recorded(Path::new(&key.0))?;
        // A run that was killed calls itself running for ever; the server knows whether somebody writes it.
        recorded.header.is_live = served.is_live;
        Ok((head_of(recorded.header, recorded.config_toml, Origin::Served), recorded.events, true))
    }

    /// The bytes of a probe file.
    pub async fn probe(worker: &Worker, key: &RunKey, step: u64) -> Result<Vec<u8>> {
        let name = probe_name(step);
        let missing = || Error::file(Path::new(&name), "this run has no such probe", "");
        let in_memory = worker.shelf.open.borrow().get(&key.0).cloned();
        if let Some(held) = in_memory {
            return held.files.by_name.get(&name).cloned().ok_or_else(missing);
        }
        let path = folder_of(&key.0).join(&name);
        if files::is_file(&path) {
            return files::read(&path).map_err(|source| Error::io(&path, "read the file", source));
        }
        if !worker.site().await.is_some_and(|site| site.runs_here) {
            return Err(missing());
        }
        worker.fetch(&format!("{RUNS_HERE}/{}/{name}", key.0), 0).await.ok_or_else(missing)
    }

    /// Takes a dropped file.
    pub fn import(worker: &Worker, name: &str, bytes: Vec<u8>) -> Result<()> {
        let imported = import::read(name, &bytes)?;
        match imported {
            // The bytes cross to the page as they are.
            Imported::Weights(name, _) => worker.tell(&Told::Weights(name), Some(bytes)),
            // The run itself goes on, or can: a copy would take its place.
            Imported::Run(head, ..) if files::is_dir(&folder_of(&head.key.0)) => {
                worker.say(&format!("{name}: {} is among the runs of this browser already", head.key));
                worker.notice(Notice::Select(head.key));
            }
            Imported::Run(head, events, files) => {
                // An event file of TensorBoard has nothing but its curves, which the page keeps.
                if !files.by_name.is_empty() {
                    worker.shelf.hold((*head).clone(), files);
                }
                worker.say(&format!("{name} is open as {}", head.key));
                worker.notice(Notice::Opened(head, events));
            }
        }
        Ok(())
    }

    /// A run, or its weights, as one file: its name and bytes.
    pub async fn export(worker: &Worker, key: &RunKey, export: Export) -> Result<(String, Vec<u8>)> {
        let path = folder_of(&key.0);
        let in_memory = worker.shelf.open.borrow().get(&key.0).cloned();
        if let Some(held) = in_memory {
            return exports::of_files(&held.files, key, export);
        }
        if files::is_dir(&path) {
            return exports::of_folder(&path, key, export);
        }
        let there = served(worker, key).await?.files;
        let weights = weights_among(|file| there.contains_key(file)).map(|(_, file)| file);
        let names: Vec<&str> = there.keys().map(String::as_str).filter(|file| is_of(export, file, weights.as_deref())).collect();
        exports::of_files(&fetched(worker, &key.0, &names).await?, key, export)
    }

    /// Removes a run that this browser keeps.
    pub fn delete(worker: &Worker, key: &RunKey) -> Result<()> {
        gc::remove_run(&folder_of(&key.0))?;
        worker.keeper.hurry();
        worker.notice(Notice::Deleted(key.clone()));
        Ok(())
    }
}

/// Whether a file of a run belongs to what is saved.
fn is_of(export: Export, file: &str, weights: Option<&str>) -> bool {
    match export {
        Export::Record => !file.starts_with(exports::CHECKPOINTS),
        Export::WithWeights => true,
        Export::Weights => Some(file) == weights,
    }
}

/// The runs of the server's folder: none where there is no such folder, or the server does not answer.
async fn index(worker: &Worker) -> Option<Option<Vec<Served>>> {
    if !worker.site().await?.runs_here {
        return None;
    }
    let bytes = worker.fetch(&format!("{RUNS_HERE}/index.json"), 0).await;
    Some(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

/// A run of the server's folder.
async fn served(worker: &Worker, key: &RunKey) -> Result<Served> {
    let missing = || {
        let hint = "it may have been deleted, or lie in another browser or folder; the list at the left has what is here";
        Error::file(Path::new(&key.0), "there is no such run here", hint)
    };
    let listed = index(worker).await.ok_or_else(missing)?;
    let listed = listed.ok_or_else(|| Error::file(Path::new(&key.0), "it cannot be fetched", "is the server still running?"))?;
    listed.into_iter().find(|served| served.id == key.0).ok_or_else(missing)
}

/// What the list says of a run, without reading what its charts show.
fn head_in(run: &RunFiles, source: &Path, origin: Origin) -> Result<RunHead> {
    let (header, config_toml) = run.head(source)?;
    Ok(head_of(header, config_toml, origin))
}

/// Some files of a served run.
async fn fetched(worker: &Worker, id: &str, names: &[&str]) -> Result<RunFiles> {
    let mut run = RunFiles::default();
    for &name in names {
        let bytes = worker.fetch(&format!("{RUNS_HERE}/{id}/{name}"), 0).await;
        let bytes =
            bytes.ok_or_else(|| Error::file(Path::new(id), format!("its {name} cannot be fetched"), "is the server still running?"))?;
        run.by_name.insert(name.to_string(), bytes);
    }
    Ok(run)
}

/// A file of lines that grows on the server.
struct Growing {
    url: String,
    parse: fn(&str) -> serde_json::Result<Event>,
    /// Bytes of whole lines read.
    read_bytes: u64,
}

impl Growing {
    async fn read_on(&mut self, worker: &Worker) -> Vec<Event> {
        let bytes = worker.fetch(&self.url, self.read_bytes).await.unwrap_or_default();
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        self.read_bytes += whole as u64;
        let text = String::from_utf8_lossy(&bytes[..whole]);
        text.lines().filter_map(|line| (self.parse)(line).ok()).collect()
    }
}

/// Tells what is added to a served run until it has ended.
async fn follow(worker: Rc<Worker>, key: RunKey) {
    let growing = |name: &str, parse| Growing { url: format!("{RUNS_HERE}/{key}/{name}"), parse, read_bytes: 0 };
    let mut growing = [growing("metrics.jsonl", line::event_from_metric), growing("events.jsonl", line::event_from_note)];
    // From the start: what the page was told is a little older than what is there now.
    let mut is_first = true;
    let mut num_quiet = 0;
    loop {
        let mut events = Vec::new();
        for file in &mut growing {
            events.extend(file.read_on(&worker).await);
        }
        line::sort_for_replay(&mut events);
        num_quiet = if events.is_empty() { num_quiet + 1 } else { 0 };
        let is_left = num_quiet >= QUIET_LOOKS && served(&worker, &key).await.is_ok_and(|served| !served.is_live);
        let has_ended = is_left || events.iter().any(|event| matches!(event, Event::Ended(_)));
        if std::mem::take(&mut is_first) {
            if let Ok((head, _, _)) = Shelf::recorded(&worker, &key).await {
                worker.notice(Notice::Opened(Box::new(head), events));
            }
        } else if !events.is_empty() {
            worker.notice(Notice::Events(key.clone(), events));
        }
        if has_ended {
            worker.shelf.followed.borrow_mut().remove(&key);
            return worker.notice(Notice::Closed(key));
        }
        sleep(if num_quiet < QUIET_LOOKS { LOOK_SECS } else { QUIET_LOOK_SECS }).await;
    }
}
