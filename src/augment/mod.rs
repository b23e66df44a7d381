//! What happens to training images on their way into a batch.
//!
//! Per image, on bytes: crop to the square → [`pad_crop`] → [`hflip`] → [`normalise`] to floats;
//! then per batch, on floats: soft targets ([`targets`]) and [`mix`] (mixup or cutmix). Every draw
//! comes from [`Draws`] at (seed, stream, step, place), so a batch depends on nothing else. Each
//! operation owns a range of indices: switching one off does not change what the others draw.

/// Beta(α, α), the mixing weight of mixup and cutmix.
pub mod beta;
/// A square out of an image of any size.
pub mod crop;
/// Horizontal flip.
pub mod hflip;
/// Mixup and cutmix of a batch with its reverse.
pub mod mix;
/// Bytes to floats of mean 0 and deviation 1.
pub mod normalise;
/// Zero padding and a random crop back.
pub mod pad_crop;
/// One-hot and smoothed targets.
pub mod targets;

use crate::config::experiment::AugmentConfig;
use crate::rng::{Draws, Stream};

/// Indices one image may use at one step.
const DRAWS_PER_IMAGE: u32 = 64;
/// Indices one operation may use.
const DRAWS_PER_OPERATION: u32 = 8;

/// An operation on one image, in the order of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Operation {
    /// [`crop`]
    Crop = 0,
    /// [`pad_crop`]
    PadCrop = 1,
    /// [`hflip`]
    HFlip = 2,
}

/// The draws of one operation on the image at `position` of the batch of `step`.
pub fn image_draws(seed: u64, step: u32, position: u32, operation: Operation) -> Draws {
    let first = position.wrapping_mul(DRAWS_PER_IMAGE) + operation as u32 * DRAWS_PER_OPERATION;
    Draws::new(seed, Stream::Augment, step, first)
}

/// The per-image operations of a config, applied to square images of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageAugment {
    /// Zero padding, pixels a side; 0: off.
    pub pad_crop: usize,
    /// Chance of a flip, 0..1.
    pub hflip: f64,
}

impl ImageAugment {
    /// The operations that `config` asks for.
    pub fn new(config: &AugmentConfig) -> Self {
        Self { pad_crop: config.pad_crop, hflip: config.hflip }
    }

    /// Augments `square` [side, side, 3] in place; `spare` is scratch of any size.
    pub fn apply(&self, square: &mut Vec<u8>, spare: &mut Vec<u8>, side: usize, at: ImagePlace) {
        let draws = |operation| image_draws(at.seed, at.step, at.position, operation);
        if self.pad_crop > 0 {
            let (down, right) = pad_crop::draw(self.pad_crop, &mut draws(Operation::PadCrop));
            pad_crop::shift(square, spare, side, down, right);
            std::mem::swap(square, spare);
        }
        if hflip::draw(self.hflip, &mut draws(Operation::HFlip)) {
            hflip::flip(square, side);
        }
    }
}

/// Which image of which batch: all that an image's draws depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImagePlace {
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step.
    pub step: u32,
    /// The place in the batch.
    pub position: u32,
}
