//! Packs: the images of a set made smaller once, in a few large files, for many epochs.
//!
//! `data.path/.vitrine-pack/index.json` names what was packed: the shorter side, and for each half
//! the hash of the files it was made of. A set whose files still have that hash, and whose model
//! needs no more pixels, reads its images from the pack; the hash of the set then names the pack
//! too, since its pixels are not quite those of the files.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::dataset::{Contents, ImageSource};
use super::files::Half;
use super::shard::{self, Record, Shard};
use super::{decode, hash_bytes, resize};
use crate::augment::crop::Picture;
use crate::error::{Error, Result};

/// The folder of a pack beneath `data.path`; hidden, so that it is no class.
pub const FOLDER: &str = ".vitrine-pack";
/// The file that makes a pack of a folder of shards; written last.
pub const INDEX: &str = "index.json";
/// The format that this version reads and writes.
pub const SCHEMA: u32 = 1;
/// Images a shard: some 20 MB of photographs.
pub const IMAGES_PER_SHARD: usize = 512;
/// Largest index that is read: that of 100 million images.
const MAX_INDEX_BYTES: u64 = 1 << 20;
const REPACK: &str = "run `vitrine data pack` again, or set data.pack=false";

/// How pixels are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Images that were scaled down as JPEG of quality 95, others as they are.
    Jpeg,
    /// Bytes of pixels.
    Raw,
}

/// The contents of `index.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The shorter side of larger images, pixels.
    pub side: usize,
    /// How pixels are kept.
    pub encoding: Encoding,
    /// Both halves.
    pub halves: Vec<PackedHalf>,
}

/// One half of a pack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedHalf {
    /// `train` or `test`.
    pub name: String,
    /// Of the files it was made of, as 16 hexadecimal digits.
    pub hash: String,
    /// Number of images.
    pub images: usize,
}

impl PackedHalf {
    /// Number of shards.
    pub fn num_shards(&self) -> usize {
        self.images.div_ceil(IMAGES_PER_SHARD)
    }

    /// What the shard `ix` of this half must be about.
    pub fn key(&self, ix: usize, side: usize, encoding: Encoding) -> u64 {
        let about = format!("{SCHEMA} {} {} {} {ix} {side} {encoding:?}", self.name, self.hash, self.images);
        hash_bytes(super::HASH_START, about.as_bytes())
    }

    /// The file of the shard `ix`.
    pub fn shard_path(&self, folder: &Path, ix: usize) -> PathBuf {
        folder.join(format!("{}-{ix:05}.shard", self.name))
    }
}

/// The hash of a set as packs write it.
pub fn hash_text(hash: u64) -> String {
    format!("{hash:016x}")
}

/// Reads the images of `contents` from the pack beside them, if there is one that fits; a note says
/// so, or why not.
///
/// Errors: a pack that is damaged.
pub fn put_in_place(half: &Half, contents: &mut Contents, names: Vec<PathBuf>) -> Result<()> {
    let folder = Path::new(&half.request.config.path).join(FOLDER);
    let path = folder.join(INDEX);
    if !path.is_file() {
        return Ok(());
    }
    let index = read_index(&path)?;
    let needed = resize::shorter_side(contents.origin, half.request.side);
    let fitting = index.halves.iter().find(|packed| packed.name == half.name && packed.hash == hash_text(contents.hash));
    let Some(packed) = fitting.filter(|packed| packed.images == contents.labels.len()) else {
        contents.notes.push(format!("{}: made of other files; the images are read themselves", folder.display()));
        return Ok(());
    };
    if index.side < needed {
        let what = format!("{}: shorter side {}, but {needed} are needed; the images are read themselves", folder.display(), index.side);
        contents.notes.push(what);
        return Ok(());
    }
    let open = |ix| Shard::open(&packed.shard_path(&folder, ix), packed.key(ix, index.side, index.encoding));
    let shards = (0..packed.num_shards()).map(open).collect::<Result<Vec<Shard>>>()?;
    if shards.iter().map(Shard::len).sum::<usize>() != packed.images {
        return Err(Error::data(&folder, "its shards hold another number of images than its index", REPACK));
    }
    contents.notes.push(format!("{} images are read from {} (shorter side {})", half.name, folder.display(), index.side));
    contents.hash = hash_bytes(contents.hash, &packed.key(0, index.side, index.encoding).to_le_bytes());
    contents.source = Box::new(PackedFiles { shards, names });
    Ok(())
}

/// Reads and checks an index.
pub fn read_index(path: &Path) -> Result<Index> {
    let bad = |what: String| Error::data(path, what, REPACK);
    let len = path.metadata().map_err(|e| bad(format!("cannot be read: {e}")))?.len();
    if len > MAX_INDEX_BYTES {
        return Err(bad(format!("holds {len} bytes, far too many for an index")));
    }
    let text = std::fs::read_to_string(path).map_err(|e| bad(format!("cannot be read: {e}")))?;
    let index: Index = serde_json::from_str(&text).map_err(|e| bad(format!("is not the index of a pack: {e}")))?;
    if index.schema != SCHEMA {
        return Err(bad(format!("has format {}, this version reads {SCHEMA}", index.schema)));
    }
    Ok(index)
}

/// Images in shards.
#[derive(Debug)]
struct PackedFiles {
    shards: Vec<Shard>,
    /// The files they were made of, for messages.
    names: Vec<PathBuf>,
}

impl ImageSource for PackedFiles {
    fn read(&self, ix: usize, out: &mut Picture) -> Result<()> {
        let bad = |what: String| Error::data(&self.names[ix], what, "replace or delete the file, then run `vitrine data pack` again");
        let shard = &self.shards[ix / IMAGES_PER_SHARD];
        *out = match shard.record(ix % IMAGES_PER_SHARD)? {
            Record::Encoded(bytes) => decode::bytes(&bytes).map_err(|what| bad(format!("cannot be decoded from the pack: {what}")))?,
            Record::Raw(picture) => picture,
            Record::Unreadable(what) => return Err(bad(format!("could not be read when it was packed: {what}"))),
        };
        Ok(())
    }

    fn is_costly(&self) -> bool {
        true
    }

    fn name(&self, ix: usize) -> String {
        self.names[ix].display().to_string()
    }
}

/// What a set packed at `side` takes, from the sizes of a few of its images; a guess within a factor of two.
pub fn estimated_bytes(sizes: &[(usize, usize)], num_images: usize, side: usize, encoding: Encoding) -> u64 {
    let pixels = |&(width, height): &(usize, usize)| {
        let share = (side as f64 / width.min(height).max(1) as f64).min(1.0);
        let pixels = (width * height) as f64 * share * share;
        // A photograph at quality 95 takes some 0.6 bytes a pixel.
        if share < 1.0 && encoding == Encoding::Jpeg { 0.6 * pixels } else { 3.0 * pixels }
    };
    let mean = sizes.iter().map(pixels).sum::<f64>() / sizes.len().max(1) as f64;
    shard::HEADER_LEN as u64 + (mean * num_images as f64) as u64
}
