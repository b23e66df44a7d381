//! Files and folders in memory, with the manners of real ones.
//!
//! What was changed since the last call is told by [`take_changes`], so that a worker can keep a copy in the
//! browser's storage; [`restore`] brings one back.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

static TREE: Mutex<Tree> = Mutex::new(Tree { entries: BTreeMap::new(), changed: BTreeMap::new(), locks: BTreeSet::new() });

#[derive(Debug)]
struct Tree {
    entries: BTreeMap<PathBuf, Entry>,
    /// First byte that is new, by path.
    changed: BTreeMap<PathBuf, usize>,
    locks: BTreeSet<PathBuf>,
}

#[derive(Debug)]
enum Entry {
    Folder,
    File { bytes: Vec<u8>, modified: Duration },
}

/// Files are kept in pieces of so many bytes.
pub const PIECE_BYTES: usize = 1 << 18;

/// What became of a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// It is a folder.
    Folder(PathBuf),
    /// It is a file whose bytes are new from one on.
    File {
        /// The file.
        path: PathBuf,
        /// First new byte, a multiple of [`PIECE_BYTES`].
        from: usize,
        /// The content from there on.
        bytes: Vec<u8>,
        /// When it was written, since 1970.
        modified: Duration,
    },
    /// It is gone.
    Removed(PathBuf),
}

fn tree() -> MutexGuard<'static, Tree> {
    TREE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn missing(path: &Path) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no {}", path.display()))
}

impl Tree {
    fn put(&mut self, path: &Path, entry: Entry) {
        self.entries.insert(path.to_path_buf(), entry);
        self.changed.insert(path.to_path_buf(), 0);
    }

    fn has_parent(&self, path: &Path) -> Result<()> {
        match path.parent() {
            None => Ok(()),
            Some(parent) if parent.as_os_str().is_empty() || parent == Path::new("/") => Ok(()),
            Some(parent) => match self.entries.get(parent) {
                Some(Entry::Folder) => Ok(()),
                _ => Err(missing(parent)),
            },
        }
    }

    /// The content of a file, made where it is missing, to be changed at its end or as a whole.
    fn file(&mut self, path: &Path, is_appended: bool) -> Result<&mut Vec<u8>> {
        self.has_parent(path)?;
        let from = match self.entries.get(path) {
            Some(Entry::File { bytes, .. }) if is_appended => bytes.len(),
            _ => 0,
        };
        let first_new = self.changed.entry(path.to_path_buf()).or_insert(from);
        *first_new = from.min(*first_new);
        let empty = Entry::File { bytes: Vec::new(), modified: Duration::ZERO };
        match self.entries.entry(path.to_path_buf()).or_insert(empty) {
            Entry::Folder => Err(ErrorKind::IsADirectory.into()),
            Entry::File { bytes, modified } => {
                *modified = Duration::from_millis(super::unix_millis());
                Ok(bytes)
            }
        }
    }
}

/// The content of a file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    match tree().entries.get(path) {
        Some(Entry::File { bytes, .. }) => Ok(bytes.clone()),
        Some(Entry::Folder) => Err(ErrorKind::IsADirectory.into()),
        None => Err(missing(path)),
    }
}

/// Bytes of a file.
pub fn size(path: &Path) -> Result<u64> {
    match tree().entries.get(path) {
        Some(Entry::File { bytes, .. }) => Ok(bytes.len() as u64),
        _ => Err(missing(path)),
    }
}

/// The first `len` bytes of a file, or all of a shorter one.
pub fn read_start(path: &Path, len: usize) -> Result<Vec<u8>> {
    read(path).map(|mut bytes| {
        bytes.truncate(len);
        bytes
    })
}

/// Gives a file another name, in place of what had it.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    let bytes = read(from)?;
    write(to, &bytes)?;
    remove_file(from)
}

/// Replaces the content of a file.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    tree().file(path, false).map(|content| bytes.clone_into(content))
}

/// Makes a folder in one that is there.
pub fn create_dir(path: &Path) -> Result<()> {
    let mut tree = tree();
    tree.has_parent(path)?;
    if tree.entries.contains_key(path) {
        return Err(ErrorKind::AlreadyExists.into());
    }
    tree.put(path, Entry::Folder);
    Ok(())
}

