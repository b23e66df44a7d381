//! Batch normalisation over all rows, with ReLU folded in on demand: the paper's scaled ReLU.
//!
//!   training: μ = mean(x), ρ = 1/√(var(x) + ε);  evaluation: running mean and variance instead
//!   y = (x − μ)·ρ·γ + β  (then max(·, 0))
//!   running ← running + m·(batch − running), with the unbiased batch variance
//!
//! Shapes      x [R, C] → y [R, C];  γ, β, running mean and variance, saved μ and ρ [C]
//! Derivative  d_γ = Σ g·x̂,  d_β = Σ g,  d_x = γ·ρ·(g − d_β/R − x̂·d_γ/R),  g = d_y where y > 0
//! Cost        training 8·R·C flop, 3·R·C·4 bytes forward, 5·R·C·4 bytes backward (memory bound)
//! Numerics    moments of blocks of rows around the block's own mean, joined by Chan's formula; biased
//!             variance, ε inside the root; a non-finite batch statistic leaves the running one alone
//! Errors      R = 1 in training, vectors of another width
//! Source      Ioffe & Szegedy 2015, arXiv:1502.03167. Differs: none (PyTorch convention).

use std::any::Any;
use std::sync::Arc;

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Target, Tier, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};
use crate::ops::activation::{Activation, Kind};

/// ε of every batch normalisation (PyTorch's default).
pub const EPS: f64 = 1e-5;
/// Invocations of a workgroup (`WORKGROUP` in the shader).
const WORKGROUP: usize = 64;
/// Rows of one partial sum, at least; and the most partial sums.
const CHUNK_ROWS: usize = 16;
const MAX_CHUNKS: usize = 2048;

/// Trained vectors and running statistics of one layer, each [C].
#[derive(Clone, Copy, Debug)]
pub struct Params {
    /// γ.
    pub gamma: Value,
    /// β.
    pub beta: Value,
    /// Running mean, a leaf.
    pub running_mean: Value,
    /// Running variance, a leaf.
    pub running_var: Value,
}

/// Normalises `x` [.., C] with the statistics of its own rows and updates the running ones in place.
pub fn batchnorm(graph: &mut Graph, x: Value, params: Params) -> Result<Value> {
    let (rows, width) = graph.rows_and_width(x);
    Ok(graph.push(Forward { rows, width, relu: false }, &[x, params.gamma, params.beta, params.running_mean, params.running_var])?[0])
}

/// Normalises `x` [.., C] with the running statistics.
pub fn batchnorm_evaluate(graph: &mut Graph, x: Value, params: Params) -> Result<Value> {
    let (rows, width) = graph.rows_and_width(x);
    graph.push_one(Evaluate { rows, width, relu: false }, &[x, params.gamma, params.beta, params.running_mean, params.running_var])
}

/// x, γ, β, running mean, running variance → y, μ, ρ, and the running statistics in place.
#[derive(Clone, Debug)]
pub struct Forward {
    /// R.
    pub rows: usize,
    /// C.
    pub width: usize,
    /// Whether max(·, 0) follows.
    pub relu: bool,
}

/// x, γ, β, running mean, running variance → y.
#[derive(Clone, Debug)]
pub struct Evaluate {
    /// R.
    pub rows: usize,
    /// C.
    pub width: usize,
    /// Whether max(·, 0) follows.
    pub relu: bool,
}

/// d_y (, y), x, μ, ρ, γ, β → d_x, d_γ, d_β. With `relu` the output y of the ReLU is among the
/// inputs, but its sign is found again from x, which is read anyhow.
#[derive(Clone, Debug)]
pub struct Backward {
    /// R.
    pub rows: usize,
    /// C.
    pub width: usize,
    /// Whether a ReLU followed.
    pub relu: bool,
}

impl Backward {
    /// The backward pass of the layer and the ReLU after it, when it is not that already.
    pub fn with_relu_mask(&self) -> Option<Self> {
        (!self.relu).then_some(Self { relu: true, ..*self })
    }

    /// Input port of x; μ, ρ, γ and β follow it.
    pub fn first_saved(&self) -> usize {
        if self.relu { 2 } else { 1 }
    }
}

