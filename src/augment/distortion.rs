//! The fifteen distortions of RandAugment, each with what its one number means.
//!
//! Strength runs from 0 to 10. *Increasing* is timm's `inc1`: more strength is further from the
//! picture for all of them; without it posterize, solarize and the four enhancements are mildest
//! near the top, in the middle or at the bottom, as in the first papers.
//! Source      Cubuk et al. 2019, arXiv:1909.13719; timm 1.0 `auto_augment.py`. Differs: none.

use super::crop::Picture;
use super::{enhance, tone, warp};

/// The top of the scale.
pub const MAX_STRENGTH: f64 = 10.0;

/// A strength and what else decides the number of a distortion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strength {
    /// 0..=10.
    pub level: f64,
    /// Left instead of right, less instead of more; where the distortion has two directions.
    pub is_negative: bool,
    /// timm's `inc1`.
    pub is_increasing: bool,
}

impl Strength {
    fn share(self) -> f64 {
        self.level / MAX_STRENGTH
    }

    fn signed(self, value: f64) -> f64 {
        if self.is_negative { -value } else { value }
    }
}

/// A picture under way, memory for a copy of it, and the colour of what is uncovered.
#[derive(Debug)]
pub struct Canvas<'a> {
    /// Changed in place.
    pub picture: &'a mut Picture,
    /// Of any content.
    pub spare: &'a mut Picture,
    /// Red, green, blue.
    pub fill: [u8; 3],
}

impl Canvas<'_> {
    fn warp(&mut self, matrix: &warp::Matrix) {
        warp::affine(self.picture, matrix, self.fill, self.spare);
        std::mem::swap(self.picture, self.spare);
    }
}

/// One distortion.
#[derive(Clone, Copy, Debug)]
pub struct Distortion {
    /// timm's name, without `Increasing`.
    pub name: &'static str,
    /// The number for a strength: degrees, bits, a threshold, a factor, a share of the side.
    pub amount: fn(Strength) -> f64,
    /// Distorts by that number.
    pub apply: fn(&mut Canvas, f64),
}

/// All of them, in timm's order.
pub const DISTORTIONS: [Distortion; 15] = [
    Distortion { name: "AutoContrast", amount: none, apply: |canvas, _| tone::auto_contrast(canvas.picture) },
    Distortion { name: "Equalize", amount: none, apply: |canvas, _| tone::equalize(canvas.picture) },
    Distortion { name: "Invert", amount: none, apply: |canvas, _| tone::invert(canvas.picture) },
    Distortion { name: "Rotate", amount: degrees, apply: rotate },
    Distortion { name: "Posterize", amount: bits, apply: |canvas, bits| tone::posterize(canvas.picture, bits as u32) },
    Distortion { name: "Solarize", amount: threshold, apply: |canvas, threshold| tone::solarize(canvas.picture, threshold as u32) },
    Distortion { name: "SolarizeAdd", amount: addition, apply: |canvas, add| tone::solarize_add(canvas.picture, add as u32) },
    Distortion { name: "Color", amount: factor, apply: |canvas, factor| enhance::color(canvas.picture, factor as f32) },
    Distortion { name: "Contrast", amount: factor, apply: |canvas, factor| enhance::contrast(canvas.picture, factor as f32) },
    Distortion { name: "Brightness", amount: factor, apply: |canvas, factor| enhance::brightness(canvas.picture, factor as f32) },
    Distortion { name: "Sharpness", amount: factor, apply: |canvas, factor| enhance::sharpness(canvas.picture, factor as f32) },
    Distortion { name: "ShearX", amount: slope, apply: |canvas, slope| canvas.warp(&warp::shear_x(slope)) },
    Distortion { name: "ShearY", amount: slope, apply: |canvas, slope| canvas.warp(&warp::shear_y(slope)) },
    Distortion { name: "TranslateXRel", amount: shift, apply: translate_x },
    Distortion { name: "TranslateYRel", amount: shift, apply: translate_y },
];

fn none(_: Strength) -> f64 {
    0.0
}

/// ±30 degrees at the top.
fn degrees(strength: Strength) -> f64 {
    strength.signed(strength.share() * 30.0)
}

/// Bits to keep: 4 to 0, or 0 to 4.
fn bits(strength: Strength) -> f64 {
    let bits = (strength.share() * 4.0).trunc();
    if strength.is_increasing { 4.0 - bits } else { bits }
}

/// 256 to 0, or 0 to 256.
fn threshold(strength: Strength) -> f64 {
    let threshold = (strength.share() * 256.0).trunc().min(256.0);
    if strength.is_increasing { 256.0 - threshold } else { threshold }
}

fn addition(strength: Strength) -> f64 {
    (strength.share() * 110.0).trunc().min(128.0)
}

/// 1 ± 0.9 at the top, or 0.1 to 1.9.
fn factor(strength: Strength) -> f64 {
    if strength.is_increasing { (1.0 + strength.signed(strength.share() * 0.9)).max(0.1) } else { strength.share() * 1.8 + 0.1 }
}

/// ±0.3 at the top.
fn slope(strength: Strength) -> f64 {
    strength.signed(strength.share() * 0.3)
}

/// ±0.45 of the side at the top.
fn shift(strength: Strength) -> f64 {
    strength.signed(strength.share() * 0.45)
}

fn rotate(canvas: &mut Canvas, degrees: f64) {
    let matrix = warp::rotation(degrees, canvas.picture.width, canvas.picture.height);
    canvas.warp(&matrix);
}

fn translate_x(canvas: &mut Canvas, share: f64) {
    let pixels = share * canvas.picture.width as f64;
    canvas.warp(&warp::translate_x(pixels));
}

fn translate_y(canvas: &mut Canvas, share: f64) {
    let pixels = share * canvas.picture.height as f64;
    canvas.warp(&warp::translate_y(pixels));
}
