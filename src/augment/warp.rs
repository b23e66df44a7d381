//! Rotation, shear and translation: an affine map from output to input places, bicubic between pixels.
//!
//!   (x, y) ← (a·x + b·y + c, d·x + e·y + f) at pixel centres; outside the picture: the fill colour
//!
//! Shapes      [h, w, 3] bytes → the same
//! Numerics    f64, cut towards zero; cubic convolution with a = −1 (not the −½ of resizing)
//! Source      Pillow 13, `Image.transform(AFFINE, BICUBIC)` and `Image.rotate`. Differs: none.

use super::crop::Picture;

/// a, b, c, d, e, f.
pub type Matrix = [f64; 6];

/// Moves rows sideways by `factor` of their distance from the top.
pub fn shear_x(factor: f64) -> Matrix {
    [1.0, factor, 0.0, 0.0, 1.0, 0.0]
}

/// Moves columns by `factor` of their distance from the left.
pub fn shear_y(factor: f64) -> Matrix {
    [1.0, 0.0, 0.0, factor, 1.0, 0.0]
}

/// The content moves left by `pixels`.
pub fn translate_x(pixels: f64) -> Matrix {
    [1.0, 0.0, pixels, 0.0, 1.0, 0.0]
}

/// The content moves up by `pixels`.
pub fn translate_y(pixels: f64) -> Matrix {
    [1.0, 0.0, 0.0, 0.0, 1.0, pixels]
}

/// Counter-clockwise by `degrees` about the centre of a `width` × `height` picture.
pub fn rotation(degrees: f64, width: usize, height: usize) -> Matrix {
    // The angle is turned into 0..360 first, and sines lose their last digits: both as Pillow does.
    let angle = -degrees.rem_euclid(360.0).to_radians();
    let rounded = |value: f64| (value * 1e15).round() / 1e15;
    let (cos, sin) = (rounded(angle.cos()), rounded(angle.sin()));
    let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
    [cos, sin, cos * -x + sin * -y + x, -sin, cos, -sin * -x + cos * -y + y]
}

/// Maps `from` through `matrix` into `to`, of the same size.
pub fn affine(from: &Picture, matrix: &Matrix, fill: [u8; 3], to: &mut Picture) {
    let Picture { width, height, .. } = *from;
    (to.width, to.height) = (width, height);
    to.rgb.clear();
    to.rgb.reserve(from.rgb.len());
    let [a, b, c, d, e, f] = *matrix;
    for row in 0..height {
        for column in 0..width {
            let (x, y) = (column as f64 + 0.5, row as f64 + 0.5);
            let pixel = sample(from, a * x + b * y + c, d * x + e * y + f);
            to.rgb.extend_from_slice(&pixel.unwrap_or(fill));
        }
    }
}

/// The picture at (x, y), pixel centres at halves; `None` outside. Beyond its edges pixels repeat.
fn sample(picture: &Picture, x: f64, y: f64) -> Option<[u8; 3]> {
    let Picture { width, height, rgb } = picture;
    if !(x >= 0.0 && x < *width as f64 && y >= 0.0 && y < *height as f64) {
        return None;
    }
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (x.floor() as isize - 1, y.floor() as isize - 1);
    let (along, down) = (x - x.floor(), y - y.floor());
    let clipped = |place: isize, length: usize| place.clamp(0, length as isize - 1) as usize;
    let columns: [usize; 4] = std::array::from_fn(|ix| clipped(left + ix as isize, *width) * 3);
    let rows: [usize; 4] = std::array::from_fn(|ix| clipped(top + ix as isize, *height) * width * 3);
    Some(std::array::from_fn(|channel| {
        let in_row = |row: usize| cubic(columns.map(|column| f64::from(rgb[row + column + channel])), along);
        // A cast clips, and cuts towards zero.
        cubic(rows.map(in_row), down) as u8
    }))
}

/// Between v₁ and v₂, `share` of the way.
fn cubic([v0, v1, v2, v3]: [f64; 4], share: f64) -> f64 {
    let slope = -v0 + v2;
    let bend = 2.0 * (v0 - v1) + v2 - v3;
    let twist = -v0 + v1 - v2 + v3;
    v1 + share * (slope + share * (bend + share * twist))
}
