//! A vector added to every row, and its gradient: the sum of the rows.
//!
//!   add: y = x + 1·bᵀ        column_sum: s = Σ_rows x
//!
//! Shapes      x, y [R, W];  b, s [W]
//! Derivative  d_x = d_y,  d_b = Σ_rows d_y
//! Cost        R·W flop (memory bound)
//! Numerics    the sum runs over fixed chunks of rows, then over the chunks in order
//! Errors      b of another width
//! Source      none. Differs: none.

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};

/// Rows one invocation sums into a partial.
const PARTIAL_ROWS: usize = 64;
const WORKGROUP: usize = 64;

/// Adds `bias` [W] to every row of `x` [.., W].
pub fn add_bias(graph: &mut Graph, x: Value, bias: Value) -> Result<Value> {
    let (rows, width) = graph.rows_and_width(x);
    graph.push_one(AddBias { rows, width }, &[x, bias])
}

/// x, b → x + b.
#[derive(Clone, Debug)]
pub struct AddBias {
    /// R.
    pub rows: usize,
    /// W.
    pub width: usize,
}

/// x → Σ_rows x.
#[derive(Clone, Debug)]
pub struct ColumnSum {
    /// R.
    pub rows: usize,
    /// W.
    pub width: usize,
}

impl Op for AddBias {
    fn name(&self) -> &'static str {
        "bias.add"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        if inputs[1].len() != self.width {
            return Err(Error::shape("bias", format!("bias {} does not fit x {}", inputs[1], inputs[0]), "it is as long as the last side"));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn adjoint(&self, graph: &mut Graph, _node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None; 2]) };
        let d_bias = graph.push_one(ColumnSum { rows: self.rows, width: self.width }, &[d_y])?;
        Ok(vec![Some(d_y), Some(d_bias)])
    }

    fn cost(&self) -> Cost {
        let len = (self.rows * self.width) as f64;
        Cost { flops: len, bytes: 8.0 * len }
    }

    defined_by!(crate::cpu::bias::add);

    fn halves(&self) -> Ports {
        Ports::new(&[0], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        let bindings = vec![Binding::read("x", Slot::In(0)), Binding::read("bias", Slot::In(1)), Binding::write("y", Slot::Out(0))];
        let groups = flat_groups(self.rows * self.width / target.unit(), WORKGROUP);
        Launch { dispatches: vec![dispatch("add", target, bindings, groups, [self.rows, self.width])], scratch: vec![] }
    }
}

impl Op for ColumnSum {
    fn name(&self) -> &'static str {
        "bias.column_sum"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![[self.width].into()])
    }

    fn cost(&self) -> Cost {
        let len = (self.rows * self.width) as f64;
        Cost { flops: len, bytes: 4.0 * len }
    }

    defined_by!(crate::cpu::bias::column_sum);

    fn halves(&self) -> Ports {
        Ports::new(&[0], &[])
    }

    fn launch(&self, target: &Target) -> Launch {
        let num_partials = self.rows.div_ceil(PARTIAL_ROWS);
        let partial = vec![Binding::read("x", Slot::In(0)), Binding::write("partial", Slot::Scratch(0))];
        let last = vec![Binding::read("partial_in", Slot::Scratch(0)), Binding::write("sum", Slot::Out(0))];
        let dispatches = vec![
            dispatch("column_sum_partial", target, partial, flat_groups(num_partials * self.width, WORKGROUP), [self.rows, self.width]),
            dispatch("column_sum_final", target, last, flat_groups(self.width, WORKGROUP), [self.rows, self.width]),
        ];
        Launch { dispatches, scratch: vec![num_partials * self.width] }
    }
}

fn dispatch(entry: &'static str, target: &Target, bindings: Vec<Binding>, groups: [u32; 3], [rows, width]: [usize; 2]) -> Dispatch {
    Dispatch {
        shader: "ops/bias",
        entry,
        consts: vec![
            ("PARTIAL_ROWS", Const::U32(PARTIAL_ROWS as u32)),
            ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ("UNIT", Const::U32(target.unit() as u32)),
            ("x", Const::Floats(target.input(0))),
            ("y", Const::Units(target.output(0), target.unit())),
        ],
        dims: vec![("rows", rows as u32), ("width", width as u32)],
        bindings,
        groups,
    }
}
