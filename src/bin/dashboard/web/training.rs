//! Trainings under way: a session each, as tasks of the worker's one thread.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;

use vitrine::config::{Resolved, Sources, load};
use vitrine::dashboard::host::{Notice, Order, Origin, RunHead, RunKey, Start as Wish};
use vitrine::error::{Error, Result};
use vitrine::platform::{files, sleep};
use vitrine::run::event::{Event, Status};
use vitrine::run::read;
use vitrine::train::checkpoint;
use vitrine::train::session::{DeviceChoice, Request, Session, Start};

use super::shelf::head_of;
use super::worker::{RUNS_DIR, Worker, folder_of};

/// Between two messages with events.
const FLUSH_SECS: f64 = 0.03;

/// What an order of the screens means here.
pub fn from_order(worker: &Worker, order: Order) -> Result<Request> {
    let kept = |run: &RunKey| {
        let path = folder_of(&run.0);
        let hint = "only runs that this browser trained keep their checkpoints";
        if files::is_dir(&path) { Ok(path) } else { Err(Error::file(&path, "this run is not kept by this browser", hint)) }
    };
    let start = match &order.start {
        Wish::Fresh => Start::Fresh,
        Wish::PreCrash(run) => Start::Fork(kept(run)?, checkpoint::PRE_CRASH.to_string()),
        Wish::Resume(run) => Start::Resume(kept(run)?),
    };
    let resolved = Resolved { experiment: order.experiment, origin: BTreeMap::new() };
    Ok(Request { start, ..of(worker, resolved, &order.name, None) })
}

/// A training of an experiment from initial weights.
pub fn of(worker: &Worker, resolved: Resolved, name: &str, max_steps: Option<u64>) -> Request {
    Request {
        resolved,
        name: name.to_string(),
        runs_dir: PathBuf::from(RUNS_DIR),
        max_steps,
        start: Start::Fresh,
        device: worker.choice(),
        adapter: None,
    }
}

/// The trainings that an earlier worker has left in the middle.
pub fn unfinished(choice: DeviceChoice) -> Vec<(RunKey, Request)> {
    let runs = read::list(RUNS_DIR.as_ref()).map(|listing| listing.runs).unwrap_or_default();
    let left = runs.into_iter().filter(|run| run.meta.status == Status::Running && !run.is_live);
    let request = |run: read::RunHeader| {
        let resolved = load(&Sources { file: Some(&run.path.join("config.toml")), ..Sources::default() }).ok()?;
        let request = Request {
            resolved,
            name: run.meta.name,
            runs_dir: PathBuf::from(RUNS_DIR),
            max_steps: None,
            start: if checkpoint::has_last(&run.path) { Start::Resume(run.path) } else { Start::Again(run.path, Box::new(Start::Fresh)) },
            device: choice,
            adapter: None,
        };
        Some((RunKey(run.meta.id), request))
    };
    left.filter_map(request).collect()
}

/// Trains to the end, and tells the page all about it.
pub async fn train(worker: Rc<Worker>, key: RunKey, request: Request) {
    let own_key = std::cell::RefCell::new(key);
    let outcome = follow(&worker, &own_key, &request).await;
    let key = own_key.into_inner();
    worker.trainings.borrow_mut().remove(&key);
    worker.flush();
    // Who sees the end may leave the page.
    worker.keeper.kept().await;
    worker.notice(Notice::Closed(key.clone()));
    if let Err(error) = outcome {
        worker.notice(Notice::RunFailed(key, error.to_string()));
    }
}

async fn follow(worker: &Rc<Worker>, own_key: &std::cell::RefCell<RunKey>, request: &Request) -> Result<()> {
    worker.ensure_data(&request.resolved.experiment).await?;
    let (sender, commands) = mpsc::channel();
    worker.trainings.borrow_mut().insert(own_key.borrow().clone(), sender.clone());
    let is_open = Cell::new(false);
    let mut on_event = |event: &Event| {
        if is_open.get() {
            worker.push(&own_key.borrow(), event.clone());
        }
        if matches!(event, Event::Checkpoint(_)) {
            worker.keeper.hurry();
        }
    };
    let session = Session::open(request, &mut on_event).await?;
    let id = RunKey(session.run_dir().file_name().unwrap_or_default().to_string_lossy().into_owned());
    let made_up = own_key.replace(id.clone());
    if made_up != id {
        worker.trainings.borrow_mut().remove(&made_up);
        worker.trainings.borrow_mut().insert(id.clone(), sender);
        worker.notice(Notice::Named(made_up, id.clone()));
    }
    let recorded = read::read_run(session.run_dir())?;
    let head = RunHead { is_live: true, ..head_of(recorded.header, recorded.config_toml, Origin::Trained) };
    worker.notice(Notice::Opened(Box::new(head), recorded.events));
    is_open.set(true);
    let is_over = Rc::new(Cell::new(false));
    wasm_bindgen_futures::spawn_local(flush_until(worker.clone(), is_over.clone()));
    let outcome = session.finish(&commands).await;
    is_over.set(true);
    outcome.map(drop)
}

async fn flush_until(worker: Rc<Worker>, is_over: Rc<Cell<bool>>) {
    while !is_over.get() {
        sleep(FLUSH_SECS).await;
        worker.flush();
    }
}
