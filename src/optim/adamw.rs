//! AdamW: Adam with decoupled weight decay, one flat kernel.
//!
//!   g ← clip·g;  p ← p·(1 − lr·wd);  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²
//!   p ← p − (lr/(1−β₁ᵗ))·m / (√v/√(1−β₂ᵗ) + ε)
//!
//! Shapes      g, p, m, v [P]; the first `decayed_len` are decayed; norm [4]
//! Derivative  none
//! Cost        15·P flop, 7·P·4 bytes
//! Numerics    nothing is changed in a step whose gradients are not all finite
//! Errors      none
//! Source      Loshchilov & Hutter 2019, arXiv:1711.05101, as torch.optim.AdamW. Differs: none.

use super::flat;
use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Const, Launch, Slot, Target};
use crate::graph::{Cost, Op, Shape};

/// g, norm, p, m, v (all three in place) → p, m, v.
#[derive(Clone, Debug)]
pub struct AdamW {
    /// P.
    pub len: usize,
    /// Parameters that are decayed; they come first.
    pub decayed_len: usize,
    /// β₁, β₂.
    pub betas: [f64; 2],
    /// ε.
    pub eps: f64,
}

impl Op for AdamW {
    fn name(&self) -> &'static str {
        "adamw.step"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(inputs[2..5].iter().map(|shape| (*shape).clone()).collect())
    }

    fn cost(&self) -> Cost {
        Cost { flops: 15.0 * self.len as f64, bytes: 28.0 * self.len as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 2), (1, 3), (2, 4)]
    }

    defined_by!(crate::cpu::adamw::step);

    fn launch(&self, _target: &Target) -> Launch {
        let consts = vec![
            ("BETA1", Const::F32(self.betas[0] as f32)),
            ("BETA2", Const::F32(self.betas[1] as f32)),
            // 1 − β in f64: in f32 the difference would lose half its digits.
            ("ONE_MINUS_BETA1", Const::F32((1.0 - self.betas[0]) as f32)),
            ("ONE_MINUS_BETA2", Const::F32((1.0 - self.betas[1]) as f32)),
            ("EPS", Const::F32(self.eps as f32)),
        ];
        let bindings = vec![
            Binding::read("gradients", Slot::In(0)),
            Binding::read("norm", Slot::In(1)),
            Binding::write("parameters", Slot::Out(0)),
            Binding::write("momentum", Slot::Out(1)),
            Binding::write("variance", Slot::Out(2)),
        ];
        let dims = vec![("len", self.len as u32), ("decayed_len", self.decayed_len as u32)];
        flat("optim/adamw", "step", consts, dims, bindings, self.len)
    }
}
