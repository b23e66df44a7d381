//! What happens to training images on their way into a batch.
//!
//! On the host, per image, on bytes: a square of the picture ([`crop`] or [`resized_crop`]), then
//! [`STEPS`] in their order: integer work that follows PIL to the byte, done ahead on threads. On the
//! device, on the bytes that are uploaded, as a plan ([`prepare`]): [`normalise`], [`random_erasing`],
//! [`mix`] (mixup or cutmix). These are ops, with kernel, definition and test of their name. Soft targets
//! ([`targets`]) are made and mixed on the host.
//!
//! Every draw comes from [`Draws`] at (seed, stream, step, place), so a batch depends on nothing else.
//! Each operation owns a range of indices: switching one off does not change what the others draw. A new
//! operation on bytes is one file and one line in [`STEPS`].

/// Beta(α, α), the mixing weight of mixup and cutmix.
pub mod beta;
/// Random brightness, contrast and saturation.
pub mod color_jitter;
/// A square out of an image of any size.
pub mod crop;
/// The fifteen distortions of RandAugment.
pub mod distortion;
/// Colour, contrast, brightness, sharpness.
pub mod enhance;
/// Horizontal flip.
pub mod hflip;
/// Mixup and cutmix of a batch with its reverse.
pub mod mix;
/// Bytes to floats of mean 0 and deviation 1.
pub mod normalise;
/// Zero padding and a random crop back.
pub mod pad_crop;
/// Images as bytes, and what is left to do to them.
pub mod pictures;
/// The device's part as a plan.
pub mod prepare;
/// A few random distortions.
pub mod rand_augment;
/// Noise over a random box.
pub mod random_erasing;
/// Bicubic resizing as PIL does it.
pub mod resample;
/// A random part of a picture, resized to the square.
pub mod resized_crop;
/// One-hot and smoothed targets.
pub mod targets;
/// Tone curves.
pub mod tone;
/// Rotation, shear, translation.
pub mod warp;

use std::fmt::Debug;

use self::crop::Picture;
use self::normalise::ChannelStats;
use crate::config::experiment::AugmentConfig;
use crate::error::Result;
use crate::rng::{Draws, Stream};

/// Invocations of a workgroup.
const WORKGROUP: usize = 64;

/// An operation on one image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// [`crop`]
    Crop,
    /// [`pad_crop`]
    PadCrop,
    /// [`hflip`]
    HFlip,
    /// [`color_jitter`]
    ColorJitter,
    /// [`resized_crop`]
    ResizedCrop,
    /// [`rand_augment`]
    RandAugment,
    /// [`random_erasing`]
    RandomErasing,
}

/// Indices one image may use of each stream at one step.
const DRAWS_PER_IMAGE: u32 = 64;

impl Operation {
    /// The stream, and the first of the image's indices in it.
    fn place(self) -> (Stream, u32) {
        match self {
            Self::Crop => (Stream::Augment, 0),
            Self::PadCrop => (Stream::Augment, 8),
            Self::HFlip => (Stream::Augment, 16),
            Self::ColorJitter => (Stream::Augment, 24),
            Self::ResizedCrop => (Stream::ResizedCrop, 0),
            Self::RandAugment => (Stream::RandAugment, 0),
            Self::RandomErasing => (Stream::Erase, 0),
        }
    }
}

/// The draws of one operation on the image at `position` of the batch of `step`.
pub fn image_draws(seed: u64, step: u32, position: u32, operation: Operation) -> Draws {
    let (stream, offset) = operation.place();
    Draws::new(seed, stream, step, position.wrapping_mul(DRAWS_PER_IMAGE) + offset)
}

/// A change of a square image of bytes.
pub trait ImageStep: Debug + Send + Sync {
    /// Changes `square` in place; `spare` is scratch of any content.
    fn apply(&self, square: &mut Picture, spare: &mut Picture, draws: &mut Draws);
}

/// A step made for a config.
pub type Step = Box<dyn ImageStep>;

/// Makes the step of a config for images of these statistics; none where it is off.
pub type MakeStep = fn(&AugmentConfig, &ChannelStats) -> Result<Option<Step>>;

/// Every operation on bytes, in the order of the pipeline.
pub const STEPS: &[(Operation, MakeStep)] = &[
    (Operation::PadCrop, pad_crop::step),
    (Operation::HFlip, hflip::step),
    (Operation::RandAugment, rand_augment::step),
    (Operation::ColorJitter, color_jitter::step),
];

/// The steps of a config, applied to square images of bytes.
#[derive(Debug)]
pub struct ImageAugment {
    steps: Vec<(Operation, Step)>,
}

impl ImageAugment {
    /// The operations that `config` asks for, on images of these statistics.
    ///
    /// Errors: a value of the config that makes no sense.
    pub fn new(config: &AugmentConfig, stats: &ChannelStats) -> Result<Self> {
        let mut steps = Vec::new();
        for (operation, make) in STEPS {
            steps.extend(make(config, stats)?.map(|step| (*operation, step)));
        }
        Ok(Self { steps })
    }

    /// Augments `square` in place; `spare` is scratch of any content.
    pub fn apply(&self, square: &mut Picture, spare: &mut Picture, at: ImagePlace) {
        for (operation, step) in &self.steps {
            step.apply(square, spare, &mut image_draws(at.seed, at.step, at.position, *operation));
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
