//! Sharpness-aware minimisation: up the slope before the second pass, and back after it.
//!
//!   ascend:  saved ← p;  p ← p + ρ·g/(norm + 1e-12)   (ASAM: p + ρ·p²∘g/(norm + 1e-12))
//!   restore: p ← saved
//!
//! Shapes      g, p, saved [P]; norm [4] (ASAM: the norm of |p|∘g)
//! Derivative  none
//! Cost        3·P flop, 4·P·4 bytes
//! Numerics    `restore` is a copy, so p comes back to the bit; no ascent where a gradient is not finite
//! Errors      none
//! Source      Foret et al. 2021, arXiv:2010.01412; Kwon et al. 2021, arXiv:2102.11600. Differs: none.

use super::flat;
use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Const, Launch, Slot, Target};
use crate::graph::{Cost, Op, Shape};

/// g, norm, p, saved (both in place) → p, saved.
#[derive(Clone, Debug)]
pub struct Ascend {
    /// P.
    pub len: usize,
    /// ASAM.
    pub adaptive: bool,
}

/// saved, p (in place) → p.
#[derive(Clone, Debug)]
pub struct Restore {
    /// P.
    pub len: usize,
}

impl Op for Ascend {
    fn name(&self) -> &'static str {
        "sam.ascend"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(inputs[2..4].iter().map(|shape| (*shape).clone()).collect())
    }

    fn cost(&self) -> Cost {
        Cost { flops: 3.0 * self.len as f64, bytes: 16.0 * self.len as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 2), (1, 3)]
    }

    defined_by!(crate::cpu::sam::ascend);

    fn launch(&self, _target: &Target) -> Launch {
        let bindings = vec![
            Binding::read("gradients", Slot::In(0)),
            Binding::read("norm", Slot::In(1)),
            Binding::write("parameters", Slot::Out(0)),
            Binding::write("saved", Slot::Out(1)),
        ];
        flat("optim/sam", "ascend", vec![("ADAPTIVE", Const::Bool(self.adaptive))], vec![("len", self.len as u32)], bindings, self.len)
    }
}

impl Op for Restore {
    fn name(&self) -> &'static str {
        "sam.restore"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[1].clone()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: 0.0, bytes: 8.0 * self.len as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 1)]
    }

    defined_by!(crate::cpu::sam::restore);

    fn launch(&self, _target: &Target) -> Launch {
        let bindings = vec![Binding::read("saved_in", Slot::In(0)), Binding::write("restored", Slot::Out(0))];
        flat("optim/sam", "restore", vec![("ADAPTIVE", Const::Bool(false))], vec![("len", self.len as u32)], bindings, self.len)
    }
}
