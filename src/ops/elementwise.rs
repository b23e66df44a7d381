//! Sums and multiples of values of one shape.
//!
//!   add: y = a + b
//!   scale: y = factor·a
//!
//! Shapes      a, b, y: any, all the same
//! Derivative  add: d_a = d_b = d_y;  scale: d_a = factor·d_y
//! Cost        one flop an element (memory bound)
//! Errors      different shapes
//! Source      none. Differs: none.

use std::sync::Arc;

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};

const WORKGROUP: usize = 64;

/// a + b.
pub fn add(graph: &mut Graph, a: Value, b: Value) -> Result<Value> {
    graph.push_one(Add { len: graph.shape(a).len() }, &[a, b])
}

/// factor·a.
pub fn scale(graph: &mut Graph, a: Value, factor: f64) -> Result<Value> {
    graph.push_one(Scale { len: graph.shape(a).len(), factor }, &[a])
}

/// The op that copies `len` numbers: with it a weight comes to lie in f16.
pub fn copier(len: usize) -> Arc<dyn Op> {
    Arc::new(Scale { len, factor: 1.0 })
}

/// a, b → a + b.
#[derive(Clone, Debug)]
pub struct Add {
    /// Elements.
    pub len: usize,
}

/// a → factor·a.
#[derive(Clone, Debug)]
pub struct Scale {
    /// Elements.
    pub len: usize,
    /// Factor.
    pub factor: f64,
}

impl Op for Add {
    fn name(&self) -> &'static str {
        "elementwise.add"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        if inputs[0] != inputs[1] {
            return Err(Error::shape("add", format!("shapes {} and {} differ", inputs[0], inputs[1]), ""));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn adjoint(&self, _graph: &mut Graph, _node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        Ok(vec![d_outputs[0], d_outputs[0]])
    }

    fn cost(&self) -> Cost {
        Cost { flops: self.len as f64, bytes: 12.0 * self.len as f64 }
    }

    defined_by!(crate::cpu::elementwise::add);

    fn halves(&self) -> Ports {
        Ports::new(&[0, 1], &[])
    }

    fn launch(&self, target: &Target) -> Launch {
        let bindings = vec![Binding::read("a", Slot::In(0)), Binding::read("b", Slot::In(1)), Binding::write("y", Slot::Out(0))];
        launch("add", target, bindings, self.len, 1.0)
    }
}

impl Op for Scale {
    fn name(&self) -> &'static str {
        "elementwise.scale"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone()])
    }

    fn adjoint(&self, graph: &mut Graph, _node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let d_a = d_outputs[0].map(|d_y| scale(graph, d_y, self.factor)).transpose()?;
        Ok(vec![d_a])
    }

    fn cost(&self) -> Cost {
        Cost { flops: self.len as f64, bytes: 8.0 * self.len as f64 }
    }

    defined_by!(crate::cpu::elementwise::scale);

    fn halves(&self) -> Ports {
        Ports::new(&[0], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        let bindings = vec![Binding::read("a", Slot::In(0)), Binding::write("scaled", Slot::Out(0))];
        launch("scale", target, bindings, self.len, self.factor as f32)
    }
}

fn launch(entry: &'static str, target: &Target, bindings: Vec<Binding>, len: usize, factor: f32) -> Launch {
    let unit = target.unit();
    let dispatch = Dispatch {
        shader: "ops/elementwise",
        entry,
        consts: vec![
            ("FACTOR", Const::F32(factor)),
            ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ("UNIT", Const::U32(unit as u32)),
            ("a", Const::Floats(target.input(0))),
            ("b", Const::Floats(target.input(1))),
            ("scaled", Const::Units(target.output(0), unit)),
        ],
        dims: vec![("len", len as u32)],
        bindings,
        groups: flat_groups(len / unit, WORKGROUP),
    };
    Launch { dispatches: vec![dispatch], scratch: vec![] }
}
