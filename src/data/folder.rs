//! Class folders of JPEG, PNG and WebP files.
//!
//!   path/train/CLASS/*.jpg and path/val/CLASS/*.jpg (or test/)   the ImageNet layout
//!   path/CLASS/*.jpg                                             a tenth becomes the test images
//!
//! Classes are numbered in the order of their folders' names, images in the order of theirs.
//! Opening lists the files and looks at their first bytes; pixels are decoded when needed. Other
//! files are left out and counted, and so are folders inside class folders. Grey images become
//! RGB; alpha is dropped and EXIF rotation ignored, as torchvision does.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image::{ImageFormat, ImageReader, Limits};
use rayon::prelude::*;

use super::dataset::{Contents, Dataset, ImageSource};
use super::resize::Origin;
use super::{HASH_START, Request, hash_bytes};
use crate::augment::crop::Picture;
use crate::augment::normalise::ChannelStats;
use crate::error::{Error, Result};

const ENDINGS: [&str; 4] = ["jpg", "jpeg", "png", "webp"];
/// Names of the folder of test images, the first that exists: ImageNet's `test` has no labels.
const TEST_FOLDERS: [&str; 2] = ["val", "test"];
/// One image in so many is a test image where the folder does not say.
const TEST_SHARE: u64 = 10;
/// Larger images are refused before they are decoded, pixels a side.
const MAX_SIDE: u32 = 16_384;
/// Memory that one image may take while it is decoded.
const MAX_DECODE_BYTES: u64 = 512 << 20;
const LAYOUT: &str = "data.path is a folder with train/CLASS/… and val/CLASS/… (or test/), or with \
                      one folder a class, of JPEG, PNG or WebP files";

/// One image file.
#[derive(Clone, Debug)]
struct ImageFile {
    path: PathBuf,
    class: u32,
    /// Of class, name and size.
    hash: u64,
    /// Of class and name: decides which half it belongs to.
    name_hash: u64,
}

/// What one folder of class folders holds.
struct Listing {
    files: Vec<ImageFile>,
    num_ignored: usize,
}

/// The set in the folder `data.path`.
pub fn open(request: &Request) -> Result<(Dataset, Dataset)> {
    if request.config.path.is_empty() {
        return Err(Error::config("data.path is empty, and data.kind is \"folder\"", LAYOUT));
    }
    let path = Path::new(&request.config.path);
    if !path.is_dir() {
        let what = if path.exists() { "is not a folder" } else { "does not exist" };
        return Err(Error::data(path, what, LAYOUT));
    }
    let train_path = path.join("train");
    if !train_path.is_dir() {
        return open_single_level(path, request.side);
    }
    let test_path = TEST_FOLDERS.iter().map(|name| path.join(name)).find(|p| p.is_dir());
    let Some(test_path) = test_path else {
        let hint = "add one, or point data.path at train/ itself: a tenth of it is then kept for \
                    testing";
        return Err(Error::data(path, "has train/, but neither val/ nor test/", hint));
    };
    let class_names = class_names(&train_path)?;
    check_test_classes(&test_path, &class_names)?;
    let train = list(&train_path, &class_names)?;
    let test = list(&test_path, &class_names)?;
    Ok((dataset(&train_path, class_names.clone(), train, request.side), dataset(&test_path, class_names, test, request.side)))
}

/// A single level of class folders: the hash of an image's name decides its half, so that images
/// added later change nothing for the others.
fn open_single_level(path: &Path, side: usize) -> Result<(Dataset, Dataset)> {
    let class_names = class_names(path)?;
    let Listing { files, num_ignored } = list(path, &class_names)?;
    let (test, train): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.name_hash.is_multiple_of(TEST_SHARE));
    let in_train: BTreeSet<u32> = train.iter().map(|file| file.class).collect();
    let missing = (0..class_names.len() as u32).find(|class| !in_train.contains(class));
    if missing.is_some() || test.is_empty() {
        let what = format!("{} images are too few to keep a tenth of them for testing", train.len() + test.len());
        let hint = "add images, or sort them into train/CLASS/… and val/CLASS/…";
        return Err(Error::data(path, what, hint));
    }
    Ok((
        dataset(path, class_names.clone(), Listing { files: train, num_ignored }, side),
        dataset(path, class_names, Listing { files: test, num_ignored: 0 }, side),
    ))
}

fn dataset(path: &Path, class_names: Vec<String>, listing: Listing, side: usize) -> Dataset {
    let Listing { files, num_ignored } = listing;
    let mut notes = Vec::new();
    if num_ignored > 0 {
        let folder = path.display();
        notes.push(format!("{folder}: {num_ignored} files are not JPEG, PNG or WebP; left out"));
    }
    let contents = Contents {
        kind: "folder",
        path: path.to_path_buf(),
        class_names,
        labels: files.iter().map(|file| file.class).collect(),
        hash: files.iter().fold(HASH_START, |h, file| hash_bytes(h, &file.hash.to_le_bytes())),
        stats: ChannelStats::IMAGENET,
        origin: Origin::Photographs,
        source: Box::new(FolderImages { paths: files.into_iter().map(|f| f.path).collect() }),
        notes,
    };
    Dataset::new(contents, side)
}

