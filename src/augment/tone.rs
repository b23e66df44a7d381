//! Tone curves: one table of 256 values a channel.
//!
//! Shapes      [h, w, 3] bytes, in place
//! Numerics    integers, but auto-contrast: f64 cut towards zero, as PIL does
//! Source      Pillow 13, `ImageOps`; solarize-add from timm. Differs: none.

use super::crop::Picture;

/// A new value for each old one.
type Curve = [u8; 256];

/// 255 − value.
pub fn invert(picture: &mut Picture) {
    apply_to_all(picture, |value| 255 - value);
}

/// Keeps the highest `bits` (0..=8) of each value.
pub fn posterize(picture: &mut Picture, bits: u32) {
    let mask = (0xFF00_u32 >> bits.min(8)) as u8;
    apply_to_all(picture, |value| value & mask);
}

/// Inverts the values from `threshold` on; 256 or more changes nothing.
pub fn solarize(picture: &mut Picture, threshold: u32) {
    apply_to_all(picture, |value| if u32::from(value) < threshold { value } else { 255 - value });
}

/// Adds to the values below 128, up to 255.
pub fn solarize_add(picture: &mut Picture, add: u32) {
    apply_to_all(picture, |value| if value < 128 { (u32::from(value) + add).min(255) as u8 } else { value });
}

/// Stretches each channel to 0..=255.
pub fn auto_contrast(picture: &mut Picture) {
    apply_to_each(picture, |counts| {
        let lowest = counts.iter().position(|&count| count > 0)?;
        let highest = counts.iter().rposition(|&count| count > 0)?;
        if highest <= lowest {
            return None;
        }
        let scale = 255.0 / (highest - lowest) as f64;
        let offset = -(lowest as f64) * scale;
        Some(std::array::from_fn(|value| (value as f64 * scale + offset) as i32).map(|value: i32| value.clamp(0, 255) as u8))
    });
}

/// Makes the values of each channel as evenly distributed as a curve can.
pub fn equalize(picture: &mut Picture) {
    apply_to_each(picture, |counts| {
        let last = *counts.iter().rev().find(|&&count| count > 0)?;
        let step = (counts.iter().sum::<usize>() - last) / 255;
        if step == 0 {
            return None;
        }
        let mut below = step / 2;
        Some(std::array::from_fn(|value| {
            let level = (below / step).min(255) as u8;
            below += counts[value];
            level
        }))
    });
}

fn apply_to_all(picture: &mut Picture, curve: impl Fn(u8) -> u8) {
    picture.rgb.iter_mut().for_each(|value| *value = curve(*value));
}

/// The curve of a channel from how often it has each value; `None` leaves the channel as it is.
fn apply_to_each(picture: &mut Picture, curve_of: impl Fn(&[usize; 256]) -> Option<Curve>) {
    for channel in 0..3 {
        let mut counts = [0; 256];
        let values = || picture.rgb.iter().skip(channel).step_by(3);
        values().for_each(|&value| counts[usize::from(value)] += 1);
        if let Some(curve) = curve_of(&counts) {
            picture.rgb.iter_mut().skip(channel).step_by(3).for_each(|value| *value = curve[usize::from(*value)]);
        }
    }
}
