//! Image sets and the loader that turns them into batches.
//!
//! [`open`] reads a set by its kind and gives a [`Split`]; a [`loader::Loader`] makes batches of
//! it, as a pure function of the step; a [`prefetch::Prefetch`] makes them ahead of need on
//! threads. A new kind of set is one file and one line in [`KINDS`].

/// Memory of decoded images, bounded.
pub mod cache;
/// CIFAR-10 and CIFAR-100 in their binary form.
pub mod cifar;
/// One half of an image set: labels, names, images.
pub mod dataset;
/// One image file to pixels.
pub mod decode;
/// Image files in folders.
pub mod files;
/// The image set that needs no files.
pub mod embedded;
/// Class folders of JPEG, PNG and WebP files.
pub mod folder;
/// MNIST and Fashion-MNIST in their IDX form, and the embedded set.
pub mod idx;
/// Batches as a pure function of the step.
pub mod loader;
/// Market-1501: the class is the person.
pub mod market1501;
/// Which images come when.
pub mod order;
/// Sets made smaller once, for many epochs.
pub mod pack;
/// Making a pack.
#[cfg(feature = "formats")]
pub mod packer;
/// Batches made ahead of need, on threads.
pub mod prefetch;
/// What is wrong with a set.
pub mod problems;
/// Synthetic images for benchmarks.
pub mod random;
/// Images of any size to the size the model wants.
pub mod resize;
/// One file of a pack.
pub mod shard;
/// Class-balanced, nested subsets.
pub mod subset;

use std::sync::Arc;

use crate::config::experiment::{DataConfig, ModelConfig};
use crate::error::{Error, Result};
pub use dataset::Dataset;

/// What a reader is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The section `[data]`.
    pub config: &'a DataConfig,
    /// Side of the model's input, pixels.
    pub side: usize,
    /// Classes of the model.
    pub num_classes: usize,
    /// Whether files that are no images are what is looked for: then no number of them is refused.
    pub takes_damaged: bool,
}

/// Reads the set of one kind.
pub type Reader = fn(&Request) -> Result<(Dataset, Dataset)>;

/// Every kind of set: its name in `data.kind`, and its reader.
pub const KINDS: &[(&str, Reader)] = &[
    ("fashion-mnist", idx::open_fashion_mnist),
    ("mnist", idx::open_mnist),
    ("cifar10", cifar::open_cifar10),
    ("cifar100", cifar::open_cifar100),
    ("folder", folder::open),
    ("market1501", market1501::open),
    ("random", random::open),
];

/// An image set: what is trained on and what is tested on.
#[derive(Clone, Debug)]
pub struct Split {
    /// Training images, after `data.fraction`.
    pub train: Arc<Dataset>,
    /// Test images.
    pub test: Arc<Dataset>,
}

impl Split {
    /// The content of the whole set (before `data.fraction`) as 16 hexadecimal digits.
    pub fn hash(&self) -> String {
        format!("{:016x}", self.train.hash ^ self.test.hash.rotate_left(1))
    }
}

/// Opens the set that `data` names, for a model as in `model`.
///
/// Errors: an unknown kind, a fraction outside (0, 1], files that are missing or corrupt, or a
/// number of classes other than the model's.
pub fn open(data: &DataConfig, model: &ModelConfig) -> Result<Split> {
    subset::check_fraction(data.fraction)?;
    let request = Request { config: data, side: model.image_size, num_classes: model.num_classes, takes_damaged: false };
    let (mut train, test) = read_halves(&request)?;
    check_classes(&train, model.num_classes)?;
    if data.fraction < 1.0 {
        train = train.subset(data.fraction);
    }
    Ok(Split { train: Arc::new(train), test: Arc::new(test) })
}

/// Opens all of the set that `data` names, for squares of `side`, to look for damage or to pack it: however many
/// files are no images. `num_classes` counts for synthetic images alone.
///
/// Errors: an unknown kind, files that are missing or corrupt.
pub fn open_whole(data: &DataConfig, side: usize, num_classes: usize) -> Result<Split> {
    let (train, test) = read_halves(&Request { config: data, side, num_classes, takes_damaged: true })?;
    Ok(Split { train: Arc::new(train), test: Arc::new(test) })
}

fn read_halves(request: &Request) -> Result<(Dataset, Dataset)> {
    let asked = &request.config.kind;
    let (_, read) = KINDS.iter().find(|(kind, _)| kind == asked).ok_or_else(|| unknown_kind(asked))?;
    read(request)
}

fn check_classes(train: &Dataset, num_classes: usize) -> Result<()> {
    let found = train.num_classes();
    if found == num_classes {
        return Ok(());
    }
    if found < 2 {
        let what = format!("holds one class, {}; a classifier needs at least two class folders", train.class_names.join(""));
        return Err(Error::data(&train.path, what, "add the images of another class in a folder of their own"));
    }
    let set = if train.path.as_os_str().is_empty() { train.kind.to_string() } else { train.path.display().to_string() };
    let what = format!("model.num_classes = {num_classes}, but {set} has {found}");
    Err(Error::config(what, format!("set model.num_classes = {found}")))
}

fn unknown_kind(kind: &str) -> Error {
    let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
    let nearest = names.iter().max_by(|a, b| strsim::jaro(a, kind).total_cmp(&strsim::jaro(b, kind))).expect("KINDS is not empty");
    Error::config(format!("data.kind = \"{kind}\" is not known"), format!("did you mean \"{nearest}\"? All kinds: {}", names.join(", ")))
}

/// FNV-1a over `bytes`, going on from `hash`; start with [`HASH_START`].
pub fn hash_bytes(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

/// The offset basis of FNV-1a.
pub const HASH_START: u64 = 0xCBF2_9CE4_8422_2325;
