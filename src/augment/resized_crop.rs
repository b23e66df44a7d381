//! A random part of a picture, resized to the square.
//!
//!   area ~ U(least, most) of the picture,  ln(width/height) ~ U(ln ¾, ln 4/3)
//!   the first of ten tries that fits; else the whole, cut at its centre to the nearest aspect
//!
//! Shapes      picture [H, W, 3] → [side, side, 3], bytes
//! Source      Szegedy et al. 2014, arXiv:1409.4842; torchvision `RandomResizedCrop`. Differs: none.

use super::crop::Picture;
use super::resample::{self, Window};
use crate::rng::Draws;

/// Tries before the whole picture is taken.
const TRIES: usize = 10;
/// Largest width over height; the least is its inverse.
const MAX_ASPECT: f64 = 4.0 / 3.0;

/// The part of a `width` × `height` picture to take; `area`: least and most share of it, 0..1.
pub fn draw(width: usize, height: usize, area: [f64; 2], draws: &mut Draws) -> Window {
    for _ in 0..TRIES {
        let [area_frac, aspect_frac, row_frac, column_frac] = std::array::from_fn(|_| f64::from(draws.next_unit()));
        let pixels = (area[0] + (area[1] - area[0]) * area_frac) * (width * height) as f64;
        let aspect = ((2.0 * aspect_frac - 1.0) * MAX_ASPECT.ln()).exp();
        let (wide, high) = sides(pixels, aspect);
        if (1..=width).contains(&wide) && (1..=height).contains(&high) {
            let place = |room: usize, share: f64| (share * (room + 1) as f64) as usize;
            return Window { top: place(height - high, row_frac), left: place(width - wide, column_frac), height: high, width: wide };
        }
    }
    fallback(width, height)
}

/// Width and height of so many pixels at the aspect, rounded.
pub fn sides(pixels: f64, aspect: f64) -> (usize, usize) {
    ((pixels * aspect).sqrt().round_ties_even() as usize, (pixels / aspect).sqrt().round_ties_even() as usize)
}

/// The largest centred part whose aspect is allowed.
pub fn fallback(width: usize, height: usize) -> Window {
    let aspect = width as f64 / height as f64;
    let (wide, high) = if aspect < 1.0 / MAX_ASPECT {
        (width, (width as f64 * MAX_ASPECT).round_ties_even() as usize)
    } else if aspect > MAX_ASPECT {
        ((height as f64 * MAX_ASPECT).round_ties_even() as usize, height)
    } else {
        (width, height)
    };
    Window { top: (height - high) / 2, left: (width - wide) / 2, height: high, width: wide }
}

/// Writes a random part of `picture` to `square`.
pub fn cut(picture: &Picture, side: usize, area: [f64; 2], draws: &mut Draws, square: &mut Picture) {
    let window = draw(picture.width, picture.height, area, draws);
    resample::bicubic(picture, window, side, side, square);
}