impl Op for Forward {
    fn name(&self) -> &'static str {
        "batchnorm.forward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        check_width(inputs, self.width)?;
        if self.rows < 2 {
            let what = format!("input {} has {} value per channel in training", inputs[0], self.rows);
            return Err(Error::shape("batchnorm", what, "the variance needs two: take a larger batch"));
        }
        let width: Shape = [self.width].into();
        Ok(vec![inputs[0].clone(), width.clone(), width.clone(), width.clone(), width])
    }

    fn adjoint(&self, graph: &mut Graph, node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None; 5]) };
        let [x, gamma, beta] = [node.inputs[0], node.inputs[1], node.inputs[2]];
        let x = graph.saved(x)?;
        let backward = Backward { rows: self.rows, width: self.width, relu: false };
        let d = graph.push(backward, &[d_y, x, node.outputs[1], node.outputs[2], gamma, beta])?;
        Ok(vec![Some(d[0]), Some(d[1]), Some(d[2]), None, None])
    }

    fn cost(&self) -> Cost {
        let len = (self.rows * self.width) as f64;
        Cost { flops: 8.0 * len, bytes: 12.0 * len }
    }

    defined_by!(crate::cpu::batchnorm::forward);

    fn halves(&self) -> Ports {
        Ports::new(&[0], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        use Binding as B;
        let call = Call { rows: self.rows, width: self.width, relu: self.relu, target, x: 0 };
        let partial = vec![B::read("x", Slot::In(0)), B::write("partial", Slot::Scratch(0))];
        let last = vec![
            B::read("partial_in", Slot::Scratch(0)),
            B::write("mean_saved", Slot::Out(1)),
            B::write("rstd_saved", Slot::Out(2)),
            B::write("running_mean", Slot::Out(3)),
            B::write("running_var", Slot::Out(4)),
        ];
        let apply = vec![
            B::read("x", Slot::In(0)),
            B::read("mean", Slot::Out(1)),
            B::read("rstd", Slot::Out(2)),
            B::read("gamma", Slot::In(1)),
            B::read("beta", Slot::In(2)),
            B::write("y", Slot::Out(0)),
        ];
        let dispatches = vec![
            call.dispatch("forward_partial", partial, call.num_chunks() * self.width),
            call.last(["forward_final", "forward_final_tiled"], last),
            call.dispatch("forward", apply, self.rows * self.width / target.unit()),
        ];
        Launch { dispatches, scratch: vec![call.num_chunks() * 2 * self.width] }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(3, 3), (4, 4)]
    }

    fn absorb(&self, consumer: &dyn Op, _port: usize, keep: bool) -> Option<Arc<dyn Op>> {
        let fits = is_relu(consumer) && !keep && !self.relu;
        fits.then(|| Arc::new(Self { relu: true, ..*self }) as Arc<dyn Op>)
    }
}

