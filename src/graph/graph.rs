//! The graph: values and the nodes that make them, in the order they run.

use std::sync::Arc;

use super::op::{MAX_PORTS, Op};
use super::place::Place;
use super::shape::Shape;
use crate::error::{Error, Result};

/// Handle of a value in one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(pub usize);

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Persistent memory.
    Leaf(Place),
    /// Output `port` of node `node`.
    Node {
        /// Index of the node.
        node: usize,
        /// Output port.
        port: usize,
    },
}

/// Shape and origin of a value.
#[derive(Clone, Debug)]
pub struct ValueInfo {
    /// Sides.
    pub shape: Shape,
    /// Origin.
    pub source: Source,
    /// Whether it is stored in f16.
    pub half: bool,
}

/// Makes the op that copies so many numbers.
pub type Copier = fn(usize) -> Arc<dyn Op>;

/// One op applied to values.
#[derive(Clone, Debug)]
pub struct Node {
    /// The op.
    pub op: Arc<dyn Op>,
    /// Inputs by port.
    pub inputs: Vec<Value>,
    /// Outputs by port.
    pub outputs: Vec<Value>,
    /// Where in the model: `blocks.3.attn`; empty outside.
    pub label: String,
}

/// Values and nodes; nodes are in the order they run.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// By handle.
    pub values: Vec<ValueInfo>,
    /// In running order.
    pub nodes: Vec<Node>,
    /// Values that must end up in persistent memory.
    pub stores: Vec<(Value, Place)>,
    /// With it what may be in f16 is (see [`super::precision`]), weights of products by a copy; without it
    /// all is f32.
    pub narrow: Option<Copier>,
    scope: Vec<String>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty graph, mixed precision with a copier.
    pub fn with_copier(narrow: Option<Copier>) -> Self {
        Self { narrow, ..Self::default() }
    }

    /// A value that lies in persistent memory.
    pub fn leaf(&mut self, place: Place, shape: impl Into<Shape>) -> Value {
        self.values.push(ValueInfo { shape: shape.into(), source: Source::Leaf(place), half: false });
        Value(self.values.len() - 1)
    }

    /// Applies `op`; errors name the place in the model.
    pub fn push(&mut self, op: impl Op, inputs: &[Value]) -> Result<Vec<Value>> {
        self.push_shared(Arc::new(op), inputs)
    }

    /// Applies an op with a single output.
    pub fn push_one(&mut self, op: impl Op, inputs: &[Value]) -> Result<Value> {
        Ok(self.push(op, inputs)?[0])
    }

    /// Applies a shared op.
    pub fn push_shared(&mut self, op: Arc<dyn Op>, inputs: &[Value]) -> Result<Vec<Value>> {
        let shapes: Vec<&Shape> = inputs.iter().map(|value| self.shape(*value)).collect();
        let outputs = op.infer(&shapes).map_err(|error| self.in_scope(error))?;
        assert!(inputs.len() <= MAX_PORTS && outputs.len() <= MAX_PORTS, "{}: too many ports", op.name());
        let node = self.nodes.len();
        let outputs = outputs
            .into_iter()
            .enumerate()
            .map(|(port, shape)| {
                self.values.push(ValueInfo { shape, source: Source::Node { node, port }, half: false });
                Value(self.values.len() - 1)
            })
            .collect::<Vec<_>>();
        let label = self.scope.join(".");
        self.nodes.push(Node { op, inputs: inputs.to_vec(), outputs: outputs.clone(), label });
        Ok(outputs)
    }

    /// Shape of a value.
    pub fn shape(&self, value: Value) -> &Shape {
        &self.values[value.0].shape
    }

    /// [rows, width] of a value.
    pub fn rows_and_width(&self, value: Value) -> (usize, usize) {
        self.shape(value).rows_and_width()
    }

    /// Gives a value other sides of the same length.
    pub fn reshape(&mut self, value: Value, sides: &[usize]) -> Result<()> {
        let shape = Shape::new(sides);
        if shape.len() != self.shape(value).len() {
            let what = format!("{} has not as many elements as {shape}", self.shape(value));
            return Err(self.in_scope(Error::shape("reshape", what, "")));
        }
        self.values[value.0].shape = shape;
        Ok(())
    }

    /// Demands that `value` be written to `place` instead of an arena.
    pub fn store(&mut self, value: Value, place: Place) {
        self.stores.push((value, place));
    }

    /// Runs `build` with `name` appended to the labels of its nodes.
    pub fn scoped<R>(&mut self, name: &str, build: impl FnOnce(&mut Self) -> R) -> R {
        self.scope.push(name.to_string());
        let result = build(self);
        self.scope.pop();
        result
    }

    /// `value` as the backward pass should read it: recomputed when that is cheaper than keeping it.
    pub fn saved(&mut self, value: Value) -> Result<Value> {
        let Source::Node { node, port } = self.values[value.0].source else { return Ok(value) };
        let node = self.nodes[node].clone();
        let Some((op, inputs)) = node.op.recompute(&node, port) else { return Ok(value) };
        let label = format!("{} (again)", node.label);
        self.scoped(&label, |graph| Ok(graph.push_shared(op, &inputs)?[0]))
    }

    /// Points every value at the node that now makes it, after nodes have moved.
    pub(super) fn relink(&mut self) {
        for (node_ix, node) in self.nodes.iter().enumerate() {
            for (port, output) in node.outputs.iter().enumerate() {
                self.values[output.0].source = Source::Node { node: node_ix, port };
            }
        }
    }

    fn in_scope(&self, error: Error) -> Error {
        match error {
            Error::Shape { op, what, hint } if !self.scope.is_empty() => {
                Error::Shape { op: format!("{} ({op})", self.scope.join(".")), what, hint }
            }
            other => other,
        }
    }
}
