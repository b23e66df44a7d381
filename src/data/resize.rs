//! Images of any size to the size from which the model's square is cut.
//!
//! - The square's own size: as it is.
//! - A little smaller, by an even margin (28 → 32): as it is; the cut pads it with black.
//! - Photographs (class folders, side ≥ 96): shorter side to side / 0.875, as DeiT evaluates.
//! - Everything else: shorter side to the side.
//!
//! Resampling is bicubic with antialias, to the byte as PIL does.

use crate::augment::crop::Picture;
use crate::augment::resample::{self, Window};

/// Below this side, pixels, images are taken whole.
const PHOTOGRAPH_SIDE: usize = 96;
/// The side over the shorter side of the picture it is cut from.
const CROP_FRAC: f64 = 0.875;
/// The margin up to which an image is padded, as a share of the side.
const PAD_FRAC: f64 = 0.25;
/// More elongated pictures are refused: scaling them up would take memory without bound.
const MAX_ASPECT: usize = 16;

/// Where the images of a set come from, as far as their size is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// All of one small size.
    Uniform,
    /// Camera pictures of many sizes.
    Photographs,
}

/// Whether squares of `side` are cut as from photographs: at random places in training.
pub fn cuts_photographs(origin: Origin, side: usize) -> bool {
    origin == Origin::Photographs && side >= PHOTOGRAPH_SIDE
}

/// Width and height that a `width` × `height` image is scaled to for squares of `side`.
pub fn scaled_size(width: usize, height: usize, side: usize, origin: Origin) -> (usize, usize) {
    if !cuts_photographs(origin, side) && is_padded(width, side) && is_padded(height, side) {
        return (width, height);
    }
    size_with_shorter(width, height, shorter_side(origin, side))
}

/// The shorter side of the pictures that squares of `side` are cut from.
pub fn shorter_side(origin: Origin, side: usize) -> usize {
    if cuts_photographs(origin, side) { (side as f64 / CROP_FRAC) as usize } else { side }
}

/// A copy of `picture` with that shorter side.
pub fn to_shorter_side(picture: &Picture, shorter: usize) -> Picture {
    let (width, height) = size_with_shorter(picture.width, picture.height, shorter);
    let mut scaled = Picture::default();
    resample::bicubic(picture, Window::whole(picture), width, height, &mut scaled);
    scaled
}

/// Cut, not rounded, as in torchvision's `Resize`.
fn size_with_shorter(width: usize, height: usize, shorter: usize) -> (usize, usize) {
    if width <= height { (shorter, shorter * height / width) } else { (shorter * width / height, shorter) }
}

fn is_padded(length: usize, side: usize) -> bool {
    length <= side && (side - length).is_multiple_of(2) && (side - length) as f64 <= side as f64 * PAD_FRAC
}

/// Scales `picture` as [`scaled_size`] says and tells whether it had to.
///
/// Errors: what is wrong with a picture that is empty or more elongated than 16:1.
pub fn scale(picture: &mut Picture, side: usize, origin: Origin) -> Result<bool, String> {
    let (width, height) = (picture.width, picture.height);
    check_shape(width, height)?;
    let (new_width, new_height) = scaled_size(width, height, side, origin);
    if (new_width, new_height) == (width, height) {
        return Ok(false);
    }
    let whole = std::mem::take(picture);
    resample::bicubic(&whole, Window::whole(&whole), new_width, new_height, picture);
    Ok(true)
}

/// Errors: what is wrong with a picture that is empty or more elongated than 16:1.
pub fn check_shape(width: usize, height: usize) -> Result<(), String> {
    let (shorter, longer) = (width.min(height), width.max(height));
    if shorter == 0 || longer > shorter * MAX_ASPECT {
        return Err(format!("a {width}×{height} image is empty or longer than {MAX_ASPECT}:1"));
    }
    Ok(())
}
