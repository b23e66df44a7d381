//! Drop-path: the branch of a residual is left out for some samples.
//!
//!   y[b] = x[b]·m_b,  m_b = 0 with chance p, else 1/(1 − p)
//!
//! Shapes      x, y [B, ..]
//! Derivative  d_x[b] = d_y[b]·m_b, with the same draws
//! Cost        memory bound
//! Numerics    the draw is a function of (seed, step, pass, branch, sample), so it needs no memory
//! Errors      none (p is checked with the config)
//! Source      Huang et al. 2016, arXiv:1603.09382, as timm's DropPath. Differs: the random numbers.

use crate::defined_by;
use crate::error::Result;
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Scalars, Shape, Value};
use crate::rng::{Stream, device_words, unit};

const WORKGROUP: usize = 64;

/// Drops samples of `x` [B, ..] with chance `drop_frac`; every branch of a model has its own `branch_ix`.
pub fn drop_path(graph: &mut Graph, x: Value, drop_frac: f64, branch_ix: u32) -> Result<Value> {
    let shape = graph.shape(x);
    let batch = shape.sides()[0];
    let op = DropPath { batch, sample_len: shape.len() / batch, drop_frac, branch_ix };
    graph.push_one(op, &[x])
}

/// x → y; also d_y → d_x.
#[derive(Clone, Debug)]
pub struct DropPath {
    /// B.
    pub batch: usize,
    /// Elements of one sample.
    pub sample_len: usize,
    /// p.
    pub drop_frac: f64,
    /// Which branch of the model.
    pub branch_ix: u32,
}

impl DropPath {
    /// m_b.
    pub fn factor(&self, scalars: &Scalars, sample: usize) -> f64 {
        // Branches and passes of one step must not share draws: 2⁸ passes, 2¹² branches, 2¹² samples.
        let index = (scalars.draw << 24) ^ (self.branch_ix << 12) ^ sample as u32;
        let word = device_words(scalars.seed, Stream::DropPath as u32, scalars.step, index)[0];
        // In f32, as the kernel compares.
        if unit(word) < self.drop_frac as f32 { 0.0 } else { 1.0 / (1.0 - self.drop_frac) }
    }
}

impl Op for DropPath {
    fn name(&self) -> &'static str {
        "drop_path.apply"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone()])
    }

    fn adjoint(&self, graph: &mut Graph, _node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None]) };
        Ok(vec![Some(graph.push_one(self.clone(), &[d_y])?)])
    }

    fn cost(&self) -> Cost {
        let len = (self.batch * self.sample_len) as f64;
        Cost { flops: len, bytes: 8.0 * len }
    }

    defined_by!(crate::cpu::drop_path::apply);

    fn halves(&self) -> Ports {
        // Units of 4 lie within a sample: its last side is a multiple of 4 where it is in f16.
        Ports::new(&[0], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        let dispatch = Dispatch {
            shader: "ops/drop_path",
            entry: "apply",
            consts: vec![
                ("DROP_FRAC", Const::F32(self.drop_frac as f32)),
                ("STREAM", Const::U32(Stream::DropPath as u32)),
                ("WORKGROUP", Const::U32(WORKGROUP as u32)),
                ("UNIT", Const::U32(target.unit() as u32)),
                ("x", Const::Floats(target.input(0))),
                ("y", Const::Units(target.output(0), target.unit())),
            ],
            dims: vec![
                ("len", (self.batch * self.sample_len) as u32),
                ("sample_len", self.sample_len as u32),
                ("branch_ix", self.branch_ix),
            ],
            bindings: vec![Binding::read("x", Slot::In(0)), Binding::write("y", Slot::Out(0))],
            groups: flat_groups(self.batch * self.sample_len / target.unit(), WORKGROUP),
        };
        Launch { dispatches: vec![dispatch], scratch: vec![] }
    }
}
