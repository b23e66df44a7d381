//! Colour, contrast, brightness and sharpness: away from a degenerate picture, or towards it.
//!
//!   out = degenerate + factor·(picture − degenerate), clipped
//!
//! Shapes      [h, w, 3] bytes, in place
//! Numerics    the blend in f32, cut towards zero; luma in 16-bit fixed point
//! Source      Pillow 13, `ImageEnhance`, `Image.blend`, `ImageFilter.SMOOTH`. Differs: none.

use super::crop::Picture;

/// Saturation: 0 is grey, 1 changes nothing.
pub fn color(picture: &mut Picture, factor: f32) {
    for pixel in picture.rgb.chunks_exact_mut(3) {
        let grey = luma(pixel);
        pixel.iter_mut().for_each(|value| *value = blend(grey, *value, factor));
    }
}

/// Contrast: 0 is the mean grey, 1 changes nothing.
pub fn contrast(picture: &mut Picture, factor: f32) {
    let sum: u64 = picture.rgb.chunks_exact(3).map(|pixel| u64::from(luma(pixel))).sum();
    let mean = (sum as f64 / (picture.rgb.len() / 3).max(1) as f64 + 0.5) as u8;
    picture.rgb.iter_mut().for_each(|value| *value = blend(mean, *value, factor));
}

/// Brightness: 0 is black, 1 changes nothing.
pub fn brightness(picture: &mut Picture, factor: f32) {
    picture.rgb.iter_mut().for_each(|value| *value = blend(0, *value, factor));
}

/// Sharpness: 0 is smoothed, 1 changes nothing.
pub fn sharpness(picture: &mut Picture, factor: f32) {
    let smoothed = smooth(picture);
    for (value, smoothed) in picture.rgb.iter_mut().zip(smoothed) {
        *value = blend(smoothed, *value, factor);
    }
}

/// Brightness of a pixel as in ITU-R 601-2.
fn luma(rgb: &[u8]) -> u8 {
    let weighted = u32::from(rgb[0]) * 19_595 + u32::from(rgb[1]) * 38_470 + u32::from(rgb[2]) * 7_471;
    ((weighted + 0x8000) >> 16) as u8
}

fn blend(degenerate: u8, value: u8, factor: f32) -> u8 {
    let difference = i32::from(value) - i32::from(degenerate);
    // A cast clips, and cuts towards zero.
    (f32::from(degenerate) + factor * difference as f32) as u8
}

/// Weights 1, 5 in the middle, over 13; the border is copied.
fn smooth(picture: &Picture) -> Vec<u8> {
    let Picture { width, height, rgb } = picture;
    let mut out = rgb.clone();
    let row_len = width * 3;
    for row in 1..height.saturating_sub(1) {
        for at in row * row_len + 3..(row + 1) * row_len - 3 {
            let across = |at: usize| u32::from(rgb[at - 3]) + u32::from(rgb[at]) + u32::from(rgb[at + 3]);
            let sum = across(at - row_len) + across(at) + across(at + row_len) + 4 * u32::from(rgb[at]);
            // Rounded to the nearest: 13 is odd, so no sum lies halfway.
            out[at] = ((2 * sum + 13) / 26) as u8;
        }
    }
    out
}
