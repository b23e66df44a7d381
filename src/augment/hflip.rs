//! Horizontal flip.
//!
//! Shapes      [side, side, 3], bytes, in place

use crate::rng::Draws;

/// Whether to flip, with chance `chance` in 0..1.
pub fn draw(chance: f64, draws: &mut Draws) -> bool {
    f64::from(draws.next_unit()) < chance
}

/// Mirrors each row of the square.
pub fn flip(square: &mut [u8], side: usize) {
    for row in square.chunks_exact_mut(side * 3) {
        for column in 0..side / 2 {
            let (left, right) = (column * 3, (side - 1 - column) * 3);
            for channel in 0..3 {
                row.swap(left + channel, right + channel);
            }
        }
    }
}