impl Op for Evaluate {
    fn name(&self) -> &'static str {
        "batchnorm.evaluate"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        check_width(inputs, self.width)?;
        Ok(vec![inputs[0].clone()])
    }

    fn cost(&self) -> Cost {
        let len = (self.rows * self.width) as f64;
        Cost { flops: 4.0 * len, bytes: 8.0 * len }
    }

    defined_by!(crate::cpu::batchnorm::evaluate);

    fn halves(&self) -> Ports {
        Ports::new(&[0], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        use Binding as B;
        let bindings = vec![
            B::read("x", Slot::In(0)),
            B::read("mean", Slot::In(3)),
            B::read("var_in", Slot::In(4)),
            B::read("gamma", Slot::In(1)),
            B::read("beta", Slot::In(2)),
            B::write("y", Slot::Out(0)),
        ];
        let call = Call { rows: self.rows, width: self.width, relu: self.relu, target, x: 0 };
        Launch { dispatches: vec![call.dispatch("evaluate", bindings, self.rows * self.width / target.unit())], scratch: vec![] }
    }

    fn absorb(&self, consumer: &dyn Op, _port: usize, keep: bool) -> Option<Arc<dyn Op>> {
        let fits = is_relu(consumer) && !keep && !self.relu;
        fits.then(|| Arc::new(Self { relu: true, ..*self }) as Arc<dyn Op>)
    }
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "batchnorm.backward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone(), [self.width].into(), [self.width].into()])
    }

    fn cost(&self) -> Cost {
        let len = (self.rows * self.width) as f64;
        Cost { flops: 12.0 * len, bytes: 20.0 * len }
    }

    defined_by!(crate::cpu::batchnorm::backward);

    fn halves(&self) -> Ports {
        // With a ReLU port 1 is its output, which is not read.
        if self.relu { Ports::new(&[0, 1, 2], &[0]) } else { Ports::new(&[0, 1], &[0]) }
    }

    fn launch(&self, target: &Target) -> Launch {
        use Binding as B;
        let call = Call { rows: self.rows, width: self.width, relu: self.relu, target, x: self.first_saved() };
        let saved = |ix: usize| Slot::In(self.first_saved() + ix);
        let mut bindings = vec![
            B::read("x", saved(0)),
            B::read("mean", saved(1)),
            B::read("rstd", saved(2)),
            B::read("gamma", saved(3)),
            B::read("beta", saved(4)),
            B::read("d_y", Slot::In(0)),
            B::write("d_partial", Slot::Scratch(0)),
        ];
        let partial = call.dispatch("backward_partial", bindings.clone(), call.num_chunks() * self.width);
        let last = vec![
            B::read("partial_in", Slot::Scratch(0)),
            B::write("d_gamma", Slot::Out(1)),
            B::write("d_beta", Slot::Out(2)),
            B::write("sums", Slot::Scratch(1)),
        ];
        let last = call.last(["backward_final", "backward_final_tiled"], last);
        bindings.truncate(6);
        bindings.push(B::read("sums_in", Slot::Scratch(1)));
        bindings.push(B::write("d_x", Slot::Out(0)));
        let input = call.dispatch("backward_input", bindings, self.rows * self.width / target.unit());
        Launch { dispatches: vec![partial, last, input], scratch: vec![call.num_chunks() * 2 * self.width, 2 * self.width] }
    }
}

fn check_width(inputs: &[&Shape], width: usize) -> Result<()> {
    match inputs[1..].iter().find(|vector| vector.len() != width) {
        Some(vector) => {
            let what = format!("a vector {vector} does not fit input {}", inputs[0]);
            Err(Error::shape("batchnorm", what, "gamma, beta and the running statistics are as long as its last side"))
        }
        None => Ok(()),
    }
}

fn is_relu(op: &dyn Op) -> bool {
    (op as &dyn Any).downcast_ref::<Activation>().is_some_and(|activation| activation.kind == Kind::Relu)
}

/// What the launches of one layer share.
struct Call<'a> {
    rows: usize,
    width: usize,
    relu: bool,
    target: &'a Target,
    /// Input port of x.
    x: usize,
}

impl Call<'_> {
    fn chunk_rows(&self) -> usize {
        self.rows.div_ceil(MAX_CHUNKS).max(CHUNK_ROWS)
    }

    fn num_chunks(&self) -> usize {
        self.rows.div_ceil(self.chunk_rows())
    }

    /// The sum over the chunks: one column an invocation (T0) or a workgroup (T1).
    fn last(&self, entries: [&'static str; 2], bindings: Vec<Binding>) -> Dispatch {
        match self.target.tier {
            Tier::Plain | Tier::Narrow => self.dispatch(entries[0], bindings, self.width),
            Tier::Tiled => self.dispatch(entries[1], bindings, self.width * WORKGROUP),
        }
    }

    fn dispatch(&self, entry: &'static str, bindings: Vec<Binding>, invocations: usize) -> Dispatch {
        Dispatch {
            shader: "ops/batchnorm",
            entry,
            consts: vec![
                ("EPS", Const::F32(EPS as f32)),
                ("RELU", Const::Bool(self.relu)),
                ("WORKGROUP", Const::U32(WORKGROUP as u32)),
                ("UNIT", Const::U32(self.target.unit() as u32)),
                ("x", Const::Floats(self.target.input(self.x))),
                ("y", Const::Units(self.target.output(0), self.target.unit())),
                ("d_y", Const::Floats(self.target.input(0))),
                ("d_x", Const::Units(self.target.output(0), self.target.unit())),
            ],
            dims: vec![
                ("rows", self.rows as u32),
                ("width", self.width as u32),
                ("chunk_rows", self.chunk_rows() as u32),
                ("num_chunks", self.num_chunks() as u32),
            ],
            bindings,
            groups: flat_groups(invocations, WORKGROUP),
        }
    }
}