/// Makes a folder and those it lies in.
pub fn create_dir_all(path: &Path) -> Result<()> {
    let mut folders: Vec<&Path> = path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    folders.reverse();
    for folder in folders {
        if !is_dir(folder) && folder != Path::new("/") {
            create_dir(folder)?;
        }
    }
    Ok(())
}

/// Removes a file.
pub fn remove_file(path: &Path) -> Result<()> {
    let mut tree = tree();
    match tree.entries.get(path) {
        Some(Entry::File { .. }) => {
            tree.entries.remove(path);
            tree.changed.insert(path.to_path_buf(), 0);
            Ok(())
        }
        Some(Entry::Folder) => Err(ErrorKind::IsADirectory.into()),
        None => Err(missing(path)),
    }
}

/// Removes a folder with all that lies in it.
pub fn remove_dir_all(path: &Path) -> Result<()> {
    let mut tree = tree();
    let gone: Vec<PathBuf> = tree.entries.keys().filter(|entry| entry.starts_with(path)).cloned().collect();
    if gone.is_empty() {
        return Err(missing(path));
    }
    for entry in gone {
        tree.entries.remove(&entry);
        tree.changed.insert(entry, 0);
    }
    Ok(())
}

/// Whether there is a file of this name.
pub fn is_file(path: &Path) -> bool {
    matches!(tree().entries.get(path), Some(Entry::File { .. }))
}

/// Whether there is a folder of this name.
pub fn is_dir(path: &Path) -> bool {
    matches!(tree().entries.get(path), Some(Entry::Folder))
}

/// Whether the name is a link to something else: there are none.
pub fn is_link(_path: &Path) -> bool {
    false
}

/// What lies in a folder, in no order.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    if !is_dir(folder) {
        return Err(missing(folder));
    }
    // What lies below a folder follows it in the order of paths.
    let tree = tree();
    let below = tree.entries.range(folder.to_path_buf()..).map(|(path, _)| path).take_while(|path| path.starts_with(folder));
    Ok(below.filter(|path| path.parent() == Some(folder)).cloned().collect())
}

/// When a file was last written, since 1970.
pub fn modified(path: &Path) -> Result<Duration> {
    match tree().entries.get(path) {
        Some(Entry::File { modified, .. }) => Ok(*modified),
        _ => Err(missing(path)),
    }
}

/// What has changed since the last call.
pub fn take_changes() -> Vec<Change> {
    let mut tree = tree();
    let changed = std::mem::take(&mut tree.changed);
    let change = |(path, first_new): (PathBuf, usize)| match tree.entries.get(&path) {
        None => Change::Removed(path),
        Some(Entry::Folder) => Change::Folder(path),
        Some(Entry::File { bytes, modified }) => {
            let from = first_new.min(bytes.len()) / PIECE_BYTES * PIECE_BYTES;
            Change::File { path, from, bytes: bytes[from..].to_vec(), modified: *modified }
        }
    };
    changed.into_iter().map(change).collect()
}

/// Puts a kept entry back: a file's content and the time it was written, or a folder. It does not count as a change.
pub fn restore(path: &Path, file: Option<(Vec<u8>, Duration)>) {
    let entry = file.map_or(Entry::Folder, |(bytes, modified)| Entry::File { bytes, modified });
    tree().entries.insert(path.to_path_buf(), entry);
}

/// A file that grows.
#[derive(Debug)]
pub struct Appender(PathBuf);

impl Appender {
    /// Opens the file at its end; makes it where it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        tree().file(path, true)?;
        Ok(Self(path.to_path_buf()))
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        tree().file(&self.0, true).map(|content| content.extend_from_slice(bytes))
    }
}

/// A lock on a file, held until it is dropped.
#[derive(Debug)]
pub struct Lock(PathBuf);

impl Lock {
    /// Takes the lock; `None` if another session of this worker holds it.
    pub fn take(path: &Path) -> Result<Option<Self>> {
        let is_free = tree().locks.insert(path.to_path_buf());
        Ok(is_free.then(|| Self(path.to_path_buf())))
    }

    /// Whether somebody holds the lock.
    pub fn is_taken(path: &Path) -> bool {
        tree().locks.contains(path)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        tree().locks.remove(&self.0);
    }
}
