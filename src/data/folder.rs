//! Class folders of JPEG, PNG and WebP files.
//!
//!   path/train/CLASS/*.jpg and path/val/CLASS/*.jpg (or test/)   the ImageNet layout
//!   path/CLASS/*.jpg                                             a tenth becomes the test images
//!
//! Classes are numbered in the order of their folders' names, images in the order of theirs. Other
//! files are left out and counted, and so are folders inside class folders.

use std::collections::BTreeSet;
use std::path::Path;

use crate::platform::files::{is_dir, is_file};
use crate::platform::parallel::*;

use super::files::{self, Half, Listing, entries};
use super::{Dataset, Request};
use crate::error::{Error, Result};

const KIND: &str = "folder";
/// Names of the folder of test images, the first that exists: ImageNet's `test` has no labels.
const TEST_FOLDERS: [&str; 2] = ["val", "test"];
/// One image in so many is a test image where the folder does not say.
const TEST_SHARE: u64 = 10;
const LAYOUT: &str = "data.path is a folder with train/CLASS/… and val/CLASS/… (or test/), or with \
                      one folder a class, of JPEG, PNG or WebP files";

/// The set in the folder `data.path`.
pub fn open(request: &Request) -> Result<(Dataset, Dataset)> {
    if request.config.path.is_empty() {
        return Err(Error::config("data.path is empty, and data.kind is \"folder\"", LAYOUT));
    }
    let path = Path::new(&request.config.path);
    check_is_dir(path)?;
    let train_path = path.join("train");
    if !is_dir(&train_path) {
        return open_single_level(path, request);
    }
    let test_path = TEST_FOLDERS.iter().map(|name| path.join(name)).find(|p| is_dir(p));
    let Some(test_path) = test_path else {
        let hint = "add one, or point data.path at train/ itself: a tenth of it is then kept for \
                    testing";
        return Err(Error::data(path, "has train/, but neither val/ nor test/", hint));
    };
    let class_names = class_names(&train_path)?;
    check_test_classes(&test_path, &class_names)?;
    let train = list(&train_path, &class_names)?;
    let test = list(&test_path, &class_names)?;
    let half = |name, path| Half { kind: KIND, name, path, request };
    Ok((half("train", &train_path).dataset(class_names.clone(), train)?, half("test", &test_path).dataset(class_names, test)?))
}

/// How many classes the set in a folder has.
///
/// Errors: there is no such folder, or it has no class folders.
pub fn count_classes(path: &Path) -> Result<usize> {
    check_is_dir(path)?;
    let train_path = path.join("train");
    Ok(class_names(if is_dir(&train_path) { &train_path } else { path })?.len())
}

fn check_is_dir(path: &Path) -> Result<()> {
    if is_dir(path) {
        return Ok(());
    }
    Err(Error::data(path, if is_file(path) { "is not a folder" } else { "does not exist" }, LAYOUT))
}

/// A single level of class folders: the hash of an image's name decides its half, so that images
/// added later change nothing for the others.
fn open_single_level(path: &Path, request: &Request) -> Result<(Dataset, Dataset)> {
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
    let half =
        |name, files, num_ignored| Half { kind: KIND, name, path, request }.dataset(class_names.clone(), Listing { files, num_ignored });
    Ok((half("train", train, num_ignored)?, half("test", test, 0)?))
}

/// The names of the class folders, sorted.
fn class_names(folder: &Path) -> Result<Vec<String>> {
    let names: Vec<String> =
        entries(folder)?.into_iter().filter(|(name, path)| is_dir(path) && !name.starts_with('.')).map(|(name, _)| name).collect();
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
        .filter(|(_, name)| is_dir(&folder.join(name)))
        .map(|(class, name)| list_class(&folder.join(name), name, class as u32))
        .collect();
    let mut all = Listing::default();
    for listing in per_class {
        let listing = listing?;
        all.files.extend(listing.files);
        all.num_ignored += listing.num_ignored;
    }
    Ok(all)
}

fn list_class(folder: &Path, name: &str, class: u32) -> Result<Listing> {
    let listing = files::list(folder, |file_name| Some((class, format!("{name}/{file_name}"))))?;
    if listing.files.is_empty() {
        let hint = "add JPEG, PNG or WebP files, or delete the folder";
        return Err(Error::data(folder, "class folder without images", hint));
    }
    Ok(listing)
}
