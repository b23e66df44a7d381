//! Trainings that the window starts, each on a thread of its own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};

use vitrine::config::Resolved;
use vitrine::dashboard::host::{Notice, Order, Origin, RunKey, Start as Wish};
use vitrine::error::Result;
use vitrine::platform::{self, Wait as _};
use vitrine::run::command::Command;
use vitrine::run::event::Event;
use vitrine::run::read;
use vitrine::train::checkpoint::PRE_CRASH;
use vitrine::train::session::{DeviceChoice, Request, Session, Start};

use super::follow::head_of;
use super::host::Voice;

/// Starts a training under `key`; commands go where the sender leads.
pub fn start(voice: &Voice, key: &RunKey, order: Order, runs_dir: &Path) -> Result<Sender<Command>> {
    let (commands, inbox) = mpsc::channel();
    let (voice, key, runs_dir) = (voice.clone(), key.clone(), runs_dir.to_path_buf());
    platform::spawn("training", move || {
        if let Err(error) = train(&voice, &key, order, &runs_dir, &inbox) {
            voice.tell(Notice::RunFailed(key, error.to_string()));
        }
    })?;
    Ok(commands)
}

fn train(voice: &Voice, key: &RunKey, order: Order, runs_dir: &Path, inbox: &Receiver<Command>) -> Result<()> {
    let start = match &order.start {
        Wish::Fresh => Start::Fresh,
        Wish::PreCrash(run) => Start::Fork(folder_of(run, runs_dir), PRE_CRASH.to_string()),
        Wish::Resume(run) => Start::Resume(folder_of(run, runs_dir)),
    };
    let request = Request {
        resolved: Resolved { experiment: order.experiment, origin: BTreeMap::new() },
        name: order.name,
        runs_dir: runs_dir.to_path_buf(),
        max_steps: None,
        start,
        device: DeviceChoice::Auto,
        adapter: None,
    };
    let lasting_key: RefCell<Option<RunKey>> = RefCell::new(None);
    // What is told before the folder is known is read from it.
    let mut on_event = |event: &Event| {
        if let Some(key) = &*lasting_key.borrow() {
            voice.tell(Notice::Events(key.clone(), vec![event.clone()]));
        }
    };
    let session = Session::open(&request, &mut on_event).wait()?;
    let recorded = read::read_run(session.run_dir())?;
    let id = RunKey(recorded.header.meta.id.clone());
    let mut head = head_of(&recorded.header, id.clone(), Origin::Trained)?;
    head.is_live = true;
    voice.tell(Notice::Named(key.clone(), id.clone()));
    voice.tell(Notice::Opened(Box::new(head), recorded.events));
    *lasting_key.borrow_mut() = Some(id.clone());
    let outcome = session.finish(inbox).wait();
    voice.tell(Notice::Closed(id.clone()));
    if let Err(error) = outcome {
        voice.tell(Notice::RunFailed(id, error.to_string()));
    }
    Ok(())
}

/// The folder of a run.
pub fn folder_of(run: &RunKey, runs_dir: &Path) -> PathBuf {
    let below = runs_dir.join(&run.0);
    if below.is_dir() { below } else { PathBuf::from(&run.0) }
}
