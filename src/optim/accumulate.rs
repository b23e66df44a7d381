//! Gradients of micro-batches, added up.
//!
//!   total ← (first micro-batch ? 0 : total) + g
//!
//! Shapes      g, total [P]
//! Derivative  none
//! Cost        P flop, 3·P·4 bytes
//! Numerics    micro-batches in order
//! Errors      none
//! Source      none. Differs: none.

use super::flat;
use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Launch, Slot, Target};
use crate::graph::{Cost, Op, Shape};

/// g, total (in place) → total.
#[derive(Clone, Debug)]
pub struct Accumulate {
    /// P.
    pub len: usize,
}

impl Op for Accumulate {
    fn name(&self) -> &'static str {
        "accumulate.add"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[1].clone()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: self.len as f64, bytes: 12.0 * self.len as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 1)]
    }

    defined_by!(crate::cpu::accumulate::add);

    fn launch(&self, _target: &Target) -> Launch {
        let bindings = vec![Binding::read("part", Slot::In(0)), Binding::write("total", Slot::Out(0))];
        flat("optim/accumulate", "add", vec![], vec![("len", self.len as u32)], bindings, self.len)
    }
}
