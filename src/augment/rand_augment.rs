//! RandAugment: a few random distortions of random strength.
//!
//!   n times: one of the fifteen, each as likely; applied with chance p at strength N(m, σ²) in 0..=10
//!
//! Shapes      [side, side, 3] bytes, in place
//! Source      Cubuk et al. 2019, arXiv:1909.13719; timm's `rand-m9-mstd0.5-inc1`. Differs: none.

use super::crop::Picture;
use super::distortion::{Canvas, DISTORTIONS, Distortion, MAX_STRENGTH, Strength};
use super::normalise::ChannelStats;
use super::{ImageStep, Step};
use crate::config::experiment::AugmentConfig;
use crate::config::rand_augment::RandAugmentSpec;
use crate::error::{Error, Result};
use crate::rng::Draws;

/// What is drawn for one layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// Which of the fifteen.
    pub distortion: &'static Distortion,
    /// Whether its chance came up.
    pub is_applied: bool,
    /// How far it goes.
    pub strength: Strength,
}

#[derive(Debug)]
struct RandAugment {
    spec: RandAugmentSpec,
    fill: [u8; 3],
}

/// The step that `augment.rand_augment` asks for; none where it is empty.
pub fn step(config: &AugmentConfig, stats: &ChannelStats) -> Result<Option<Step>> {
    let Some(spec) = RandAugmentSpec::parse(&config.rand_augment).map_err(|what| Error::config(what, ""))? else {
        return Ok(None);
    };
    let fill = stats.mean.map(|mean| (mean * 255.0).round() as u8);
    Ok(Some(Box::new(RandAugment { spec, fill })))
}

impl ImageStep for RandAugment {
    fn apply(&self, square: &mut Picture, spare: &mut Picture, draws: &mut Draws) {
        for _ in 0..self.spec.layers {
            let layer = draw(&self.spec, draws);
            if layer.is_applied {
                let amount = (layer.distortion.amount)(layer.strength);
                (layer.distortion.apply)(&mut Canvas { picture: square, spare, fill: self.fill }, amount);
            }
        }
    }
}

/// Draws one layer; always as many numbers, so that layers do not depend on each other.
pub fn draw(spec: &RandAugmentSpec, draws: &mut Draws) -> Layer {
    let distortion = &DISTORTIONS[draws.next_below(DISTORTIONS.len() as u32) as usize];
    let is_applied = f64::from(draws.next_unit()) < spec.chance;
    let level = (spec.strength + spec.deviation * f64::from(draws.next_normal())).clamp(0.0, MAX_STRENGTH);
    let is_negative = draws.next_unit() < 0.5;
    Layer { distortion, is_applied, strength: Strength { level, is_negative, is_increasing: spec.is_increasing } }
}
