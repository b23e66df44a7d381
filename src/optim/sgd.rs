//! SGD with momentum and L2 decay.
//!
//!   g ← clip·g + wd·p;  b ← μ·b + g;  p ← p − lr·b
//!
//! Shapes      g, p, b [P]; the first `decayed_len` are decayed; norm [4]
//! Derivative  none
//! Cost        6·P flop, 5·P·4 bytes
//! Numerics    nothing is changed in a step whose gradients are not all finite
//! Errors      none
//! Source      torch.optim.SGD (no dampening, no Nesterov). Differs: none (b starts at 0, so the first b is g).

use super::flat;
use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Const, Launch, Slot, Target};
use crate::graph::{Cost, Op, Shape};

/// g, norm, p, b (both in place) → p, b.
#[derive(Clone, Debug)]
pub struct Sgd {
    /// P.
    pub len: usize,
    /// Parameters that are decayed; they come first.
    pub decayed_len: usize,
    /// μ.
    pub momentum: f64,
}

impl Op for Sgd {
    fn name(&self) -> &'static str {
        "sgd.step"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(inputs[2..4].iter().map(|shape| (*shape).clone()).collect())
    }

    fn cost(&self) -> Cost {
        Cost { flops: 6.0 * self.len as f64, bytes: 20.0 * self.len as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 2), (1, 3)]
    }

    defined_by!(crate::cpu::sgd::step);

    fn launch(&self, _target: &Target) -> Launch {
        let bindings = vec![
            Binding::read("gradients", Slot::In(0)),
            Binding::read("norm", Slot::In(1)),
            Binding::write("parameters", Slot::Out(0)),
            Binding::write("momentum", Slot::Out(1)),
        ];
        let dims = vec![("len", self.len as u32), ("decayed_len", self.decayed_len as u32)];
        flat("optim/sgd", "step", vec![("MU", Const::F32(self.momentum as f32))], dims, bindings, self.len)
    }
}
