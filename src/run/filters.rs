//! Filters of a stem as one picture: a tile each, side by side.

use std::io::Cursor;

use image::{ImageFormat, Rgb, RgbImage};

/// Pixels of a weight, at least so that a tile is seen.
const MIN_TILE: usize = 32;

/// Pixels between tiles.
const GAP: usize = 2;

/// A picture as the bytes of a PNG file.
#[derive(Clone, Debug, PartialEq)]
pub struct Png {
    /// Width and height in pixels.
    pub size: (u32, u32),
    /// The file.
    pub bytes: Vec<u8>,
}

/// Filters [F, 3, k, k] in colour: each scaled to its own largest weight, grey is 0. None for another
/// number of channels, or none at all.
pub fn picture(shape: &[usize], values: &[f32]) -> Option<Png> {
    let &[count, 3, kernel, _] = shape else { return None };
    if count == 0 || kernel == 0 || values.len() != shape.iter().product::<usize>() {
        return None;
    }
    let columns = count.isqrt() + usize::from(count.isqrt().pow(2) < count);
    let zoom = MIN_TILE.div_ceil(kernel);
    let pitch = kernel * zoom + GAP;
    let (width, height) = (columns * pitch + GAP, count.div_ceil(columns) * pitch + GAP);
    let mut picture = RgbImage::from_pixel(width as u32, height as u32, Rgb([255; 3]));
    for (filter_ix, filter) in values.chunks_exact(3 * kernel * kernel).enumerate() {
        let largest =
            filter.iter().filter(|weight| weight.is_finite()).fold(f32::MIN_POSITIVE, |largest, weight| largest.max(weight.abs()));
        let (left, top) = (GAP + filter_ix % columns * pitch, GAP + filter_ix / columns * pitch);
        for y in 0..kernel * zoom {
            for x in 0..kernel * zoom {
                let place = y / zoom * kernel + x / zoom;
                let level = |channel: usize| level(filter[channel * kernel * kernel + place] / largest);
                picture.put_pixel((left + x) as u32, (top + y) as u32, Rgb([level(0), level(1), level(2)]));
            }
        }
    }
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).ok()?;
    Some(Png { size: picture.dimensions(), bytes: bytes.into_inner() })
}

/// −1 … 1 as 0 … 255; what is not finite is 255, which a scaled filter's largest weight alone has.
fn level(share: f32) -> u8 {
    if share.is_finite() { (127.5 + 127.5 * share).round() as u8 } else { 255 }
}
