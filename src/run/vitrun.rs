//! `.vitrun`: a run as one file, the tar of its folder in gzip.
//!
//! Any `tar` opens it, and `tar czf x.vitrun RUN_FOLDER` makes one. Reading trusts nothing: plain
//! files with plain names below one folder only, and limits on their number and inflated size, so
//! that no file can write beside its folder or fill the memory.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::files::{RunFiles, meta_from_bytes, names_in_folder};
use super::read::file;
use crate::error::{Error, Result};
use crate::platform;

/// How the names of these files end.
pub const EXTENSION: &str = "vitrun";

/// The first bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Folders of a run; a path that begins with another one begins with the run's own folder.
const FOLDERS: [&str; 3] = [file::PROBES, file::CHECKPOINTS, file::TENSORBOARD];

/// Letters of one part of a path.
const MAX_PART_LEN: usize = 200;

/// What a file may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files.
    pub files: usize,
    /// Bytes after inflation, names included.
    pub bytes: u64,
}

impl Limits {
    /// For a run held in memory: 1 GiB.
    pub const MEMORY: Self = Self { files: 20_000, bytes: 1 << 30 };
    /// For a run unpacked to disk, with checkpoints: 64 GiB.
    pub const DISK: Self = Self { files: 100_000, bytes: 1 << 36 };
}

/// Packs files, in the order given, below a folder `id`. The result depends on the files alone.
pub fn write<W: Write>(out: W, id: &str, files: impl IntoIterator<Item = Result<(String, Vec<u8>)>>) -> Result<W> {
    let failed = |source| Error::io(Path::new(id), "pack the run", source);
    let mut archive = tar::Builder::new(GzEncoder::new(out, Compression::default()));
    for file in files {
        let (name, bytes) = file?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, format!("{id}/{name}"), bytes.as_slice()).map_err(failed)?;
    }
    archive.into_inner().and_then(GzEncoder::finish).map_err(failed)
}

/// The bytes of a `.vitrun` file with these files.
pub fn to_bytes(files: &RunFiles) -> Result<Vec<u8>> {
    let id = files.id(Path::new("this run"))?;
    write(Vec::new(), &id, files.by_name.iter().map(|(name, bytes)| Ok((name.clone(), bytes.clone()))))
}

/// Packs a run folder into `out`, one file in memory at a time.
///
/// Errors: no run folder, a file that cannot be read, a full disk.
pub fn pack<W: Write>(run_dir: &Path, with_checkpoints: bool, out: W) -> Result<W> {
    let meta_path = run_dir.join(file::META);
    let read = |path: &PathBuf| platform::files::read(path).map_err(|source| Error::io(path, "read the file", source));
    let id = meta_from_bytes(&read(&meta_path)?, &meta_path)?.id;
    let names = names_in_folder(run_dir, with_checkpoints)?;
    write(out, &id, names.iter().map(|(name, path)| Ok((name.clone(), read(path)?))))
}

/// Reads the bytes of a `.vitrun` file into memory; `source` is for messages.
///
/// Errors: not such a file, damage, links or names that lead out of the folder, more than
/// [`Limits::MEMORY`], no `run.json`.
pub fn read(bytes: &[u8], source: &Path) -> Result<RunFiles> {
    let mut files = RunFiles::default();
    unpack(bytes, source, Limits::MEMORY, &mut |name, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        files.by_name.insert(name.to_string(), bytes);
        Ok(())
    })?;
    match files.by_name.contains_key(file::META) {
        true => Ok(files),
        false => Err(no_run(source)),
    }
}

/// Unpacks a `.vitrun` file into `runs_dir/<id>/`, which appears as a whole or not at all. Returns the folder.
///
/// Errors: as [`read`] with [`Limits::DISK`]; a run of that id is there already; a full disk.
pub fn import(input: impl Read, source: &Path, runs_dir: &Path) -> Result<PathBuf> {
    fs::create_dir_all(runs_dir).map_err(|error| Error::io(runs_dir, "make the folder", error))?;
    let staging = runs_dir.join(format!(".import-{}", std::process::id()));
    // Left by a killed import that had the same process number.
    let _ = fs::remove_dir_all(&staging);
    let outcome = import_through(&staging, input, source, runs_dir);
    if outcome.is_err() {
        // What is left helps nobody, and its removal may fail for the same reason.
        let _ = fs::remove_dir_all(&staging);
    }
    outcome
}

