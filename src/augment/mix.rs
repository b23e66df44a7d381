//! Mixup and cutmix of a group of images with its own reverse; one weight λ a group. A group is a
//! micro-batch where the config fixes its size, as on each GPU of DeiT's, else the batch.
//!
//!   partner of i is B − 1 − i
//!   mixup   x ← λ·x + (1 − λ)·x_partner,                       λ ~ Beta(α, α)
//!   cutmix  the box of side √(1 − λ) comes from the partner,   λ ← 1 − box area / image area
//!   both    y ← λ·y + (1 − λ)·y_partner
//!
//! Shapes      images [B, S, S, 3], targets [B, K], in place
//! Numerics    of an odd batch the middle image is its own partner and stays as it is
//! Source      Zhang et al. 2017, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899; batch mode
//!             as in DeiT and timm 0.3.2 (later ones add a row and a column to boxes of odd side).
//!             Differs: none.

use super::beta;
use crate::config::experiment::AugmentConfig;
use crate::rng::{Draws, Stream};

/// First index of the draws of λ, whose number varies.
const LAMBDA_DRAWS: u32 = 16;

/// Indices that the draws of one group may use.
const DRAWS_PER_GROUP: u32 = 1024;

/// The config's α of both kinds and how often they come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixer {
    /// Mixup's α; 0: off.
    pub mixup: f64,
    /// CutMix's α; 0: off.
    pub cutmix: f64,
    /// Chance that a group is mixed, 0..1.
    pub chance: f64,
    /// Chance of cutmix where both kinds are on, 0..1.
    pub switch_chance: f64,
}

/// What happens to one batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mix {
    /// A blend, with the weight of the own image.
    Mixup {
        /// λ.
        lambda: f32,
    },
    /// A box from the partner.
    CutMix {
        /// The share of the own image that is left.
        lambda: f32,
        /// What is pasted.
        area: Area,
    },
}

/// Rows `top..bottom` and columns `left..right` of a square image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// First row.
    pub top: usize,
    /// Row behind the last.
    pub bottom: usize,
    /// First column.
    pub left: usize,
    /// Column behind the last.
    pub right: usize,
}

impl Mixer {
    /// The mixing that `config` asks for.
    pub fn new(config: &AugmentConfig) -> Self {
        Self { mixup: config.mixup, cutmix: config.cutmix, chance: config.mixup_prob, switch_chance: config.mixup_switch_prob }
    }

    /// What happens to one group of the batch of `step`, with images of `side`; `None` when both
    /// kinds are off or the chance does not come up.
    pub fn draw(&self, seed: u64, step: u32, group: u32, side: usize) -> Option<Mix> {
        let first = group.wrapping_mul(DRAWS_PER_GROUP);
        let mut draws = Draws::new(seed, Stream::Mix, step, first);
        let coin = f64::from(draws.next_unit()) < self.switch_chance;
        let centre_row = draws.next_below(side as u32) as usize;
        let centre_column = draws.next_below(side as u32) as usize;
        let is_mixed = f64::from(draws.next_unit()) < self.chance;
        let takes_cutmix = self.cutmix > 0.0 && (coin || self.mixup <= 0.0);
        let alpha = if takes_cutmix { self.cutmix } else { self.mixup };
        if alpha <= 0.0 || !is_mixed {
            return None;
        }
        let lambda = beta::draw(alpha, &mut Draws::new(seed, Stream::Mix, step, first + LAMBDA_DRAWS));
        Some(if takes_cutmix { Mix::cutmix(lambda, side, centre_row, centre_column) } else { Mix::Mixup { lambda: lambda as f32 } })
    }
}

impl Mix {
    /// The cutmix whose box, of area 1 − λ before clipping, is centred at the given pixel.
    pub fn cutmix(lambda: f64, side: usize, centre_row: usize, centre_column: usize) -> Self {
        let half = (side as f64 * (1.0 - lambda).sqrt()) as usize / 2;
        let area = Area {
            top: centre_row.saturating_sub(half),
            bottom: (centre_row + half).min(side),
            left: centre_column.saturating_sub(half),
            right: (centre_column + half).min(side),
        };
        let pasted = (area.bottom - area.top) * (area.right - area.left);
        Self::CutMix { lambda: (1.0 - pasted as f64 / (side * side) as f64) as f32, area }
    }

    /// Mixes `images` [B, side, side, 3] and `targets` [B, K] in place.
    pub fn apply(&self, images: &mut [f32], targets: &mut [f32], side: usize, batch: usize) {
        let image_len = side * side * 3;
        assert_eq!(images.len(), batch * image_len, "mix: not {batch} images of side {side}");
        let lambda = match *self {
            Self::Mixup { lambda } => {
                blend_with_reverse(images, image_len, lambda);
                lambda
            }
            Self::CutMix { lambda, area } => {
                swap_area_with_reverse(images, side, area);
                lambda
            }
        };
        blend_with_reverse(targets, targets.len() / batch, lambda);
    }
}

/// Row i ← λ·row i + (1 − λ)·row (B − 1 − i).
fn blend_with_reverse(rows: &mut [f32], row_len: usize, lambda: f32) {
    for_each_pair(rows, row_len, |own, partner| {
        for (a, b) in own.iter_mut().zip(partner) {
            let (x, y) = (*a, *b);
            *a = lambda * x + (1.0 - lambda) * y;
            *b = lambda * y + (1.0 - lambda) * x;
        }
    });
}

/// Each image takes the box of its partner: the two boxes change places.
fn swap_area_with_reverse(images: &mut [f32], side: usize, area: Area) {
    for_each_pair(images, side * side * 3, |own, partner| {
        for row in area.top..area.bottom {
            let span = (row * side + area.left) * 3..(row * side + area.right) * 3;
            own[span.clone()].swap_with_slice(&mut partner[span]);
        }
    });
}

fn for_each_pair(rows: &mut [f32], row_len: usize, mut act: impl FnMut(&mut [f32], &mut [f32])) {
    let mut rows: Vec<&mut [f32]> = rows.chunks_exact_mut(row_len).collect();
    let middle = rows.len().div_ceil(2);
    let (front, back) = rows.split_at_mut(middle);
    for (own, partner) in front.iter_mut().zip(back.iter_mut().rev()) {
        act(own, partner);
    }
}
