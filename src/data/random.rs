//! Synthetic images for benchmarks: uniform noise of the model's size, any number of classes.

use std::path::PathBuf;

use super::dataset::{Contents, Dataset, ImageSource};
use super::resize::Origin;
use super::{HASH_START, Request, hash_bytes};
use crate::augment::crop::Picture;
use crate::augment::normalise::ChannelStats;
use crate::error::Result;
use crate::rng::{Stream, words};

/// Training images: more than any batch of a benchmark.
const TRAIN_IMAGES: usize = 8192;
/// Test images.
const TEST_IMAGES: usize = 1024;
/// The noise belongs to the set, not to the run.
const NOISE_SEED: u64 = 0;

/// Image `first + ix` is noise of its own; the same at each read.
struct Noise {
    side: usize,
    first: usize,
}

impl ImageSource for Noise {
    fn read(&self, ix: usize, out: &mut Picture) -> Result<()> {
        let len = self.side * self.side * 3;
        (out.width, out.height) = (self.side, self.side);
        out.rgb.clear();
        let step = (self.first + ix) as u32;
        for index in 0..len.div_ceil(16) as u32 {
            let words = words(NOISE_SEED, Stream::Synthetic as u32, step, index);
            out.rgb.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
        out.rgb.truncate(len);
        Ok(())
    }

    fn is_costly(&self) -> bool {
        false
    }
}

/// The synthetic set for the model in `request`.
pub fn open(request: &Request) -> Result<(Dataset, Dataset)> {
    let num_classes = request.num_classes.max(1);
    let half = |first: usize, len: usize| {
        let shape = [request.side, num_classes, first, len];
        let hash = shape.iter().fold(HASH_START, |h, n| hash_bytes(h, &(*n as u64).to_le_bytes()));
        let contents = Contents {
            kind: "random",
            path: PathBuf::from("(synthetic images)"),
            class_names: (0..num_classes).map(|class| class.to_string()).collect(),
            labels: (0..len).map(|ix| (ix % num_classes) as u32).collect(),
            hash,
            // Of bytes that are uniform in 0..=255: deviation 1/√12.
            stats: ChannelStats::grey(0.5, 0.288_675),
            origin: Origin::Uniform,
            source: Box::new(Noise { side: request.side, first }),
            notes: Vec::new(),
        };
        Dataset::new(contents, request.side)
    };
    Ok((half(0, TRAIN_IMAGES), half(TRAIN_IMAGES, TEST_IMAGES)))
}