fn import_through(staging: &Path, input: impl Read, source: &Path, runs_dir: &Path) -> Result<PathBuf> {
    let refuse = |error| Error::io(staging, "unpack the run", error);
    fs::create_dir(staging).map_err(refuse)?;
    for folder in [file::PROBES, file::CHECKPOINTS] {
        fs::create_dir(staging.join(folder)).map_err(refuse)?;
    }
    let mut disk_error = None;
    let unpacked = unpack(input, source, Limits::DISK, &mut |name, content| {
        let path = staging.join(name);
        copy(content, &path).map_err(|(error, is_disk)| {
            if is_disk {
                disk_error = Some(Error::io(&path, "write the file", error));
                return io::ErrorKind::Other.into();
            }
            error
        })
    });
    unpacked.map_err(|error| disk_error.unwrap_or(error))?;
    let meta_path = staging.join(file::META);
    let bytes = fs::read(&meta_path).map_err(|_| no_run(source))?;
    let id = meta_from_bytes(&bytes, source)?.id;
    if !is_plain(&id) || id.contains('/') {
        return Err(Error::file(source, format!("its run has the id `{id}`, which is no name of a folder"), ""));
    }
    let run_dir = runs_dir.join(&id);
    if run_dir.exists() {
        let what = format!("the run {id} is in {} already", runs_dir.display());
        return Err(Error::file(source, what, "--runs-dir takes another folder, and `vitrine runs rm` removes the run that is there"));
    }
    fs::rename(staging, &run_dir).map_err(|error| Error::io(&run_dir, "make the run folder", error))?;
    Ok(run_dir)
}

/// Copies to a new file. An error says whether it is the disk's (or the content's).
fn copy(content: &mut dyn Read, path: &Path) -> Result<(), (io::Error, bool)> {
    let on_disk = |error| (error, true);
    fs::create_dir_all(path.parent().unwrap_or(path)).map_err(on_disk)?;
    let mut out = fs::File::create(path).map_err(on_disk)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        match content.read(&mut buffer).map_err(|error| (error, false))? {
            0 => return Ok(()),
            len => out.write_all(&buffer[..len]).map_err(on_disk)?,
        }
    }
}

fn no_run(source: &Path) -> Error {
    Error::file(source, format!("it holds no {}, so it is not a run", file::META), "`vitrine runs export` makes these files")
}

/// Gives every file of a `.vitrun` file to `each`, by its name below the run folder. Names are plain
/// and lead nowhere else. Hidden files and locks are passed over.
pub fn unpack(
    mut input: impl Read,
    source: &Path,
    limits: Limits,
    each: &mut dyn FnMut(&str, &mut dyn Read) -> io::Result<()>,
) -> Result<()> {
    let mut magic = [0; 2];
    if input.read_exact(&mut magic).is_err() || magic != GZIP_MAGIC {
        return Err(Error::file(source, "it is not a .vitrun file (a tar in gzip)", "`vitrine runs export` makes these files"));
    }
    let whole = io::Cursor::new(magic).chain(input);
    let mut archive = tar::Archive::new(Limited { inner: MultiGzDecoder::new(whole), left: limits.bytes });
    let damaged = |error: io::Error| {
        let what = if error.kind() == io::ErrorKind::FileTooLarge { error.to_string() } else { format!("it is damaged: {error}") };
        Error::file(source, what, "")
    };
    let mut top: Option<String> = None;
    for (count, entry) in archive.entries().map_err(damaged)?.enumerate() {
        let mut entry = entry.map_err(damaged)?;
        if count >= limits.files {
            return Err(Error::file(source, format!("it holds more than {} files", limits.files), ""));
        }
        let path = String::from_utf8(entry.path_bytes().into_owned());
        let path = path.map_err(|_| Error::file(source, "it holds a file whose name is not text", ""))?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err(Error::file(
                source,
                format!("it holds `{}`, a link or a special file", shown(&path)),
                "a run has plain files only",
            ));
        }
        if let Some(name) = own_name(&path, &mut top, source)? {
            each(&name, &mut entry).map_err(damaged)?;
        }
    }
    // The checksum stands behind the archive's end.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(())
}

/// The name below the run folder; none for files that are passed over.
fn own_name(path: &str, top: &mut Option<String>, source: &Path) -> Result<Option<String>> {
    if !is_plain(path) {
        return Err(Error::file(
            source,
            format!("it holds `{}`, a name that leads out of the run folder", shown(path)),
            "do not trust this file",
        ));
    }
    let mut parts: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
    if parts.len() > 1 && !FOLDERS.contains(&parts[0]) {
        let own = parts.remove(0);
        if top.get_or_insert_with(|| own.to_string()) != own {
            return Err(Error::file(source, "it holds more than one run", "export them one by one"));
        }
    }
    let is_hidden = parts.iter().any(|part| part.starts_with('.'));
    let is_kept = !parts.is_empty() && parts.len() <= 2 && !is_hidden && parts != [file::LOCK];
    Ok(is_kept.then(|| parts.join("/")))
}

/// Whether a relative path stays in its folder on every system.
fn is_plain(path: &str) -> bool {
    let is_letter = |letter: char| !letter.is_control() && !"\\:*?\"<>|".contains(letter);
    let is_part = |part: &str| !part.is_empty() && part.len() <= MAX_PART_LEN && part != ".." && part.chars().all(is_letter);
    !path.is_empty() && path.split('/').all(is_part)
}

/// A name that may hold anything, for a message.
fn shown(path: &str) -> String {
    path.chars().take(MAX_PART_LEN).flat_map(char::escape_debug).collect()
}

/// A reader that refuses to give more than `left` bytes.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(buffer)?;
        match self.left.checked_sub(len as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than a run may be once it is inflated")),
        }
        Ok(len)
    }
}
