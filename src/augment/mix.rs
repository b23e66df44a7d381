//! Mixup and cutmix of a group of images with its own reverse; one weight λ a group. A group is a
//! micro-batch where the config fixes its size, as on each GPU of DeiT's, else the batch.
//!
//!   partner of i is B − 1 − i
//!   mixup   x ← λ·x + (1 − λ)·x_partner,                       λ ~ Beta(α, α)
//!   cutmix  the box of side √(1 − λ) comes from the partner,   λ ← 1 − box area / image area
//!   both    y ← λ·y + (1 − λ)·y_partner
//!
//! Images are mixed on the device, a micro-batch at a time: `own`, and `mirror`, the micro-batch of the
//! partners (the same one where a group is a micro-batch), whose order is the reverse. Targets are mixed on
//! the host: they are few.
//!
//! Shapes      own, mirror [R, S, S, 3], rows [R, 5]: λ, top, bottom, left, right → [R, S, S, 3]; targets
//!             [B, K] in place
//! Derivative  none
//! Cost        3 flop, 12 bytes a number
//! Numerics    groups are even (checked with the config), so no image is its own partner. A device that fuses
//!             λ·x + … rounds once less: at most one ulp of the larger term apart
//! Errors      none
//! Source      Zhang et al. 2017, arXiv:1710.09412; Yun et al. 2019, arXiv:1905.04899; batch mode
//!             as in DeiT and timm 0.3.2 (later ones add a row and a column to boxes of odd side).
//!             Differs: none.

use super::{WORKGROUP, beta};
use crate::config::experiment::AugmentConfig;
use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Op, Shape, Value};
use crate::rng::{Draws, Stream};

/// Words of a row of the table.
pub const ROW_LEN: usize = 5;

/// The row of an image that stays as it is.
pub const UNMIXED: [f32; ROW_LEN] = [1.0, 0.0, 0.0, 0.0, 0.0];

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

    /// The weight of the own target.
    pub fn lambda(&self) -> f32 {
        match *self {
            Self::Mixup { lambda } | Self::CutMix { lambda, .. } => lambda,
        }
    }

    /// The row of the table for an image of the group.
    pub fn row(&self) -> [f32; ROW_LEN] {
        match *self {
            Self::Mixup { lambda } => [lambda, 0.0, 0.0, 0.0, 0.0],
            Self::CutMix { area: Area { top, bottom, left, right }, .. } => [1.0, top as f32, bottom as f32, left as f32, right as f32],
        }
    }

    /// Mixes `targets` [batch, K] of a group in place.
    pub fn mix_targets(&self, targets: &mut [f32], batch: usize) {
        let lambda = self.lambda();
        let mut rows: Vec<&mut [f32]> = targets.chunks_exact_mut(targets.len() / batch).collect();
        let (front, back) = rows.split_at_mut(batch.div_ceil(2));
        for (own, partner) in front.iter_mut().zip(back.iter_mut().rev()) {
            for (a, b) in own.iter_mut().zip(partner.iter_mut()) {
                let (x, y) = (*a, *b);
                *a = lambda * x + (1.0 - lambda) * y;
                *b = lambda * y + (1.0 - lambda) * x;
            }
        }
    }
}

/// Each image of `own` with the one of `mirror` in the reverse order, as its row of `rows` says.
pub fn blend(graph: &mut Graph, own: Value, mirror: Value, rows: Value) -> Result<Value> {
    let shape = graph.shape(own).clone();
    let &[batch, side, _, _] = shape.sides() else {
        return Err(Error::shape("mix", format!("{shape} is not [batch, side, side, 3]"), ""));
    };
    graph.push_one(Blend { batch, side }, &[own, mirror, rows])
}

/// own, mirror, rows → mixed.
#[derive(Clone, Debug)]
pub struct Blend {
    /// R.
    pub batch: usize,
    /// S.
    pub side: usize,
}

impl Op for Blend {
    fn name(&self) -> &'static str {
        "mix.blend"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        if inputs[0] != inputs[1] || inputs[2].len() != self.batch * ROW_LEN {
            let what = format!("partners {} and rows {} do not fit images {}", inputs[1], inputs[2], inputs[0]);
            return Err(Error::shape("mix", what, format!("they need {} and [{}, {ROW_LEN}]", inputs[0], self.batch)));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn cost(&self) -> Cost {
        let len = (self.batch * self.side * self.side * 3) as f64;
        Cost { flops: 3.0 * len, bytes: 12.0 * len }
    }

    defined_by!(crate::cpu::mix::blend);

    fn launch(&self, _target: &Target) -> Launch {
        let dispatch = Dispatch {
            shader: "augment/mix",
            entry: "blend",
            consts: vec![("ROW_LEN", Const::U32(ROW_LEN as u32)), ("WORKGROUP", Const::U32(WORKGROUP as u32))],
            dims: vec![("batch", self.batch as u32), ("side", self.side as u32)],
            bindings: vec![
                Binding::read("own", Slot::In(0)),
                Binding::read("mirror", Slot::In(1)),
                Binding::read("rows", Slot::In(2)),
                Binding::write("mixed", Slot::Out(0)),
            ],
            groups: flat_groups(self.batch * self.side * self.side, WORKGROUP),
        };
        Launch { dispatches: vec![dispatch], scratch: vec![] }
    }
}
