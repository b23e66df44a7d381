//! Running average of parameters (and of BatchNorm's running statistics).
//!
//!   e ← d·e + (1 − d)·p
//!
//! Shapes      p, e [P]
//! Derivative  none
//! Cost        3·P flop, 3·P·4 bytes
//! Numerics    none
//! Errors      none
//! Source      timm's ModelEma, which averages every entry of the state dict. Differs: none.

use super::flat;
use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Launch, Slot, Target};
use crate::graph::{Cost, Op, Shape};

/// p, e (in place) → e.
#[derive(Clone, Debug)]
pub struct Ema {
    /// P.
    pub len: usize,
}

impl Op for Ema {
    fn name(&self) -> &'static str {
        "ema.average"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[1].clone()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: 3.0 * self.len as f64, bytes: 12.0 * self.len as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 1)]
    }

    defined_by!(crate::cpu::ema::average);

    fn launch(&self, _target: &Target) -> Launch {
        let bindings = vec![Binding::read("value", Slot::In(0)), Binding::write("mean", Slot::Out(0))];
        flat("optim/ema", "average", vec![], vec![("len", self.len as u32)], bindings, self.len)
    }
}
