//! `marks.json`: what people write on a run, apart from what the run says of itself.
//!
//! `{"tags": ["baseline", "paper"], "note": "…"}`; the file is missing until somebody writes. It is
//! replaced as a whole, so tagging a run that is being trained disturbs nobody.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::read::file;
use crate::error::{Error, Result};
use crate::platform;

/// Letters a tag may have at most.
const MAX_TAG_LEN: usize = 40;

/// Tags and the note of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Short words, in alphabetical order, none twice.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Free text; empty where there is none.
    #[serde(default)]
    pub note: String,
}

impl Marks {
    /// Reads the bytes of a `marks.json`; `path` is for messages.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let damaged = |error| {
            Error::file(path, format!("not a valid {}: {error}", file::MARKS), "remove it, or write it as {\"tags\": [], \"note\": \"\"}")
        };
        serde_json::from_slice(bytes).map_err(damaged)
    }

    /// The marks of a run folder; none where there is no file.
    pub fn read(run_dir: &Path) -> Result<Self> {
        let path = run_dir.join(file::MARKS);
        if !platform::files::is_file(&path) {
            return Ok(Self::default());
        }
        let bytes = platform::files::read(&path).map_err(|source| Error::io(&path, "read the file", source))?;
        Self::from_bytes(&bytes, &path)
    }

    /// Writes the marks of a run folder.
    pub fn write(&self, run_dir: &Path) -> Result<()> {
        let mut text = serde_json::to_string_pretty(self).expect("marks are plain data with text keys");
        text.push('\n');
        platform::write_atomically(&run_dir.join(file::MARKS), text.as_bytes())
    }

    /// Adds a tag.
    ///
    /// Errors: an empty tag, one with spaces or commas, or one that is too long.
    pub fn add(&mut self, tag: &str) -> Result<()> {
        let is_plain = tag.chars().all(|letter| !letter.is_whitespace() && !letter.is_control() && letter != ',');
        if tag.is_empty() || !is_plain || tag.chars().count() > MAX_TAG_LEN {
            let what = format!("`{tag}` is no tag");
            return Err(Error::usage(
                what,
                format!("a tag is one word of at most {MAX_TAG_LEN} letters; longer text goes into `runs note`"),
            ));
        }
        if let Err(place) = self.tags.binary_search_by(|other| other.as_str().cmp(tag)) {
            self.tags.insert(place, tag.to_string());
        }
        Ok(())
    }

    /// Takes a tag away; whether it was there.
    pub fn remove(&mut self, tag: &str) -> bool {
        let before = self.tags.len();
        self.tags.retain(|other| other != tag);
        self.tags.len() < before
    }
}
