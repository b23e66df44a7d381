//! Cross-entropy with soft targets: the loss, and the seed of the backward pass.
//!
//!   row_loss = −Σ_k y_k·log_softmax(z)_k,  loss = mean over the rows
//!
//! Shapes      z, y [B, K] → row_loss [B]; with mixed precision the state of the loss scale as a third input
//! Derivative  d_z = (softmax(z)·Σ_k y_k − y)·loss_scale/B (·s with mixed precision); the seed 1 is built in
//! Cost        about 10·B·K flop
//! Numerics    the row's maximum is taken off before exp
//! Errors      different shapes
//! Source      timm's SoftTargetCrossEntropy. Differs: rows beyond `Scalars::valid` have loss 0.

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};

const WORKGROUP: usize = 64;

/// Loss of each row; gradients of it are multiplied by the first word of `scale`.
pub fn cross_entropy(graph: &mut Graph, logits: Value, targets: Value, scale: Option<Value>) -> Result<Value> {
    let (batch, classes) = graph.rows_and_width(logits);
    let inputs: Vec<Value> = [logits, targets].into_iter().chain(scale).collect();
    graph.push_one(Forward { batch, classes, scaled: scale.is_some() }, &inputs)
}

/// z, y (, scale, for the derivative) → row_loss.
#[derive(Clone, Debug)]
pub struct Forward {
    /// B.
    pub batch: usize,
    /// K.
    pub classes: usize,
    /// Whether a loss scale multiplies the gradient.
    pub scaled: bool,
}

/// z, y (, scale) → d_z.
#[derive(Clone, Debug)]
pub struct Backward {
    /// B.
    pub batch: usize,
    /// K.
    pub classes: usize,
    /// Whether a loss scale multiplies the gradient.
    pub scaled: bool,
}

impl Op for Forward {
    fn name(&self) -> &'static str {
        "cross_entropy.forward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        if inputs[0] != inputs[1] {
            return Err(Error::shape("cross_entropy", format!("logits {} and targets {} differ", inputs[0], inputs[1]), ""));
        }
        Ok(vec![[self.batch].into()])
    }

    fn adjoint(&self, graph: &mut Graph, node: &Node, _d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let backward = Backward { batch: self.batch, classes: self.classes, scaled: self.scaled };
        Ok(vec![Some(graph.push_one(backward, &node.inputs)?), None])
    }

    fn cost(&self) -> Cost {
        let len = (self.batch * self.classes) as f64;
        Cost { flops: 10.0 * len, bytes: 8.0 * len }
    }

    defined_by!(crate::cpu::cross_entropy::forward);

    fn launch(&self, _target: &Target) -> Launch {
        launch("forward", vec![Binding::write("row_loss", Slot::Out(0))], false, [self.batch, self.classes])
    }
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "cross_entropy.backward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone()])
    }

    fn cost(&self) -> Cost {
        let len = (self.batch * self.classes) as f64;
        Cost { flops: 10.0 * len, bytes: 12.0 * len }
    }

    defined_by!(crate::cpu::cross_entropy::backward);

    fn launch(&self, _target: &Target) -> Launch {
        // Without a scale the binding must still be filled; the shader does not read it.
        let scale = Slot::In(if self.scaled { 2 } else { 0 });
        let bindings = vec![Binding::write("d_logits", Slot::Out(0)), Binding::read("scale", scale)];
        launch("backward", bindings, self.scaled, [self.batch, self.classes])
    }
}

fn launch(entry: &'static str, others: Vec<Binding>, scaled: bool, [batch, classes]: [usize; 2]) -> Launch {
    let dispatch = Dispatch {
        shader: "ops/cross_entropy",
        entry,
        consts: vec![("SCALED", Const::Bool(scaled)), ("WORKGROUP", Const::U32(WORKGROUP as u32))],
        dims: vec![("batch", batch as u32), ("classes", classes as u32)],
        bindings: [vec![Binding::read("logits", Slot::In(0)), Binding::read("targets", Slot::In(1))], others].concat(),
        groups: flat_groups(batch, WORKGROUP),
    };
    Launch { dispatches: vec![dispatch], scratch: vec![] }
}
