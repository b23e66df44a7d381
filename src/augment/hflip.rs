//! Horizontal flip.
//!
//! Shapes      [side, side, 3], bytes, in place

use super::crop::Picture;
use super::normalise::ChannelStats;
use super::{ImageStep, Step};
use crate::config::experiment::AugmentConfig;
use crate::error::Result;
use crate::rng::Draws;

#[derive(Debug)]
struct HFlip {
    chance: f64,
}

/// The step that `augment.hflip` asks for; none at 0.
pub fn step(config: &AugmentConfig, _: &ChannelStats) -> Result<Option<Step>> {
    let chance = config.hflip;
    Ok((chance > 0.0).then(|| Box::new(HFlip { chance }) as Step))
}

impl ImageStep for HFlip {
    fn apply(&self, square: &mut Picture, _: &mut Picture, draws: &mut Draws) {
        if draw(self.chance, draws) {
            flip(&mut square.rgb, square.width);
        }
    }
}

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
