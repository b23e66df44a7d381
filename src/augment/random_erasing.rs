//! Noise over a random box of a normalised image.
//!
//!   area ~ U(0.02, ⅓) of the image,  ln(height/width) ~ U(ln 0.3, −ln 0.3);  the first of ten tries
//!   that fits; each pixel and channel ~ N(0, 1)
//!
//! Shapes      [side, side, 3] f32, in place
//! Source      Zhong et al. 2017, arXiv:1708.04896; timm `RandomErasing`, mode pixel, one box.
//!             Differs: none.

use super::{ImagePlace, Operation, image_draws};
use crate::rng::{Stream, unit, words};

/// Least and most share of the image.
const AREA: [f64; 2] = [0.02, 1.0 / 3.0];
/// Least height over width; the most is its inverse.
const MIN_ASPECT: f64 = 0.3;
/// Tries before the image stays whole.
const TRIES: usize = 10;
/// Normals of one counter.
const NORMALS_PER_INDEX: usize = 4;

/// What is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// The hole of the image at `at`, with chance `chance`; none where no try fits.
pub fn draw(chance: f64, side: usize, at: ImagePlace) -> Option<Hole> {
    let mut draws = image_draws(at.seed, at.step, at.position, Operation::RandomErasing);
    if f64::from(draws.next_unit()) >= chance {
        return None;
    }
    (0..TRIES).find_map(|_| {
        let [area_frac, aspect_frac, row_frac, column_frac] = std::array::from_fn(|_| f64::from(draws.next_unit()));
        let pixels = (AREA[0] + (AREA[1] - AREA[0]) * area_frac) * (side * side) as f64;
        let aspect = ((1.0 - 2.0 * aspect_frac) * MIN_ASPECT.ln()).exp();
        let (height, width) = sides(pixels, aspect);
        let place = |length: usize, share: f64| (share * (side - length + 1) as f64) as usize;
        (height < side && width < side).then(|| Hole { top: place(height, row_frac), left: place(width, column_frac), height, width })
    })
}

/// Height and width of so many pixels at height over width, rounded.
pub fn sides(pixels: f64, aspect: f64) -> (usize, usize) {
    ((pixels * aspect).sqrt().round_ties_even() as usize, (pixels / aspect).sqrt().round_ties_even() as usize)
}

/// Fills the hole with the noise of the image at `at`.
pub fn erase(image: &mut [f32], side: usize, hole: Hole, at: ImagePlace) {
    let counters = (side * side * 3).div_ceil(NORMALS_PER_INDEX) as u32;
    let first = at.position.wrapping_mul(counters);
    let mut normals = (0..).flat_map(|ix: u32| normals(words(at.seed, Stream::EraseNoise as u32, at.step, first.wrapping_add(ix))));
    for row in image.chunks_exact_mut(side * 3).skip(hole.top).take(hole.height) {
        for (value, normal) in row[hole.left * 3..(hole.left + hole.width) * 3].iter_mut().zip(&mut normals) {
            *value = normal;
        }
    }
}

/// Four standard normals of four words (Box–Muller, both of each pair).
fn normals(words: [u32; 4]) -> [f32; NORMALS_PER_INDEX] {
    let pair = |radius: u32, angle: u32| {
        let radius = (-2.0 * (1.0 - unit(radius)).ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * unit(angle)).sin_cos();
        [radius * cos, radius * sin]
    };
    let ([a, b], [c, d]) = (pair(words[0], words[1]), pair(words[2], words[3]));
    [a, b, c, d]
}
