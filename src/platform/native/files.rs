//! Files and folders of the operating system.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Result, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

pub use std::fs::{create_dir, create_dir_all, read, remove_dir_all, remove_file, rename};

/// The first `len` bytes of a file, or all of a shorter one.
pub fn read_start(path: &Path, len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether there is a file of this name.
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Whether there is a folder of this name.
pub fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

/// Whether the name is a link to something else.
pub fn is_link(path: &Path) -> bool {
    path.is_symlink()
}

/// What lies in a folder, in no order.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

/// When a file was last written, since 1970.
pub fn modified(path: &Path) -> Result<Duration> {
    Ok(fs::metadata(path)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// Bytes of a file.
pub fn size(path: &Path) -> Result<u64> {
    Ok(fs::metadata(path)?.len())
}

/// A file that grows; each addition is one write.
#[derive(Debug)]
pub struct Appender(File);

impl Appender {
    /// Opens the file at its end; makes it where it is missing.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(OpenOptions::new().append(true).create(true).open(path)?))
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write_all(bytes)
    }
}

/// A lock on a file, held until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock; `None` if another process holds it.
    pub fn take(path: &Path) -> Result<Option<Self>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        // A reader that looks whether the lock is held takes it for a moment.
        for _ in 0..5 {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Self { _file: file })),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
                Err(TryLockError::Error(source)) => return Err(source),
            }
        }
        Ok(None)
    }

    /// Whether somebody holds the lock.
    pub fn is_taken(path: &Path) -> bool {
        let Ok(file) = File::open(path) else { return false };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}
