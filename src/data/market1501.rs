//! Market-1501 and sets named like it: the class of an image is the person.
//!
//!   path/bounding_box_train/0002_c1s1_000451_03.jpg   person 2, camera 1
//!
//! Persons are numbered in the order of their numbers; −1 (junk) and 0 (distractors) are left out.
//! The people of `query/` and `bounding_box_test/` are others, for retrieval: they cannot test a
//! classifier. So a tenth of the training images, by their names, becomes the test images, but
//! never the last image of a person.
//! Source      Zheng et al. 2015, "Scalable Person Re-identification: A Benchmark".

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::files::{self, Half, ImageFile, Listing, entries};
use super::{Dataset, Request};
use crate::error::{Error, Result};

const KIND: &str = "market1501";
const TRAIN_FOLDER: &str = "bounding_box_train";
/// One training image in so many becomes a test image.
const TEST_SHARE: u64 = 10;
const LAYOUT: &str = "data.path is the folder with bounding_box_train/, of files like 0002_c1s1_000451_03.jpg";

/// The person of a file name `<person>_c<camera>…`; `None` for other names.
pub fn person(file_name: &str) -> Option<i64> {
    let (person, rest) = file_name.split_once('_')?;
    let camera = rest.strip_prefix('c')?;
    camera.starts_with(|symbol: char| symbol.is_ascii_digit()).then_some(())?;
    person.parse().ok()
}

/// The set in the folder `data.path`, or in its `bounding_box_train`.
pub fn open(request: &Request) -> Result<(Dataset, Dataset)> {
    let given = Path::new(&request.config.path);
    if request.config.path.is_empty() {
        return Err(Error::config("data.path is empty, and data.kind is \"market1501\"", LAYOUT));
    }
    let beneath = given.join(TRAIN_FOLDER);
    let path = if beneath.is_dir() { beneath.as_path() } else { given };
    if !path.is_dir() {
        let what = if path.exists() { "is not a folder" } else { "does not exist" };
        return Err(Error::data(path, what, LAYOUT));
    }
    let persons: BTreeSet<i64> = entries(path)?.iter().filter_map(|(name, _)| person(name)).filter(|person| *person > 0).collect();
    if persons.is_empty() {
        return Err(Error::data(path, "holds no file with a person and a camera in its name", LAYOUT));
    }
    let classes: BTreeMap<i64, u32> = persons.iter().copied().zip(0..).collect();
    let class_names: Vec<String> = persons.iter().map(|person| format!("{person:04}")).collect();
    let class_of = |name: &str| Some((*classes.get(&person(name)?)?, name.to_string()));
    let Listing { files, num_ignored } = files::list(path, class_of)?;
    let (train, test) = split(files);
    if test.is_empty() || train.is_empty() {
        let what = format!("{} images are too few to keep a tenth of them for testing", train.len() + test.len());
        return Err(Error::data(path, what, LAYOUT));
    }
    let half = |name, files| Half { kind: KIND, name, path, request }.dataset(class_names.clone(), Listing { files, num_ignored: 0 });
    let (mut train, test) = (half("train", train)?, half("test", test)?);
    if num_ignored > 0 {
        train.notes.push(format!("{}: {num_ignored} files show no person (junk, distractors, other files); left out", path.display()));
    }
    train.notes.push(format!("{} images of the same people are kept for testing: query/ and bounding_box_test/ show others", test.len()));
    Ok((train, test))
}

/// Training and test images; each person keeps a training image.
fn split(files: Vec<ImageFile>) -> (Vec<ImageFile>, Vec<ImageFile>) {
    let mut left: BTreeMap<u32, usize> = BTreeMap::new();
    for file in &files {
        *left.entry(file.class).or_default() += 1;
    }
    files.into_iter().partition(|file| {
        let left = left.get_mut(&file.class).expect("every class was counted");
        let is_test = file.name_hash.is_multiple_of(TEST_SHARE) && *left > 1;
        *left -= usize::from(is_test);
        !is_test
    })
}
