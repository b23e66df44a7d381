//! Making a pack (see [`super::pack`]): shard by shard, each written as a whole.
//!
//! Killed in the middle, the next call keeps the shards that are complete and of the same files.

use std::path::{Path, PathBuf};

use crate::platform::parallel::*;
use image::codecs::jpeg::JpegEncoder;

use super::pack::{self, Encoding, IMAGES_PER_SHARD, INDEX, Index, PackedHalf, SCHEMA};
use super::resize;
use super::shard::{self, Record, Shard};
use super::{Dataset, Split};
use crate::augment::crop::Picture;
use crate::error::{Error, Result};
use crate::platform;

/// Of scaled images: no loss that shows after they are scaled once more.
const JPEG_QUALITY: u8 = 95;
/// Images looked at to tell how much room a pack takes.
const SAMPLES: usize = 16;

/// How a pack is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The shorter side of larger images, pixels.
    pub side: usize,
    /// How pixels are kept.
    pub encoding: Encoding,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Where it is.
    pub folder: PathBuf,
    /// Images of both halves.
    pub images: usize,
    /// Shards of both halves, and how many of them were there already.
    pub shards: usize,
    /// See [`Packed::shards`].
    pub kept_shards: usize,
    /// What it takes on disk.
    pub bytes: u64,
    /// One message for each image that could not be read.
    pub unreadable: Vec<String>,
}

/// Packs both halves of the set at `data_path`, which must have been opened without a pack. `report`
/// is told (shards done, shards in all) after each.
///
/// Errors: a set that is in memory anyway, more than 1 % unreadable images, a full disk.
pub fn pack(split: &Split, data_path: &Path, recipe: Recipe, report: &mut dyn FnMut(usize, usize)) -> Result<Packed> {
    if !split.train.is_costly() {
        let what = format!("{} is read into memory as a whole; a pack would gain nothing", split.train.kind);
        return Err(Error::config(what, "pack class folders or other sets of image files"));
    }
    let folder = data_path.join(pack::FOLDER);
    std::fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, "make the folder", source))?;
    let halves = [("train", &split.train), ("test", &split.test)].map(|(name, dataset)| {
        let half = PackedHalf { name: name.to_string(), hash: pack::hash_text(dataset.hash), images: dataset.len() };
        (half, dataset)
    });
    let mut packed = Packed { folder: folder.clone(), ..Packed::default() };
    let num_shards = halves.iter().map(|(half, _)| half.num_shards()).sum();
    for (half, dataset) in &halves {
        for ix in 0..half.num_shards() {
            let (path, key) = (half.shard_path(&folder, ix), half.key(ix, recipe.side, recipe.encoding));
            if Shard::open(&path, key).is_ok() {
                packed.kept_shards += 1;
            } else {
                shard::write(&path, key, &records(dataset, ix, recipe)?)?;
            }
            packed.shards += 1;
            packed.bytes += path.metadata().map_or(0, |file| file.len());
            report(packed.shards, num_shards);
        }
        packed.images += half.images;
        packed.unreadable.extend(dataset.unreadable());
    }
    let index = Index { schema: SCHEMA, side: recipe.side, encoding: recipe.encoding, halves: halves.map(|(half, _)| half).to_vec() };
    let text = serde_json::to_string_pretty(&index).expect("an index is plain data");
    platform::write_atomically(&folder.join(INDEX), text.as_bytes())?;
    Ok(packed)
}

/// About what the pack will take on disk.
pub fn estimated_bytes(split: &Split, recipe: Recipe) -> u64 {
    [&split.train, &split.test].iter().fold(0, |sum, dataset| {
        let stride = (dataset.len() / SAMPLES).max(1);
        let mut picture = Picture::default();
        let size = |ix| dataset.image(ix, &mut picture).ok().map(|()| (picture.width, picture.height));
        let sizes: Vec<(usize, usize)> = (0..dataset.len()).step_by(stride).take(SAMPLES).filter_map(size).collect();
        sum + pack::estimated_bytes(&sizes, dataset.len(), recipe.side, recipe.encoding)
    })
}

fn records(dataset: &Dataset, shard: usize, recipe: Recipe) -> Result<Vec<Record>> {
    let first = shard * IMAGES_PER_SHARD;
    let last = (first + IMAGES_PER_SHARD).min(dataset.len());
    (first..last).into_par_iter().map(|ix| record(dataset, ix, recipe)).collect()
}

fn record(dataset: &Dataset, ix: usize, recipe: Recipe) -> Result<Record> {
    let mut picture = Picture::default();
    if let Err(error) = dataset.image(ix, &mut picture) {
        dataset.note_unreadable(ix, &error)?;
        return Ok(Record::Unreadable(error.to_string()));
    }
    if picture.width.min(picture.height) <= recipe.side {
        return Ok(Record::Raw(picture));
    }
    let scaled = resize::to_shorter_side(&picture, recipe.side);
    if recipe.encoding == Encoding::Raw {
        return Ok(Record::Raw(scaled));
    }
    let mut bytes = Vec::new();
    let encoded = JpegEncoder::new_with_quality(&mut bytes, JPEG_QUALITY).encode(
        &scaled.rgb,
        scaled.width as u32,
        scaled.height as u32,
        image::ExtendedColorType::Rgb8,
    );
    match encoded {
        Ok(()) => Ok(Record::Encoded(bytes)),
        // Larger sides than JPEG can hold.
        Err(_) => Ok(Record::Raw(scaled)),
    }
}
