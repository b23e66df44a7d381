//! One half of an image set: labels, class names, and images by number.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::cache::Cache;
use super::resize::{self, Origin};
use super::subset;
use crate::augment::crop::Picture;
use crate::augment::normalise::ChannelStats;
use crate::error::{Error, Result};

/// The share of images that may fail to decode before training stops.
pub const MAX_UNREADABLE_FRAC: f64 = 0.01;

/// Images by number, at their own size.
pub trait ImageSource: Send + Sync {
    /// Writes image `ix` to `out`, whose memory is used again.
    fn read(&self, ix: usize, out: &mut Picture) -> Result<()>;

    /// Whether reading takes long enough for the result to be worth keeping.
    fn is_costly(&self) -> bool;

    /// What to call image `ix` in a message: its file, where it has one.
    fn name(&self, ix: usize) -> String {
        format!("image {ix}")
    }
}

/// The size at which an image is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// From which the square is cut.
    Scaled = 0,
    /// Its own.
    Whole = 1,
}

/// Bytes in memory, one image after the other, grey or red, green, blue interleaved.
#[derive(Debug)]
pub struct PackedImages {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
    /// [images, height, width, channels].
    pub bytes: Vec<u8>,
}

impl ImageSource for PackedImages {
    fn read(&self, ix: usize, out: &mut Picture) -> Result<()> {
        let len = self.width * self.height * self.channels;
        let bytes = &self.bytes[ix * len..(ix + 1) * len];
        (out.width, out.height) = (self.width, self.height);
        out.rgb.clear();
        if self.channels == 3 {
            out.rgb.extend_from_slice(bytes);
        } else {
            out.rgb.extend(bytes.iter().flat_map(|&grey| [grey; 3]));
        }
        Ok(())
    }

    fn is_costly(&self) -> bool {
        false
    }
}

/// What a reader has found; [`Dataset::new`] makes a set of it.
pub struct Contents {
    /// `data.kind`.
    pub kind: &'static str,
    /// The file or folder, for messages.
    pub path: PathBuf,
    /// In the order of the labels.
    pub class_names: Vec<String>,
    /// One an image, each below the number of classes.
    pub labels: Vec<u32>,
    /// Of everything that was read.
    pub hash: u64,
    /// Mean and deviation to normalise with.
    pub stats: ChannelStats,
    /// How sizes are treated.
    pub origin: Origin,
    /// The images.
    pub source: Box<dyn ImageSource>,
    /// What the user should know, e.g. files left out.
    pub notes: Vec<String>,
}

/// One half of an image set, opened for squares of one side.
pub struct Dataset {
    /// `data.kind`.
    pub kind: &'static str,
    /// The file or folder, for messages.
    pub path: PathBuf,
    /// In the order of the labels.
    pub class_names: Vec<String>,
    /// One an image.
    pub labels: Vec<u32>,
    /// Of the content, or of names and sizes; of the whole half for a subset of it.
    pub hash: u64,
    /// Mean and deviation of its pixels, in 0..1.
    pub stats: ChannelStats,
    /// Side of the squares that are cut, pixels.
    pub side: usize,
    /// What the user should know, e.g. files left out.
    pub notes: Vec<String>,
    origin: Origin,
    source: Box<dyn ImageSource>,
    /// Numbers in `source` of the images of a subset.
    members: Option<Vec<u32>>,
    caches: [Cache; 2],
    unreadable: Mutex<Unreadable>,
}

/// Images that could not be decoded.
#[derive(Debug, Default)]
struct Unreadable {
    all: BTreeMap<usize, String>,
    /// Those that nobody has asked for yet.
    news: Vec<String>,
}

impl Dataset {
    /// The set with these contents, for squares of `side`.
    pub fn new(contents: Contents, side: usize) -> Self {
        Self {
            caches: caches(contents.labels.len(), side),
            kind: contents.kind,
            path: contents.path,
            class_names: contents.class_names,
            labels: contents.labels,
            hash: contents.hash,
            stats: contents.stats,
            side,
            notes: contents.notes,
            origin: contents.origin,
            source: contents.source,
            members: None,
            unreadable: Mutex::default(),
        }
    }