/// Names and paths in a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let cannot = |e: std::io::Error| Error::data(folder, format!("cannot be listed: {e}"), "");
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        entries.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    entries.sort();
    Ok(entries)
}

/// The names of the class folders, sorted.
fn class_names(folder: &Path) -> Result<Vec<String>> {
    let names: Vec<String> =
        entries(folder)?.into_iter().filter(|(name, path)| path.is_dir() && !name.starts_with('.')).map(|(name, _)| name).collect();
    if names.is_empty() {
        return Err(Error::data(folder, "has no class folders", LAYOUT));
    }
    Ok(names)
}

fn check_test_classes(test_path: &Path, train_classes: &[String]) -> Result<()> {
    let known: BTreeSet<&String> = train_classes.iter().collect();
    match class_names(test_path)?.iter().find(|name| !known.contains(name)) {
        Some(name) => {
            let what = format!("class folder {name} has no counterpart in train/");
            Err(Error::data(test_path, what, "use the same class folders in both"))
        }
        None => Ok(()),
    }
}

/// The images of all classes, in order; a class without a folder here has none.
fn list(folder: &Path, class_names: &[String]) -> Result<Listing> {
    let per_class: Vec<Result<Listing>> = class_names
        .par_iter()
        .enumerate()
        .filter(|(_, name)| folder.join(name).is_dir())
        .map(|(class, name)| list_class(&folder.join(name), name, class as u32))
        .collect();
    let mut all = Listing { files: Vec::new(), num_ignored: 0 };
    for listing in per_class {
        let listing = listing?;
        all.files.extend(listing.files);
        all.num_ignored += listing.num_ignored;
    }
    Ok(all)
}

fn list_class(folder: &Path, name: &str, class: u32) -> Result<Listing> {
    let entries = entries(folder)?;
    let num_entries = entries.len();
    let files = entries
        .into_par_iter()
        .filter(|(_, path)| has_image_ending(path) && path.is_file())
        .map(|(file_name, path)| inspect(path, &format!("{name}/{file_name}"), class))
        .collect::<Result<Vec<ImageFile>>>()?;
    if files.is_empty() {
        let hint = "add JPEG, PNG or WebP files, or delete the folder";
        return Err(Error::data(folder, "class folder without images", hint));
    }
    Ok(Listing { num_ignored: num_entries - files.len(), files })
}

fn has_image_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    ENDINGS.contains(&ending.to_ascii_lowercase().as_str())
}

/// The file as part of the set, if its first bytes are those of an image.
fn inspect(path: PathBuf, name: &str, class: u32) -> Result<ImageFile> {
    let mut start = Vec::new();
    let read = fs::File::open(&path).and_then(|file| {
        let len = file.metadata()?.len();
        file.take(32).read_to_end(&mut start)?;
        Ok(len)
    });
    let len = read.map_err(|e| Error::data(&path, format!("cannot be read: {e}"), ""))?;
    let format = image::guess_format(&start).ok();
    if !matches!(format, Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) {
        let what = if len == 0 { "is empty" } else { "is not a JPEG, PNG or WebP image" };
        return Err(Error::data(&path, what, "replace or delete the file"));
    }
    let name_hash = hash_bytes(HASH_START, name.as_bytes());
    Ok(ImageFile { path, class, hash: hash_bytes(name_hash, &len.to_le_bytes()), name_hash })
}

/// Image files, decoded at each read.
struct FolderImages {
    paths: Vec<PathBuf>,
}

impl ImageSource for FolderImages {
    fn read(&self, ix: usize, out: &mut Picture) -> Result<()> {
        let path = &self.paths[ix];
        // A decoder that panics on a damaged file counts as one that says so.
        let decoded = catch_unwind(AssertUnwindSafe(|| decode(path))).unwrap_or_else(|_| Err("the decoder gave up".to_string()));
        *out = decoded.map_err(|what| Error::data(path, format!("cannot be decoded: {what}"), "replace or delete the file"))?;
        Ok(())
    }

    fn is_costly(&self) -> bool {
        true
    }
}

fn decode(path: &Path) -> Result<Picture, String> {
    let bytes = fs::read(path).map_err(|e| e.to_string())?;
    let mut reader = ImageReader::new(std::io::Cursor::new(&bytes)).with_guessed_format().map_err(|e| e.to_string())?;
    if reader.format() == Some(ImageFormat::Jpeg) && !has_jpeg_end(&bytes) {
        return Err(format!("the JPEG is cut off after {} bytes", bytes.len()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    reader.limits(limits);
    let rgb = reader.decode().map_err(|e| e.to_string())?.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    Ok(Picture { width, height, rgb: rgb.into_raw() })
}

/// Whether the end-of-image marker stands near the end; the decoder fills what is missing with
/// grey and says nothing. Cameras append data of their own, and a preview at the front has an end
/// marker too, so the last half of the file is searched.
fn has_jpeg_end(bytes: &[u8]) -> bool {
    bytes[bytes.len() / 2..].windows(2).rev().any(|pair| pair == [0xFF, 0xD9])
}
