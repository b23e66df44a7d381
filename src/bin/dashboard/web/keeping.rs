//! Files kept over a reload: what has changed goes to the browser's storage about once a second, and at once after a
//! checkpoint, at a training's end and when the page is left; as one transaction, in pieces, so that a growing file
//! is not written anew.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use js_sys::{Array, Reflect, Uint8Array};
use vitrine::platform::files::{self, Change, PIECE_BYTES};
use vitrine::platform::within;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use super::worker::{RUNS_DIR, Worker};

/// Between two transactions.
const KEEP_SECS: f64 = 1.0;
/// Between a path and the number of a piece, in a key: no file name has it.
const SEPARATOR: char = '\n';

/// When files are kept: what the tasks of the worker tell the one that keeps, and hear of it.
#[derive(Default)]
pub struct Keeper {
    is_keeping: Cell<bool>,
    /// Whether somebody cannot wait for the next round.
    is_due: Cell<bool>,
    /// Rounds that have begun, and those that are over.
    begun: Cell<u64>,
    over: Cell<u64>,
    sleepers: RefCell<Vec<Waker>>,
}

impl Keeper {
    /// Has the next round begin at once.
    pub fn hurry(&self) {
        self.is_due.set(true);
        self.wake();
    }

    /// Has everything that has happened so far be kept, and waits for it, if only for one try.
    pub async fn kept(&self) {
        if !self.is_keeping.get() {
            return;
        }
        // A round under way may have begun before what is to be kept.
        let round = self.begun.get() + 1;
        self.hurry();
        self.until(|| self.over.get() >= round).await;
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        std::future::poll_fn(|context| {
            if is_so() {
                return Poll::Ready(());
            }
            self.sleepers.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    fn wake(&self) {
        self.sleepers.take().into_iter().for_each(Waker::wake);
    }
}

/// Brings the files of an earlier worker back.
pub async fn restore(worker: &Worker) {
    let Ok(kept) = JsFuture::from(worker.outside.read_all()).await else {
        return worker.say("what this browser kept cannot be read");
    };
    let mut file: Option<(PathBuf, Vec<u8>, Duration)> = None;
    let put = |file: Option<(PathBuf, Vec<u8>, Duration)>| {
        if let Some((path, bytes, modified)) = file {
            files::restore(&path, Some((bytes, modified)));
        }
    };
    // Keys come in order, and pieces are numbered with leading zeros.
    for pair in Array::from(&kept).iter() {
        let pair = Array::from(&pair);
        let key = pair.get(0).as_string().unwrap_or_default();
        let entry = pair.get(1);
        let Some((path, _)) = key.split_once(SEPARATOR) else {
            files::restore(Path::new(&key), None);
            continue;
        };
        let of = |name: &str| Reflect::get(&entry, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let bytes = Uint8Array::new(&of("bytes")).to_vec();
        match &mut file {
            Some((open, content, _)) if open == Path::new(path) => content.extend_from_slice(&bytes),
            _ => {
                let modified = Duration::from_secs_f64(of("modified").as_f64().unwrap_or(0.0));
                put(file.replace((PathBuf::from(path), bytes, modified)));
            }
        }
    }
    put(file);
}

/// Keeps what changes, as long as the worker lives. What cannot be kept is tried again; the training goes on.
pub async fn keep(worker: Rc<Worker>) {
    if !worker.about.storage_trouble.is_empty() {
        return worker.say(&worker.about.storage_trouble);
    }
    let keeper = &worker.keeper;
    keeper.is_keeping.set(true);
    let mut late: Vec<Change> = Vec::new();
    let mut has_complained = false;
    loop {
        // The time may run out first.
        let _ = within(KEEP_SECS, keeper.until(|| keeper.is_due.get())).await;
        keeper.is_due.set(false);
        keeper.begun.set(keeper.begun.get() + 1);
        late.extend(files::take_changes());
        if has_complained {
            // What was deleted goes first: the rest may need its space.
            let gone = take_deleted(&mut late);
            if write(&worker, &gone).await.is_err() {
                late.extend(gone);
            }
        }
        match write(&worker, &late).await {
            Ok(()) => {
                late.clear();
                if std::mem::take(&mut has_complained) {
                    worker.say("this browser keeps the runs again");
                }
            }
            Err(why) if !std::mem::replace(&mut has_complained, true) => worker.say(&format!(
                "this browser cannot keep the runs ({why}); training goes on, but save what you need before you leave, or delete runs"
            )),
            Err(_) => {}
        }
        keeper.over.set(keeper.begun.get());
        keeper.wake();
    }
}

/// Takes the changes of runs that are gone for good out of the others, as removals.
fn take_deleted(changes: &mut Vec<Change>) -> Vec<Change> {
    let path_of = |change: &Change| match change {
        Change::Folder(path) | Change::Removed(path) | Change::File { path, .. } => path.clone(),
    };
    let is_deleted = |path: &Path| {
        let id = path.strip_prefix(RUNS_DIR).ok().and_then(|below| below.iter().next());
        id.is_some_and(|id| !files::is_dir(&Path::new(RUNS_DIR).join(id)))
    };
    let (gone, rest): (Vec<Change>, Vec<Change>) = std::mem::take(changes).into_iter().partition(|change| is_deleted(&path_of(change)));
    *changes = rest;
    gone.iter().map(|change| Change::Removed(path_of(change))).collect()
}

/// One transaction of these changes; an error says why.
async fn write(worker: &Worker, changes: &[Change]) -> std::result::Result<(), String> {
    if changes.is_empty() {
        return Ok(());
    }
    let puts = Array::new();
    changes.iter().for_each(|change| entries(change, &puts));
    let refuse = |error: JsValue| {
        let name = Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default();
        if name == "QuotaExceededError" { "its space for this site is full".to_string() } else { name }
    };
    JsFuture::from(worker.outside.write(puts)).await.map(drop).map_err(refuse)
}

/// Puts for the storage: [key, entry], without an entry for what is gone, with `true` for all pieces from there on.
fn entries(change: &Change, puts: &Array) {
    let put = |key: String, entry: JsValue| {
        puts.push(&Array::of2(&key.into(), &entry));
    };
    match change {
        Change::Folder(path) => put(path.display().to_string(), js_sys::Object::new().into()),
        Change::Removed(path) => {
            put(path.display().to_string(), JsValue::UNDEFINED);
            put(piece_key(path, 0), JsValue::TRUE);
        }
        Change::File { path, from, bytes, modified, .. } => {
            let first = from / PIECE_BYTES;
            let pieces: Vec<&[u8]> = if bytes.is_empty() { vec![&[]] } else { bytes.chunks(PIECE_BYTES).collect() };
            let end = first + pieces.len();
            for (ix, piece) in pieces.into_iter().enumerate() {
                let entry = js_sys::Object::new();
                // A fresh object takes every property.
                let _ = Reflect::set(&entry, &"bytes".into(), &Uint8Array::from(piece));
                let _ = Reflect::set(&entry, &"modified".into(), &modified.as_secs_f64().into());
                put(piece_key(path, first + ix), entry.into());
            }
            put(piece_key(path, end), JsValue::TRUE);
        }
    }
}

fn piece_key(path: &Path, piece: usize) -> String {
    format!("{}{SEPARATOR}{piece:08}", path.display())
}
