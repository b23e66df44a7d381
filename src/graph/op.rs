//! The `Op` trait: one operation, on every executor.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use super::graph::{Graph, Node, Value};
use super::launch::{Launch, Ports, Target};
use super::real::Scalars;
use super::shape::Shape;
use crate::error::{Error, Result};

/// Most inputs and outputs a node may have.
pub const MAX_PORTS: usize = 12;

/// What a definition works on. In-place ports appear as outputs only (their input is empty).
#[derive(Debug)]
pub struct Io<'a, T> {
    /// Inputs by port.
    pub ins: [&'a [T]; MAX_PORTS],
    /// Outputs by port.
    pub outs: [&'a mut [T]; MAX_PORTS],
    /// The numbers of this step.
    pub scalars: &'a Scalars,
}

/// Floor of what an op must do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Multiplications and additions.
    pub flops: f64,
    /// Bytes of f32 read and written once each.
    pub bytes: f64,
}

/// One operation: what comes out, how it is differentiated, what it costs, how each device runs it.
pub trait Op: Any + fmt::Debug + Send + Sync {
    /// `family.entry`, e.g. `layernorm.forward`; the family is the name of its four files.
    fn name(&self) -> &'static str;

    /// Output shapes, or which two shapes do not fit and what would.
    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>>;

    /// Gradients of the inputs from those of the outputs, as more graph.
    fn adjoint(&self, graph: &mut Graph, node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let _ = (graph, d_outputs);
        Err(Error::Internal(format!("{} ({}) has no derivative", self.name(), node.label)))
    }

    /// Arithmetic and memory traffic.
    fn cost(&self) -> Cost;

    /// Runs the definition in f32: the cpu device.
    fn run_f32(&self, io: &mut Io<'_, f32>);

    /// Runs the definition in f64: the oracle.
    fn run_f64(&self, io: &mut Io<'_, f64>);

    /// Kernel launches on a GPU.
    fn launch(&self, target: &Target) -> Launch;

    /// The key under which a tuned candidate is looked up ([`Target::choice`]), and how many there
    /// are in [`super::launch::Tier::Tiled`]; none: nothing to tune.
    fn candidates(&self) -> Option<(String, usize)> {
        None
    }

    /// Ports whose arrays may lie in f16, where their last side is a multiple of 4.
    fn halves(&self) -> Ports {
        Ports::default()
    }

    /// (output, input) ports that are one piece of memory.
    fn in_place(&self) -> &'static [(usize, usize)] {
        &[]
    }

    /// A cheaper op (and its inputs) that makes output `port` again in the backward pass, so that
    /// it need not be kept.
    fn recompute(&self, node: &Node, port: usize) -> Option<(Arc<dyn Op>, Vec<Value>)> {
        let _ = (node, port);
        None
    }

    /// This op with `consumer`, which reads this op's output 0 at `port`, folded into it.
    ///
    /// Inputs of the result: this op's, then the consumer's others in order. Outputs: the
    /// consumer's, then (with `keep`) this op's output 0, then this op's other outputs.
    fn absorb(&self, consumer: &dyn Op, port: usize, keep: bool) -> Option<Arc<dyn Op>> {
        let _ = (consumer, port, keep);
        None
    }

    /// This op making also what `sibling` makes from some of the same inputs, which are this op's at
    /// `ports`. Outputs: this op's, then the sibling's.
    fn merge(&self, sibling: &dyn Op, ports: &[usize]) -> Option<Arc<dyn Op>> {
        let _ = (sibling, ports);
        None
    }
}

/// Implements the two typed entry points of [`Op`] with one generic definition
/// `fn(&Self, &mut Io<T>)`.
#[macro_export]
macro_rules! defined_by {
    ($definition:path) => {
        fn run_f32(&self, io: &mut $crate::graph::Io<'_, f32>) {
            $definition(self, io)
        }
        fn run_f64(&self, io: &mut $crate::graph::Io<'_, f64>) {
            $definition(self, io)
        }
    };
}
