//! CIFAR-10 and CIFAR-100 in their binary form.
//!
//!   CIFAR-10   label, then 3072 bytes: 1024 red, 1024 green, 1024 blue, rows of 32
//!   CIFAR-100  coarse label, fine label, then the same 3072 bytes
//!
//! Source: Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images".

use std::path::{Path, PathBuf};

use super::dataset::{Contents, Dataset, PackedImages};
use super::resize::Origin;
use super::{HASH_START, Request, hash_bytes};
use crate::augment::normalise::ChannelStats;
use crate::error::{Error, Result};

const SIDE: usize = 32;
const PLANE_LEN: usize = SIDE * SIDE;
const GET_FILES: &str = "get the binary version of the set again";

const CIFAR10_CLASSES: &str = "airplane automobile bird cat deer dog frog horse ship truck";
const CIFAR100_CLASSES: &str = "apple aquarium_fish baby bear beaver bed bee beetle bicycle \
    bottle bowl boy bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee \
    clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish forest fox \
    girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man \
    maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear \
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose \
    sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower \
    sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe \
    whale willow_tree wolf woman worm";

/// How one of the two sets is laid out.
struct Layout {
    kind: &'static str,
    subfolder: &'static str,
    train_files: &'static [&'static str],
    test_file: &'static str,
    /// Bytes before the pixels; the last of them is the label.
    label_bytes: usize,
    class_names: &'static str,
    stats: ChannelStats,
}

const CIFAR10: Layout = Layout {
    kind: "cifar10",
    subfolder: "cifar-10-batches-bin",
    train_files: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test_file: "test_batch.bin",
    label_bytes: 1,
    class_names: CIFAR10_CLASSES,
    stats: ChannelStats { mean: [0.4914, 0.4822, 0.4465], std: [0.2470, 0.2435, 0.2616] },
};

const CIFAR100: Layout = Layout {
    kind: "cifar100",
    subfolder: "cifar-100-binary",
    train_files: &["train.bin"],
    test_file: "test.bin",
    label_bytes: 2,
    class_names: CIFAR100_CLASSES,
    stats: ChannelStats { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
};

/// CIFAR-10 from the folder `data.path`, or `cifar-10-batches-bin` beneath it.
pub fn open_cifar10(request: &Request) -> Result<(Dataset, Dataset)> {
    open(&CIFAR10, request)
}

/// CIFAR-100, fine labels, from the folder `data.path`, or `cifar-100-binary` beneath it.
pub fn open_cifar100(request: &Request) -> Result<(Dataset, Dataset)> {
    open(&CIFAR100, request)
}

fn open(layout: &Layout, request: &Request) -> Result<(Dataset, Dataset)> {
    let files = format!("{} … {}", layout.train_files[0], layout.test_file);
    if request.config.path.is_empty() {
        let what = format!("data.path is empty, and {} is not embedded", layout.kind);
        let hint = format!("set data.path (or --data-path) to the folder with {files}");
        return Err(Error::config(what, hint));
    }
    let given = Path::new(&request.config.path);
    let beneath = given.join(layout.subfolder);
    let folder = if beneath.is_dir() { beneath } else { given.to_path_buf() };
    if !folder.is_dir() {
        let what = if folder.exists() { "is not a folder" } else { "does not exist" };
        return Err(Error::data(&folder, what, format!("data.path is the folder with {files}")));
    }
    let train = half(layout, &folder, layout.train_files, request.side)?;
    let test = half(layout, &folder, &[layout.test_file], request.side)?;
    Ok((train, test))
}

fn half(layout: &Layout, folder: &Path, files: &[&str], side: usize) -> Result<Dataset> {
    let class_names: Vec<String> = layout.class_names.split(' ').map(String::from).collect();
    let (mut labels, mut bytes, mut hash) = (Vec::new(), Vec::new(), HASH_START);
    for name in files {
        let path = folder.join(name);
        let records = std::fs::read(&path).map_err(|e| cannot_read(&path, &e))?;
        hash = hash_bytes(hash, &records);
        unpack(layout, &path, &records, class_names.len(), &mut labels, &mut bytes)?;
    }
    let contents = Contents {
        kind: layout.kind,
        path: PathBuf::from(folder),
        class_names,
        labels,
        hash,
        stats: layout.stats,
        origin: Origin::Uniform,
        source: Box::new(PackedImages { width: SIDE, height: SIDE, channels: 3, bytes }),
        notes: Vec::new(),
    };
    Ok(Dataset::new(contents, side))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return Error::data(path, "is missing", "data.path is the folder with all binary files");
    }
    Error::data(path, format!("cannot be read: {error}"), "")
}

/// Appends the labels and the interleaved pixels of all `records`.
fn unpack(layout: &Layout, path: &Path, records: &[u8], num_classes: usize, labels: &mut Vec<u32>, bytes: &mut Vec<u8>) -> Result<()> {
    let record_len = layout.label_bytes + 3 * PLANE_LEN;
    if records.is_empty() || !records.len().is_multiple_of(record_len) {
        let what = format!("holds {} bytes, which is not a whole number of {record_len}-byte records", records.len());
        return Err(Error::data(path, what, GET_FILES));
    }
    bytes.reserve(records.len() / record_len * 3 * PLANE_LEN);
    for (ix, record) in records.chunks_exact(record_len).enumerate() {
        let (head, planes) = record.split_at(layout.label_bytes);
        let label = u32::from(head[layout.label_bytes - 1]);
        if label as usize >= num_classes {
            let what = format!("label {label} of record {ix} is out of range: {} has classes 0..={}", layout.kind, num_classes - 1);
            return Err(Error::data(path, what, GET_FILES));
        }
        labels.push(label);
        bytes.extend((0..PLANE_LEN).flat_map(|pixel| [planes[pixel], planes[PLANE_LEN + pixel], planes[2 * PLANE_LEN + pixel]]));
    }
    Ok(())
}
