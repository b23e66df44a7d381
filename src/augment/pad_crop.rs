//! Zero padding on all sides and a random crop back to the square: a shift with black edges.
//!
//! Shapes      [side, side, 3] → [side, side, 3], bytes
//! Source      He et al. 2015, arXiv:1512.03385, section 4.2. Differs: none.

use super::crop::Picture;
use super::normalise::ChannelStats;
use super::{ImageStep, Step};
use crate::config::experiment::AugmentConfig;
use crate::error::Result;
use crate::rng::Draws;

#[derive(Debug)]
struct PadCrop {
    pad: usize,
}

/// The step that `augment.pad_crop` asks for; none at 0.
pub fn step(config: &AugmentConfig, _: &ChannelStats) -> Result<Option<Step>> {
    let pad = config.pad_crop;
    Ok((pad > 0).then(|| Box::new(PadCrop { pad }) as Step))
}

impl ImageStep for PadCrop {
    fn apply(&self, square: &mut Picture, spare: &mut Picture, draws: &mut Draws) {
        let (down, right) = draw(self.pad, draws);
        shift(&square.rgb, &mut spare.rgb, square.width, down, right);
        std::mem::swap(&mut square.rgb, &mut spare.rgb);
    }
}

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
