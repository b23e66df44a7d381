//! The event file that a session writes for TensorBoard into its run folder.

use std::path::{Path, PathBuf};

use super::event::Event;
use super::read::file;
use super::tensorboard::{self, Scribe};
use super::tfevents::{self, At};
use crate::error::{Error, Result};
use crate::platform::files::{self, Appender};
use crate::platform::{self, CAN_BLOCK};

/// The file of one session. A resumed run gets another one, which takes back what no longer counts.
#[derive(Debug)]
pub(super) struct BoardFile {
    path: PathBuf,
    file: Appender,
    scribe: Scribe,
    /// Of the newest record: where the clock goes back, time stands still.
    latest_secs: f64,
}

impl BoardFile {
    /// Begins a file in `run_dir/tb/`. None in a browser, where files are memory: there it is made on export.
    pub fn create(run_dir: &Path, config_toml: &str) -> Result<Option<Self>> {
        if !CAN_BLOCK {
            return Ok(None);
        }
        let folder = run_dir.join(file::TENSORBOARD);
        files::create_dir_all(&folder).map_err(|source| Error::io(&folder, "make the folder", source))?;
        let latest_secs = wall_secs().max(first_free_second(&folder)?);
        let path = folder.join(tensorboard::file_name(latest_secs));
        let file = Appender::open(&path).map_err(|source| Error::io(&path, "open the file", source))?;
        let mut board = Self { path, file, scribe: Scribe::new(config_toml), latest_secs };
        board.append(&tfevents::version(latest_secs))?;
        Ok(Some(board))
    }

    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) -> Result<()> {
        let wall_secs = self.now();
        let records = self.scribe.apply(event, wall_secs);
        if records.is_empty() { Ok(()) } else { self.append(&records) }
    }

    /// Shows how values are spread.
    pub fn histogram(&mut self, tag: &str, step: u64, values: &[f32]) -> Result<()> {
        let record = tfevents::histogram(tag, self.at(step), values);
        record.map_or(Ok(()), |record| self.append(&record))
    }

    /// Shows a picture.
    pub fn image(&mut self, tag: &str, step: u64, size: (u32, u32), png: &[u8]) -> Result<()> {
        let at = self.at(step);
        self.append(&tfevents::image(tag, at, size, png))
    }

    fn at(&mut self, step: u64) -> At {
        At { step: step as i64, wall_secs: self.now() }
    }

    fn now(&mut self) -> f64 {
        self.latest_secs = self.latest_secs.max(wall_secs());
        self.latest_secs
    }

    fn append(&mut self, records: &[u8]) -> Result<()> {
        self.file.append(records).map_err(|source| Error::io(&self.path, "write to the file", source))
    }
}

/// The first second behind every file of earlier sessions: readers go from file to file by name, two sessions
/// may begin in one second, and the clock may have gone back between them.
fn first_free_second(folder: &Path) -> Result<f64> {
    let listed = files::list(folder).map_err(|source| Error::io(folder, "list the folder", source))?;
    let second_of = |path: PathBuf| {
        let named = tensorboard::secs_of(&path.file_name()?.to_string_lossy())?;
        let written = files::modified(&path).map_or(0, |written| written.as_secs());
        Some(named.max(written) as f64 + 1.0)
    };
    Ok(listed.into_iter().filter_map(second_of).fold(0.0, f64::max))
}

fn wall_secs() -> f64 {
    platform::unix_millis() as f64 / 1000.0
}
