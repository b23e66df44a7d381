//! Files kept over a reload: what has changed goes to the browser's storage about once a second, as one
//! transaction, in pieces, so that a growing file is not written anew.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use js_sys::{Array, Reflect, Uint8Array};
use vitrine::platform::files::{self, Change, PIECE_BYTES};
use vitrine::platform::sleep;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use super::worker::Worker;

/// Between two transactions.
const KEEP_SECS: f64 = 1.0;
/// Between a path and the number of a piece, in a key: no file name has it.
const SEPARATOR: char = '\n';

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
    let mut late: Vec<Change> = Vec::new();
    let mut has_complained = false;
    loop {
        sleep(KEEP_SECS).await;
        let mut changes = std::mem::take(&mut late);
        changes.extend(files::take_changes());
        if changes.is_empty() {
            continue;
        }
        let puts = Array::new();
        changes.iter().for_each(|change| entries(change, &puts));
        match JsFuture::from(worker.outside.write(puts)).await {
            Ok(_) => has_complained = false,
            Err(error) => {
                late = changes;
                if !std::mem::replace(&mut has_complained, true) {
                    let name = Reflect::get(&error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default();
                    let why = if name == "QuotaExceededError" { "its space for this site is full".to_string() } else { name };
                    worker.say(&format!(
                        "this browser cannot keep the runs ({why}); training goes on, but save what you need before you leave"
                    ));
                }
            }
        }
    }
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
