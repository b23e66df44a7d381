//! Images of any size to the size from which the model's square is cut.
//!
//! - The square's own size: as it is.
//! - A little smaller, by an even margin (28 → 32): as it is; the cut pads it with black.
//! - Photographs (class folders, side ≥ 96): shorter side to side / 0.875, as DeiT evaluates.
//! - Everything else: shorter side to the side.
//!
//! Resampling is bicubic (a = −½), with the kernel stretched when scaling down, as PIL does.

use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Rgb};

use crate::augment::crop::Picture;

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
    let shorter = if cuts_photographs(origin, side) {
        (side as f64 / CROP_FRAC) as usize
    } else if is_padded(width, side) && is_padded(height, side) {
        return (width, height);
    } else {
        side
    };
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
    let (shorter, longer) = (width.min(height), width.max(height));
    if shorter == 0 || longer > shorter * MAX_ASPECT {
        return Err(format!("a {width}×{height} image is empty or longer than {MAX_ASPECT}:1"));
    }
    let (new_width, new_height) = scaled_size(width, height, side, origin);
    if (new_width, new_height) == (width, height) {
        return Ok(false);
    }
    let pixels = std::mem::take(&mut picture.rgb);
    let view: ImageBuffer<Rgb<u8>, Vec<u8>> =
        ImageBuffer::from_raw(width as u32, height as u32, pixels).expect("a picture holds width × height × 3 bytes");
    let scaled = resize(&view, new_width as u32, new_height as u32, FilterType::CatmullRom);
    *picture = Picture { width: new_width, height: new_height, rgb: scaled.into_raw() };
    Ok(true)
}
