//! MNIST and Fashion-MNIST in their IDX form, gzip or plain, and the embedded subset.
//!
//!   magic 00 00 08 R, then R sizes (u32, big endian), then that many bytes
//!
//! Gzip is told by its first bytes, not by the file name. No size of a header is believed before
//! it has been held against the length of the file.
//! Source: LeCun, Cortes & Burges, "The MNIST database"; Xiao et al. 2017, arXiv:1708.07747.

use std::fs::File;
use std::io::{BufReader, Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::dataset::{Contents, Dataset, PackedImages};
use super::resize::Origin;
use super::{HASH_START, Request, embedded, hash_bytes};
use crate::augment::normalise::ChannelStats;
use crate::error::{Error, Result};

/// The file names of one half, without endings.
const HALVES: [&str; 2] = ["train", "t10k"];
/// Where torchvision keeps the files beneath the folder a user knows.
const SUBFOLDERS: [&str; 4] = ["", "raw", "FashionMNIST/raw", "MNIST/raw"];
/// Deflate cannot make more bytes of one.
const MAX_GZIP_RATIO: u64 = 1032;
/// Magic byte of unsigned bytes.
const TYPE_U8: u8 = 0x08;
const GET_FILES: &str = "get the original files again";

const FASHION_CLASSES: [&str; 10] =
    ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// What all sets of one kind share.
struct Kind {
    name: &'static str,
    class_names: [&'static str; 10],
    stats: ChannelStats,
}

/// Fashion-MNIST from `data.path`, or the embedded subset where that is empty.
pub fn open_fashion_mnist(request: &Request) -> Result<(Dataset, Dataset)> {
    let stats = ChannelStats::grey(0.2860, 0.3530);
    let kind = Kind { name: "fashion-mnist", class_names: FASHION_CLASSES, stats };
    if !request.config.path.is_empty() {
        return open_folder(&kind, request);
    }
    let [train, test] = embedded::FILES.map(|files| {
        let [images, labels] = files.map(|name| {
            let bytes = embedded::read(name)?;
            Ok((PathBuf::from(format!("(embedded) {name}")), bytes.len() as u64, Cursor::new(bytes)))
        });
        half(&kind, images?, labels?, request.side)
    });
    Ok((train?, test?))
}

/// MNIST from `data.path`.
pub fn open_mnist(request: &Request) -> Result<(Dataset, Dataset)> {
    if request.config.path.is_empty() {
        let what = "data.path is empty, and mnist is not embedded";
        let hint = "set data.path (or --data-path) to the folder with its four IDX files, or use \
                    data.kind = \"fashion-mnist\"";
        return Err(Error::config(what, hint));
    }
    let kind = Kind { name: "mnist", class_names: DIGITS, stats: ChannelStats::grey(0.1307, 0.3081) };
    open_folder(&kind, request)
}

fn open_folder(kind: &Kind, request: &Request) -> Result<(Dataset, Dataset)> {
    let folder = Path::new(&request.config.path);
    let [train, test] = HALVES.map(|name| {
        let images = find(folder, &format!("{name}-images"), "idx3-ubyte")?;
        let labels = find(folder, &format!("{name}-labels"), "idx1-ubyte")?;
        half(kind, open_file(images)?, open_file(labels)?, request.side)
    });
    Ok((train?, test?))
}

/// The path of a file, its length and its reader.
type Opened<R> = (PathBuf, u64, R);

fn open_file(path: PathBuf) -> Result<Opened<BufReader<File>>> {
    let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
    match opened {
        Ok((len, file)) => Ok((path, len, BufReader::new(file))),
        Err(e) => Err(Error::data(&path, format!("cannot be opened: {e}"), "")),
    }
}

/// The file `stem-ending` (or `stem.ending`), plain or `.gz`, in `folder`.
fn find(folder: &Path, stem: &str, ending: &str) -> Result<PathBuf> {
    if !folder.is_dir() {
        let what = if folder.exists() { "is not a folder" } else { "does not exist" };
        return Err(Error::data(folder, what, "data.path is the folder with the four IDX files"));
    }
    for subfolder in SUBFOLDERS {
        for name in ["-", "."].map(|joint| format!("{stem}{joint}{ending}")) {
            for path in [&name, &format!("{name}.gz")].map(|n| folder.join(subfolder).join(n)) {
                if path.is_file() {
                    return Ok(path);
                }
            }
        }
    }
    let what = format!("has neither {stem}-{ending} nor {stem}-{ending}.gz");
    let hint = "data.path is the folder with all four IDX files (images and labels of train and \
                t10k)";
    Err(Error::data(folder, what, hint))
}

fn half<R: Read>(kind: &Kind, images: Opened<R>, labels: Opened<R>, side: usize) -> Result<Dataset> {
    let (images_path, labels_path) = (images.0.clone(), labels.0.clone());
    let images = read(images, 3)?;
    let labels = read(labels, 1)?;
    let (num_images, num_labels) = (images.sizes[0], labels.sizes[0]);
    if num_images != num_labels {
        let what = format!("{num_labels} labels for {num_images} images in {}", images_path.display());
        return Err(Error::data(&labels_path, what, "take both files from the same set"));
    }
    if images.bytes.is_empty() {
        return Err(Error::data(&images_path, "holds no pixels", GET_FILES));
    }
    let num_classes = kind.class_names.len();
    if let Some(ix) = labels.bytes.iter().position(|&l| usize::from(l) >= num_classes) {
        let what = format!("label {} of image {ix} is out of range: {} has classes 0..={}", labels.bytes[ix], kind.name, num_classes - 1);
        return Err(Error::data(&labels_path, what, GET_FILES));
    }
    let contents = Contents {
        kind: kind.name,
        path: images_path,
        class_names: kind.class_names.map(String::from).to_vec(),
        hash: hash_bytes(hash_bytes(HASH_START, &images.bytes), &labels.bytes),
        labels: labels.bytes.into_iter().map(u32::from).collect(),
        stats: kind.stats,
        origin: Origin::Uniform,
        source: Box::new(PackedImages { width: images.sizes[2], height: images.sizes[1], channels: 1, bytes: images.bytes }),
        notes: Vec::new(),
    };
    Ok(Dataset::new(contents, side))
}

/// The content of one IDX file of unsigned bytes.
#[derive(Debug)]
struct Idx {
    sizes: Vec<usize>,
    bytes: Vec<u8>,
}

/// Reads an IDX file with `rank` sizes, unpacking it if it is gzip.
fn read<R: Read>((path, file_len, mut reader): Opened<R>, rank: usize) -> Result<Idx> {
    let mut start = Vec::new();
    reader.by_ref().take(2).read_to_end(&mut start).map_err(|e| unreadable(&path, 0, &e))?;
    let is_gzip = start == [0x1F, 0x8B];
    let whole = Cursor::new(start).chain(reader);
    if is_gzip {
        read_plain(&path, MultiGzDecoder::new(whole), file_len * MAX_GZIP_RATIO, rank)
    } else {
        read_plain(&path, whole, file_len, rank)
    }
}

/// Reads an unpacked IDX stream that cannot be longer than `max_len` bytes.
fn read_plain(path: &Path, mut reader: impl Read, max_len: u64, rank: usize) -> Result<Idx> {
    let header_len = 4 + 4 * rank as u64;
    let (header, _) = read_up_to(path, &mut reader, header_len, 0)?;
    let magic = [0, 0, TYPE_U8, rank as u8];
    if !header.starts_with(&magic) {
        let found = &header[..header.len().min(4)];
        let what = format!("starts with {found:02x?}, not with the IDX magic {magic:02x?}");
        let content = if rank == 3 { "images" } else { "labels" };
        return Err(Error::data(path, what, format!("this must be the IDX file of the {content}")));
    }
    if (header.len() as u64) < header_len {
        let what = format!("ends after {} of the {header_len} bytes of its header", header.len());
        return Err(Error::data(path, what, GET_FILES));
    }
    let sizes: Vec<u64> =
        header[4..].chunks_exact(4).map(|size| u64::from(u32::from_be_bytes(size.try_into().expect("4 bytes a size")))).collect();
    let wanted = sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
    let Some(wanted) = wanted.filter(|&w| w <= max_len) else {
        let what = format!("its header claims {sizes:?} bytes, more than the file can hold");
        return Err(Error::data(path, what, GET_FILES));
    };
    // One byte more than wanted shows a file that is too long.
    let (bytes, is_cut_off) = read_up_to(path, &mut reader, wanted + 1, header_len)?;
    let found = bytes.len() as u64;
    if found > wanted {
        let what = format!("goes on after the {wanted} bytes of data that its header claims");
        return Err(Error::data(path, what, GET_FILES));
    }
    if found < wanted || is_cut_off {
        let what = format!("is cut off after {found} of the {wanted} bytes that its header claims");
        return Err(Error::data(path, what, GET_FILES));
    }
    Ok(Idx { sizes: sizes.into_iter().map(|size| size as usize).collect(), bytes })
}

/// Reads `len` bytes, or fewer where the stream ends, and tells whether a gzip stream was cut off;
/// `offset` is where the reader stands.
fn read_up_to(path: &Path, reader: &mut impl Read, len: u64, offset: u64) -> Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    match reader.take(len).read_to_end(&mut bytes) {
        Ok(_) => Ok((bytes, false)),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok((bytes, true)),
        Err(e) => Err(unreadable(path, offset + bytes.len() as u64, &e)),
    }
}

fn unreadable(path: &Path, offset: u64, error: &std::io::Error) -> Error {
    Error::data(path, format!("is corrupt after {offset} unpacked bytes: {error}"), GET_FILES)
}