    /// Classes K.
    pub fn num_classes(&self) -> usize {
        self.class_names.len()
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Whether training cuts its squares at random places.
    pub fn cuts_at_random(&self) -> bool {
        resize::cuts_photographs(self.origin, self.side)
    }

    /// The class-balanced subset of ⌈fraction·n⌉ images a class.
    pub fn subset(mut self, fraction: f64) -> Self {
        let chosen = subset::members(&self.labels, self.num_classes(), fraction);
        self.labels = chosen.iter().map(|&ix| self.labels[ix as usize]).collect();
        self.caches = caches(chosen.len(), self.side);
        let in_source = |ix: u32| self.members.as_ref().map_or(ix, |m| m[ix as usize]);
        self.members = Some(chosen.into_iter().map(in_source).collect());
        self
    }

    /// Whether reading an image takes long enough to be worth keeping the result.
    pub fn is_costly(&self) -> bool {
        self.source.is_costly()
    }

    /// What to call image `ix` in a message: its file, where it has one.
    pub fn name(&self, ix: usize) -> String {
        self.source.name(self.in_source(ix))
    }

    fn in_source(&self, ix: usize) -> usize {
        self.members.as_ref().map_or(ix, |members| members[ix] as usize)
    }

    /// Writes image `ix`, at its own size, to `out`.
    pub fn image(&self, ix: usize, out: &mut Picture) -> Result<()> {
        self.source.read(self.in_source(ix), out)
    }

    /// Writes image `ix`, at the size that `view` says, to `out`.
    pub fn view(&self, ix: usize, view: View, out: &mut Picture) -> Result<()> {
        let cache = &self.caches[view as usize];
        if let Some(kept) = cache.get(ix) {
            (out.width, out.height) = (kept.width, kept.height);
            out.rgb.clone_from(&kept.rgb);
            return Ok(());
        }
        self.image(ix, out)?;
        let bad_size = |what: String| Error::data(Path::new(&self.name(ix)), what, "crop or delete it");
        let was_scaled = match view {
            View::Scaled => resize::scale(out, self.side, self.origin).map_err(bad_size)?,
            View::Whole => resize::check_shape(out.width, out.height).map(|()| false).map_err(bad_size)?,
        };
        if was_scaled || self.source.is_costly() {
            cache.put(ix, out);
        }
        Ok(())
    }

    /// Like [`Dataset::view`], but goes on to the next image when one cannot be decoded, and
    /// tells which image it is. Depends on the files alone, so batches stay reproducible.
    ///
    /// Errors: more than 1 % of the images cannot be decoded.
    pub fn readable(&self, ix: usize, view: View, out: &mut Picture) -> Result<usize> {
        for candidate in (ix..self.len()).chain(0..ix) {
            match self.view(candidate, view, out) {
                Ok(()) => return Ok(candidate),
                Err(error) => self.note_unreadable(candidate, &error)?,
            }
        }
        Err(Error::data(&self.path, "no image can be decoded", ""))
    }

    /// One message for each image that could not be decoded so far.
    pub fn unreadable(&self) -> Vec<String> {
        self.lock_unreadable().all.values().cloned().collect()
    }

    /// The messages that have come up since the last call.
    pub fn unreadable_news(&self) -> Vec<String> {
        std::mem::take(&mut self.lock_unreadable().news)
    }

    /// Counts an image that cannot be decoded, once.
    ///
    /// Errors: more than 1 % of the images cannot be decoded.
    pub fn note_unreadable(&self, ix: usize, error: &Error) -> Result<()> {
        let mut unreadable = self.lock_unreadable();
        if unreadable.all.insert(ix, error.to_string()).is_none() {
            unreadable.news.push(error.to_string());
        }
        if unreadable.all.len() as f64 <= self.len() as f64 * MAX_UNREADABLE_FRAC {
            return Ok(());
        }
        let what = format!(
            "{} of {} images cannot be decoded, which is more than {} %: {error}",
            unreadable.all.len(),
            self.len(),
            MAX_UNREADABLE_FRAC * 100.0
        );
        Err(Error::data(&self.path, what, "`vitrine data check` lists them all"))
    }

    fn lock_unreadable(&self) -> std::sync::MutexGuard<'_, Unreadable> {
        self.unreadable.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// One for each [`View`].
fn caches(len: usize, side: usize) -> [Cache; 2] {
    [(); 2].map(|()| Cache::new(len, side * side * 3))
}

impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} images of {} classes)", self.kind, self.len(), self.num_classes())
    }
}
