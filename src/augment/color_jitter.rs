//! Random brightness, contrast and saturation, in random order.
//!
//!   each factor ~ U(max(0, 1 − j), 1 + j)
//!
//! Shapes      [side, side, 3] bytes, in place
//! Source      torchvision `ColorJitter(j, j, j)`, which is how timm reads one number. Differs: none.

use super::crop::Picture;
use super::normalise::ChannelStats;
use super::{ImageStep, Step, enhance};
use crate::config::experiment::AugmentConfig;
use crate::error::Result;
use crate::rng::Draws;

/// What is jittered.
const ENHANCEMENTS: [fn(&mut Picture, f32); 3] = [enhance::brightness, enhance::contrast, enhance::color];

#[derive(Debug)]
struct ColorJitter {
    reach: f64,
}

/// The step that `augment.color_jitter` asks for; none at 0.
pub fn step(config: &AugmentConfig, _: &ChannelStats) -> Result<Option<Step>> {
    let reach = config.color_jitter;
    Ok((reach > 0.0).then(|| Box::new(ColorJitter { reach }) as Step))
}

impl ImageStep for ColorJitter {
    fn apply(&self, square: &mut Picture, _: &mut Picture, draws: &mut Draws) {
        let low = (1.0 - self.reach).max(0.0);
        let factors: [f64; 3] = std::array::from_fn(|_| low + (1.0 + self.reach - low) * f64::from(draws.next_unit()));
        for which in draws.permutation(ENHANCEMENTS.len()) {
            ENHANCEMENTS[which as usize](square, factors[which as usize] as f32);
        }
    }
}
