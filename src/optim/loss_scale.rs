//! The loss scale of mixed precision: what gradients are multiplied by, so that the small ones survive f16.
//!
//!   unscale: g ← g/s        update: s ← s/2 after an overflow; 2·s after `every` good steps in a row
//!
//! Shapes      g [P]; state [`SCALE_LEN`]: s, good steps in a row, skipped steps in all; norm [4]; ring [SLOTS, SLOT_LEN]
//! Derivative  none
//! Cost        P flop, 2·P·4 bytes
//! Numerics    s is a power of two where it begins as one, so unscaling is exact; it stays within [`LEAST`] and [`MOST`]
//! Errors      none
//! Source      torch.amp.GradScaler. Differs: s has bounds; a skipped step counts as one in AdamW's bias correction.

use super::{WORKGROUP, flat};
use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target};
use crate::graph::place::SLOT_LEN;
use crate::graph::{Cost, Op, Shape};

/// Words of [`crate::graph::Region::LossScale`].
pub const SCALE_LEN: usize = 4;
/// Least scale: gradients that overflow with it are no matter of precision.
pub const LEAST: f32 = 1.0;
/// Largest scale that growth leads to.
pub const MOST: f32 = 16_777_216.0;
/// Factors after an overflow and after enough good steps.
pub const BACKOFF: f32 = 0.5;
/// See [`BACKOFF`].
pub const GROWTH: f32 = 2.0;
/// Norm's flag of a step that is skipped for an overflow of f16 (see [`crate::optim::norm`]).
pub const OVERFLOW: f32 = 2.0;

/// state, g (in place) → g.
#[derive(Clone, Debug)]
pub struct Unscale {
    /// P.
    pub len: usize,
}

/// norm, state and ring (both in place) → state, ring.
#[derive(Clone, Debug)]
pub struct Update {
    /// Good steps in a row after which the scale doubles.
    pub every: usize,
}

impl Op for Unscale {
    fn name(&self) -> &'static str {
        "loss_scale.unscale"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[1].clone()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: self.len as f64, bytes: 8.0 * self.len as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 1)]
    }

    defined_by!(crate::cpu::loss_scale::unscale);

    fn launch(&self, _target: &Target) -> Launch {
        let bindings = vec![Binding::read("state", Slot::In(0)), Binding::write("gradients", Slot::Out(0))];
        flat("optim/loss_scale", "unscale", consts(1), vec![("len", self.len as u32)], bindings, self.len)
    }
}

impl Op for Update {
    fn name(&self) -> &'static str {
        "loss_scale.update"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[1].clone(), inputs[2].clone()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: 1.0, bytes: 4.0 * SCALE_LEN as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 1), (1, 2)]
    }

    defined_by!(crate::cpu::loss_scale::update);

    fn launch(&self, _target: &Target) -> Launch {
        let mut consts = consts(self.every);
        consts.push(("WORKGROUP", Const::U32(WORKGROUP as u32)));
        let bindings =
            vec![Binding::read("norm", Slot::In(0)), Binding::write("state_now", Slot::Out(0)), Binding::write("ring", Slot::Out(1))];
        let update = Dispatch { shader: "optim/loss_scale", entry: "update", consts, dims: vec![("len", 0)], bindings, groups: [1, 1, 1] };
        Launch { dispatches: vec![update], scratch: vec![] }
    }
}

fn consts(every: usize) -> Vec<(&'static str, Const)> {
    vec![
        ("EVERY", Const::U32(every as u32)),
        ("LEAST", Const::F32(LEAST)),
        ("MOST", Const::F32(MOST)),
        ("BACKOFF", Const::F32(BACKOFF)),
        ("GROWTH", Const::F32(GROWTH)),
        ("OVERFLOW", Const::F32(OVERFLOW)),
        ("SLOT_LEN", Const::U32(SLOT_LEN as u32)),
    ]
}
