//! A square out of an image of any size; what lies outside the image is black.
//!
//! Shapes      picture [H, W, 3] → square [side, side, 3], bytes

use crate::rng::Draws;

/// An image in bytes, rows from the top, red, green and blue interleaved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// [height, width, 3].
    pub rgb: Vec<u8>,
}

/// Top and left of the centred square; negative where the square is larger than the picture. Half
/// a pixel goes to the even side, as in torchvision's `CenterCrop`.
pub fn centre(picture: &Picture, side: usize) -> (isize, isize) {
    let middle = |length: usize| ((length as f64 - side as f64) / 2.0).round_ties_even() as isize;
    (middle(picture.height), middle(picture.width))
}

/// Top and left of a random square inside the picture; centred along an axis with no room to move.
pub fn draw(picture: &Picture, side: usize, draws: &mut Draws) -> (isize, isize) {
    let (top, left) = centre(picture, side);
    let mut along = |length: usize, centred: isize| {
        let word = draws.next_unit();
        match length.checked_sub(side) {
            Some(room) => (f64::from(word) * (room + 1) as f64) as isize,
            None => centred,
        }
    };
    (along(picture.height, top), along(picture.width, left))
}

/// Copies the square at (top, left) into `square`, which becomes [side, side, 3].
pub fn cut(picture: &Picture, side: usize, (top, left): (isize, isize), square: &mut Picture) {
    (square.width, square.height) = (side, side);
    square.rgb.clear();
    square.rgb.resize(side * side * 3, 0);
    let columns = overlap(left, side, picture.width);
    for row in overlap(top, side, picture.height) {
        let from_row = (row as isize + top) as usize;
        let from = (from_row * picture.width + (columns.start as isize + left) as usize) * 3;
        let to = (row * side + columns.start) * 3;
        let len = columns.len() * 3;
        square.rgb[to..to + len].copy_from_slice(&picture.rgb[from..from + len]);
    }
}

/// The places of 0..side that lie inside 0..length once shifted by `offset`.
fn overlap(offset: isize, side: usize, length: usize) -> std::ops::Range<usize> {
    let start = (-offset).clamp(0, side as isize);
    let end = (length as isize - offset).clamp(start, side as isize);
    start as usize..end as usize
}
