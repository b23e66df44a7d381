//! Bicubic resizing, the same to the byte as PIL's.
//!
//!   w(x) = cubic convolution with a = −½, stretched by the scale when scaling down (antialias)
//!   rows first, then columns, each rounded to bytes
//!
//! Shapes      window [h, w, 3] of a picture → [height, width, 3], bytes
//! Numerics    weights in 22-bit fixed point, each rounded; sums in i32 (at most 255·2²²·1.4 < 2³¹)
//! Source      Keys 1981, "Cubic Convolution Interpolation"; Pillow 13, `Image.resize`. Differs: none.

use super::crop::Picture;

/// Bits behind the point of a weight, as in Pillow.
const WEIGHT_BITS: u32 = 22;
/// How far the kernel reaches, in pixels of the coarser of the two pictures.
const SUPPORT: f64 = 2.0;

/// A part of a picture, pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Window {
    /// All of `picture`.
    pub fn whole(picture: &Picture) -> Self {
        Self { top: 0, left: 0, height: picture.height, width: picture.width }
    }
}

/// Writes `window` of `from`, resized to `width` × `height`, to `to`. What lies outside the window
/// plays no part, as if it had been cut out first.
pub fn bicubic(from: &Picture, window: Window, width: usize, height: usize, to: &mut Picture) {
    assert!(window.top + window.height <= from.height && window.left + window.width <= from.width, "{window:?} leaves the picture");
    let rows = (window.top..window.top + window.height).map(|row| {
        let first = (row * from.width + window.left) * 3;
        &from.rgb[first..first + window.width * 3]
    });
    let narrowed =
        if width == window.width { rows.collect::<Vec<_>>().concat() } else { resize_rows(rows, &Taps::new(window.width, width)) };
    (to.width, to.height) = (width, height);
    if height == window.height {
        to.rgb = narrowed;
    } else {
        resize_columns(&narrowed, width * 3, &Taps::new(window.height, height), &mut to.rgb);
    }
}

/// For each output place the first input place and the weights from there on.
struct Taps {
    first: Vec<usize>,
    /// `num_weights` for each output place, the rest zero.
    weights: Vec<i32>,
    num_weights: usize,
}

impl Taps {
    fn new(from_len: usize, to_len: usize) -> Self {
        let scale = from_len as f64 / to_len as f64;
        let stretch = scale.max(1.0);
        let support = SUPPORT * stretch;
        let num_weights = support.ceil() as usize * 2 + 1;
        let mut taps = Self { first: Vec::with_capacity(to_len), weights: vec![0; to_len * num_weights], num_weights };
        for (place, weights) in taps.weights.chunks_exact_mut(num_weights).enumerate() {
            let centre = (place as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let last = ((centre + support + 0.5) as usize).min(from_len);
            let exact: Vec<f64> = (first..last).map(|ix| kernel((ix as f64 - centre + 0.5) / stretch)).collect();
            let sum: f64 = exact.iter().sum();
            for (weight, exact) in weights.iter_mut().zip(exact) {
                *weight = (exact / sum * f64::from(1 << WEIGHT_BITS)).round() as i32;
            }
            taps.first.push(first);
        }
        taps
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.first.iter().copied().zip(self.weights.chunks_exact(self.num_weights))
    }
}

/// Cubic convolution with a = −½.
fn kernel(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

fn resize_rows<'a>(rows: impl Iterator<Item = &'a [u8]>, taps: &Taps) -> Vec<u8> {
    let mut out = Vec::with_capacity(rows.size_hint().0 * taps.first.len() * 3);
    for row in rows {
        for (first, weights) in taps.iter() {
            let mut sums = [1 << (WEIGHT_BITS - 1); 3];
            for (pixel, &weight) in row[first * 3..].chunks_exact(3).zip(weights) {
                for channel in 0..3 {
                    sums[channel] += i32::from(pixel[channel]) * weight;
                }
            }
            out.extend(sums.map(byte_from_fixed));
        }
    }
    out
}

fn resize_columns(from: &[u8], row_len: usize, taps: &Taps, to: &mut Vec<u8>) {
    to.clear();
    let mut sums = vec![0; row_len];
    for (first, weights) in taps.iter() {
        sums.fill(1 << (WEIGHT_BITS - 1));
        for (row, &weight) in from[first * row_len..].chunks_exact(row_len).zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        to.extend(sums.iter().map(|&sum| byte_from_fixed(sum)));
    }
}

fn byte_from_fixed(sum: i32) -> u8 {
    (sum >> WEIGHT_BITS).clamp(0, 255) as u8
}
