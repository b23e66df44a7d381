//! Zero padding on all sides and a random crop back to the square: a shift with black edges.
//!
//! Shapes      [side, side, 3] → [side, side, 3], bytes
//! Source      He et al. 2015, arXiv:1512.03385, section 4.2. Differs: none.

use crate::rng::Draws;

/// How far the picture moves down and right, each uniform in −pad..=pad pixels.
pub fn draw(pad: usize, draws: &mut Draws) -> (isize, isize) {
    let mut offset = || draws.next_below(2 * pad as u32 + 1) as isize - pad as isize;
    (offset(), offset())
}

/// Writes `from`, moved by `down` rows and `right` columns, to `to`; what is uncovered is black.
pub fn shift(from: &[u8], to: &mut Vec<u8>, side: usize, down: isize, right: isize) {
    to.clear();
    to.resize(side * side * 3, 0);
    let kept = side.saturating_sub(right.unsigned_abs()) * 3;
    let from_column = (-right).max(0) as usize * 3;
    let to_column = right.max(0) as usize * 3;
    for row in 0..side.saturating_sub(down.unsigned_abs()) {
        let from_start = (row + (-down).max(0) as usize) * side * 3 + from_column;
        let to_start = (row + down.max(0) as usize) * side * 3 + to_column;
        if kept > 0 {
            to[to_start..to_start + kept].copy_from_slice(&from[from_start..from_start + kept]);
        }
    }
}
