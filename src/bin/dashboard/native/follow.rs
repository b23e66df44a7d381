//! Following a run folder while another process, or this one, writes it.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use vitrine::dashboard::host::{Notice, Origin, RunHead, RunKey};
use vitrine::error::{Error, Result};
use vitrine::run::event::Event;
use vitrine::run::line;
use vitrine::run::read::{self, RunHeader};
use vitrine::run::store::checkpoint_path;
use vitrine::train::checkpoint::PRE_CRASH;

use super::host::Voice;

/// Time between two looks at the files.
const LOOK_MILLIS: u64 = 250;

/// The reader of one kind of line.
type Parse = fn(&str) -> serde_json::Result<Event>;

/// A file of lines that grows.
struct Growing {
    path: PathBuf,
    parse: Parse,
    read_bytes: u64,
    /// What was read of a line that has no end yet.
    rest: Vec<u8>,
}

impl Growing {
    fn new(path: PathBuf, parse: Parse) -> Self {
        Self { path, parse, read_bytes: 0, rest: Vec::new() }
    }

    /// Events of the lines that were added; none if the file has become shorter: then a resumed run
    /// has rewritten it, and everything is to be read anew.
    fn read_on(&mut self) -> Result<Option<Vec<Event>>> {
        let refuse = |source| Error::io(&self.path, "read the file", source);
        let mut file = File::open(&self.path).map_err(refuse)?;
        if file.metadata().map_err(refuse)?.len() < self.read_bytes {
            return Ok(None);
        }
        file.seek(SeekFrom::Start(self.read_bytes)).map_err(refuse)?;
        let num_bytes = file.read_to_end(&mut self.rest).map_err(refuse)?;
        self.read_bytes += num_bytes as u64;
        let whole = self.rest.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        let rest = self.rest.split_off(whole);
        let bytes = std::mem::replace(&mut self.rest, rest);
        let damaged = |what: String| Error::file(&self.path, format!("it is damaged: {what}"), "");
        let text = String::from_utf8(bytes).map_err(|error| damaged(error.to_string()))?;
        text.lines().map(|line| (self.parse)(line).map_err(|error| damaged(error.to_string()))).collect::<Result<Vec<_>>>().map(Some)
    }
}

/// The files of a run folder.
struct Folder {
    path: PathBuf,
    files: [Growing; 2],
}

impl Folder {
    fn new(path: &Path) -> Self {
        let metrics = Growing::new(path.join("metrics.jsonl"), line::event_from_metric);
        let notes = Growing::new(path.join("events.jsonl"), line::event_from_note);
        Self { path: path.to_path_buf(), files: [metrics, notes] }
    }

    /// What was added, in an order that replays.
    fn read_on(&mut self) -> Result<Option<Vec<Event>>> {
        let mut events = Vec::new();
        for file in &mut self.files {
            match file.read_on()? {
                Some(more) => events.extend(more),
                None => return Ok(None),
            }
        }
        line::sort_for_replay(&mut events);
        Ok(Some(events))
    }
}

/// What the list says of a run folder.
pub fn head_of(header: &RunHeader, key: RunKey, origin: Origin) -> Result<RunHead> {
    let config_path = header.path.join("config.toml");
    let config_toml = std::fs::read_to_string(&config_path).map_err(|source| Error::io(&config_path, "read the config", source))?;
    Ok(RunHead {
        key,
        origin,
        is_live: header.is_live,
        meta: header.meta.clone(),
        config_toml,
        tags: header.marks.tags.clone(),
        has_pre_crash: checkpoint_path(&header.path, PRE_CRASH).is_file(),
    })
}

/// Reads a run and follows it until nobody writes it any more.
pub fn follow(voice: &Voice, key: &RunKey, path: &Path) {
    if let Err(error) = try_follow(voice, key, path) {
        voice.tell(Notice::RunFailed(key.clone(), error.to_string()));
    }
}

fn try_follow(voice: &Voice, key: &RunKey, path: &Path) -> Result<()> {
    let mut folder = Folder::new(path);
    let mut is_open = false;
    loop {
        // Asked before reading: what is written between the two is read in the next round.
        let header = read::read_header(&folder.path)?;
        match folder.read_on()? {
            Some(events) if is_open => {
                if !events.is_empty() {
                    voice.tell(Notice::Events(key.clone(), events));
                }
            }
            Some(events) => {
                is_open = true;
                voice.tell(Notice::Opened(Box::new(head_of(&header, key.clone(), Origin::Kept)?), events));
            }
            None => {
                folder = Folder::new(path);
                is_open = false;
                continue;
            }
        }
        if !header.is_live {
            voice.tell(Notice::Closed(key.clone()));
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(LOOK_MILLIS));
    }
}
