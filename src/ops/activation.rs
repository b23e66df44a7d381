//! Pointwise non-linearities: exact GELU and ReLU.
//!
//!   gelu(x) = x·Φ(x),  Φ(x) = ½(1 + erf(x/√2))        relu(x) = max(x, 0)
//!
//! Shapes      x, y: any, the same
//! Derivative  gelu'(x) = Φ(x) + x·φ(x),  φ(x) = exp(−x²/2)/√(2π);  relu'(x) = 1 where x > 0, and 0 at the kink
//! Cost        memory bound; GELU about 30 flop an element
//! Numerics    erf to 2e-7
//! Errors      none
//! Source      Hendrycks & Gimpel 2016, arXiv:1606.08415. Differs: none (not the tanh approximation).

use std::any::Any;
use std::sync::Arc;

use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};
use crate::ops::batchnorm;

const WORKGROUP: usize = 64;

/// Which non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Exact GELU.
    Gelu,
    /// ReLU.
    Relu,
}

/// Applies `kind` to every element.
pub fn activation(graph: &mut Graph, x: Value, kind: Kind) -> Result<Value> {
    graph.push_one(Activation { len: graph.shape(x).len(), kind }, &[x])
}

/// x → f(x).
#[derive(Clone, Debug)]
pub struct Activation {
    /// Elements.
    pub len: usize,
    /// f.
    pub kind: Kind,
}

/// d_y, and x (GELU) or y (ReLU: its sign is enough, so x need not be kept) → d_x (, f(x) again).
#[derive(Clone, Debug)]
pub struct Backward {
    /// Elements.
    pub len: usize,
    /// f.
    pub kind: Kind,
    /// Whether output 1 is f(x), which GELU has half computed along the way.
    pub again: bool,
}

impl Op for Activation {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Gelu => "activation.gelu",
            Kind::Relu => "activation.relu",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone()])
    }

    fn adjoint(&self, graph: &mut Graph, node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None]) };
        let saved = match self.kind {
            Kind::Gelu => node.inputs[0],
            Kind::Relu => node.outputs[0],
        };
        Ok(vec![Some(graph.push_one(Backward { len: self.len, kind: self.kind, again: false }, &[d_y, saved])?)])
    }

    fn cost(&self) -> Cost {
        let flops = if self.kind == Kind::Gelu { 30.0 } else { 1.0 };
        Cost { flops: flops * self.len as f64, bytes: 8.0 * self.len as f64 }
    }

    defined_by!(crate::cpu::activation::forward);

    fn launch(&self, target: &Target) -> Launch {
        launch("forward", target, vec![Binding::read("x", Slot::In(0)), Binding::write("y", Slot::Out(0))], self.len, self.kind)
    }

    fn halves(&self) -> Ports {
        Ports::new(&[0], &[0])
    }

    fn recompute(&self, node: &Node, _port: usize) -> Option<(Arc<dyn Op>, Vec<Value>)> {
        // ReLU's backward keeps y in any case; GELU's keeps x, from which y is cheap.
        (self.kind == Kind::Gelu).then(|| (node.op.clone(), node.inputs.clone()))
    }
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Gelu => "activation.gelu_backward",
            Kind::Relu => "activation.relu_backward",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone(); if self.again { 2 } else { 1 }])
    }

    fn cost(&self) -> Cost {
        let flops = if self.kind == Kind::Gelu { 40.0 } else { 1.0 };
        Cost { flops: flops * self.len as f64, bytes: if self.again { 16.0 } else { 12.0 } * self.len as f64 }
    }

    defined_by!(crate::cpu::activation::backward);

    fn halves(&self) -> Ports {
        Ports::new(&[0, 1], &[0, 1])
    }

    fn launch(&self, target: &Target) -> Launch {
        let mut bindings =
            vec![Binding::read("d_y", Slot::In(0)), Binding::read("saved", Slot::In(1)), Binding::write("d_x", Slot::Out(0))];
        if self.again {
            bindings.push(Binding::write("y_again", Slot::Out(1)));
        }
        launch(if self.again { "backward_again" } else { "backward" }, target, bindings, self.len, self.kind)
    }

    fn absorb(&self, consumer: &dyn Op, port: usize, keep: bool) -> Option<Arc<dyn Op>> {
        // Scaled ReLU: the normalisation finds the sign of y again from its own input.
        let batchnorm = (consumer as &dyn Any).downcast_ref::<batchnorm::Backward>()?;
        if keep || port != 0 || self.kind != Kind::Relu {
            return None;
        }
        Some(Arc::new(batchnorm.with_relu_mask()?))
    }

    fn merge(&self, sibling: &dyn Op, ports: &[usize]) -> Option<Arc<dyn Op>> {
        let sibling = (sibling as &dyn Any).downcast_ref::<Activation>()?;
        let fits = !self.again && self.kind == Kind::Gelu && sibling.kind == Kind::Gelu && ports == [1];
        fits.then(|| Arc::new(Self { again: true, ..*self }) as Arc<dyn Op>)
    }
}

fn launch(entry: &'static str, target: &Target, bindings: Vec<Binding>, len: usize, kind: Kind) -> Launch {
    let unit = target.unit();
    let dispatch = Dispatch {
        shader: "ops/activation",
        entry,
        consts: vec![
            ("GELU", Const::Bool(kind == Kind::Gelu)),
            ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ("UNIT", Const::U32(unit as u32)),
            ("x", Const::Floats(target.input(0))),
            ("y", Const::Units(target.output(0), unit)),
            ("d_y", Const::Floats(target.input(0))),
            ("saved", Const::Floats(target.input(1))),
            ("d_x", Const::Units(target.output(0), unit)),
            ("y_again", Const::Units(target.output(1), unit)),
        ],
        dims: vec![("len", len as u32)],
        bindings,
        groups: flat_groups(len / unit, WORKGROUP),
    };
    Launch { dispatches: vec![dispatch], scratch: vec![] }
}
