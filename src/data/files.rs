//! Image files in folders: listing them, and a set made of them.
//!
//! Listing looks at the first bytes of each file; pixels are decoded when needed. A file that is
//! empty or none of the three formats in spite of its name keeps its place and counts as unreadable.

use std::path::{Path, PathBuf};

use crate::platform;
use crate::platform::parallel::*;

use super::dataset::{Contents, Dataset, ImageSource, MAX_UNREADABLE_FRAC};
use super::resize::Origin;
use super::{HASH_START, Request, decode, hash_bytes, pack};
use crate::augment::crop::Picture;
use crate::augment::normalise::ChannelStats;
use crate::error::{Error, Result};

/// Bytes that tell the format.
const START_LEN: usize = 32;
const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];

/// One image file.
#[derive(Clone, Debug)]
pub struct ImageFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its class.
    pub class: u32,
    /// Of class, name and size.
    pub hash: u64,
    /// Of class and name: decides which half it belongs to.
    pub name_hash: u64,
    /// What is wrong with its first bytes.
    pub damage: Option<&'static str>,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Listing {
    /// The images, by name.
    pub files: Vec<ImageFile>,
    /// Other files and folders.
    pub num_ignored: usize,
}

/// Names and paths in a folder, sorted by name.
pub fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let cannot = |e: std::io::Error| Error::data(folder, format!("cannot be listed: {e}"), "");
    let paths = platform::files::list(folder).map_err(cannot)?;
    let name_of = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut entries: Vec<(String, PathBuf)> = paths.into_iter().map(|path| (name_of(&path), path)).collect();
    entries.sort();
    Ok(entries)
}

/// The image files in `folder`; `class_of` gives the class of a file name and a name that is unique
/// in the set, or leaves the file out.
pub fn list(folder: &Path, class_of: impl Fn(&str) -> Option<(u32, String)> + Sync) -> Result<Listing> {
    let entries = entries(folder)?;
    let num_entries = entries.len();
    let files = entries
        .into_par_iter()
        .filter(|(_, path)| has_image_ending(path) && platform::files::is_file(path))
        .filter_map(|(name, path)| class_of(&name).map(|(class, name)| inspect(path, &name, class)))
        .collect::<Result<Vec<ImageFile>>>()?;
    Ok(Listing { num_ignored: num_entries - files.len(), files })
}

fn has_image_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
}

/// The file as part of the set, with a look at its first bytes.
fn inspect(path: PathBuf, name: &str, class: u32) -> Result<ImageFile> {
    let read = platform::files::size(&path).and_then(|len| Ok((len, platform::files::read_start(&path, START_LEN)?)));
    let (len, start) = read.map_err(|e| Error::data(&path, format!("cannot be read: {e}"), ""))?;
    let damage = match (len, decode::is_image(&start)) {
        (0, _) => Some("is empty"),
        (_, false) => Some("is not a JPEG, PNG or WebP image"),
        (_, true) => None,
    };
    let name_hash = hash_bytes(HASH_START, name.as_bytes());
    Ok(ImageFile { path, class, hash: hash_bytes(name_hash, &len.to_le_bytes()), name_hash, damage })
}

/// One half of a set of image files.
#[derive(Clone, Copy, Debug)]
pub struct Half<'a> {
    /// `data.kind`.
    pub kind: &'static str,
    /// `train` or `test`, as packs name it.
    pub name: &'static str,
    /// The folder, for messages.
    pub path: &'a Path,
    /// What was asked for; its path is where a pack may lie.
    pub request: &'a Request<'a>,
}

impl Half<'_> {
    /// The half with these files; a pack that was made of just these files is read in their place.
    ///
    /// Errors: more than 1 % of the files are damaged (where the request minds), or the pack is.
    pub fn dataset(&self, class_names: Vec<String>, listing: Listing) -> Result<Dataset> {
        let Listing { files, num_ignored } = listing;
        let mut notes = Vec::new();
        if num_ignored > 0 {
            notes.push(format!("{}: {num_ignored} files are not JPEG, PNG or WebP; left out", self.path.display()));
        }
        if !self.request.takes_damaged {
            check_damage(self.path, &files)?;
        }
        let hash = files.iter().fold(HASH_START, |h, file| hash_bytes(h, &file.hash.to_le_bytes()));
        let labels = files.iter().map(|file| file.class).collect();
        let paths: Vec<PathBuf> = files.into_iter().map(|file| file.path).collect();
        let mut contents = Contents {
            kind: self.kind,
            path: self.path.to_path_buf(),
            class_names,
            labels,
            hash,
            stats: ChannelStats::IMAGENET,
            origin: Origin::Photographs,
            source: Box::new(FileImages { paths: paths.clone() }),
            notes,
        };
        if self.request.config.pack {
            pack::put_in_place(self, &mut contents, paths)?;
        }
        Ok(Dataset::new(contents, self.request.side))
    }
}

/// A set that is mostly broken is told before the first step.
fn check_damage(folder: &Path, files: &[ImageFile]) -> Result<()> {
    let damaged: Vec<&ImageFile> = files.iter().filter(|file| file.damage.is_some()).collect();
    let Some(first) = damaged.first() else { return Ok(()) };
    if damaged.len() as f64 <= files.len() as f64 * MAX_UNREADABLE_FRAC {
        return Ok(());
    }
    let what = format!(
        "{} of {} images cannot be read, which is more than {} %: {} {}",
        damaged.len(),
        files.len(),
        MAX_UNREADABLE_FRAC * 100.0,
        first.path.display(),
        first.damage.unwrap_or_default(),
    );
    Err(Error::data(folder, what, "`vitrine data check` lists them all"))
}

/// Image files, decoded at each read.
#[derive(Debug)]
struct FileImages {
    paths: Vec<PathBuf>,
}

impl ImageSource for FileImages {
    fn read(&self, ix: usize, out: &mut Picture) -> Result<()> {
        let path = &self.paths[ix];
        *out = decode::file(path).map_err(|what| Error::data(path, format!("cannot be decoded: {what}"), "replace or delete the file"))?;
        Ok(())
    }

    fn is_costly(&self) -> bool {
        true
    }

    fn name(&self, ix: usize) -> String {
        self.paths[ix].display().to_string()
    }
}
