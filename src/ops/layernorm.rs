//! Layer normalisation over the last axis.
//!
//!   μ = mean(x),  ρ = 1/√(var(x) + ε),  y = (x − μ)·ρ·γ + β
//!
//! Shapes      x [R, D] → y [R, D];  γ, β [D];  saved: μ, ρ [R]
//! Derivative  d_x = ρ·(g − mean(g) − x̂·mean(g·x̂)),  g = d_y·γ
//! Cost        8·R·D flop, 2·R·D·4 bytes forward (memory bound)
//! Numerics    sums in f32, biased variance in two passes, ε inside the root (PyTorch convention)
//! Errors      D = 0, or γ, β of another width
//! Source      Ba et al. 2016, arXiv:1607.06450. Differs: none.

use std::any::Any;
use std::sync::Arc;

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Target, Tier, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};
use crate::ops::elementwise::Add;

/// Rows one invocation sums into a partial of d_γ and d_β.
const PARTIAL_ROWS: usize = 64;
/// Invocations of a flat workgroup, and of the workgroup that shares one row (`WORKGROUP` in the shader).
const WORKGROUP: usize = 64;

/// Normalises `x` [.., D] with `gamma`, `beta` [D].
pub fn layernorm(graph: &mut Graph, x: Value, gamma: Value, beta: Value, eps: f64) -> Result<Value> {
    let (rows, width) = graph.rows_and_width(x);
    Ok(graph.push(Forward { rows, width, eps }, &[x, gamma, beta])?[0])
}

/// x, γ, β → y, μ, ρ.
#[derive(Clone, Debug)]
pub struct Forward {
    /// R.
    pub rows: usize,
    /// D.
    pub width: usize,
    /// ε.
    pub eps: f64,
}

/// x, μ, ρ, γ, β → y: the forward pass again without its sums.
#[derive(Clone, Debug)]
pub struct Again {
    /// R.
    pub rows: usize,
    /// D.
    pub width: usize,
}

/// d_y, x, μ, ρ, γ (, residual) → d_x (+ residual), d_γ, d_β.
#[derive(Clone, Debug)]
pub struct Backward {
    /// R.
    pub rows: usize,
    /// D.
    pub width: usize,
    /// Whether an input [R, D] is added to d_x.
    pub residual: bool,
}

impl Op for Forward {
    fn name(&self) -> &'static str {
        "layernorm.forward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let [x, gamma, beta] = inputs else { panic!("layernorm.forward takes x, gamma, beta") };
        if self.width == 0 || gamma.len() != self.width || beta.len() != self.width {
            return Err(Error::shape(
                "layernorm",
                format!("gamma {gamma} and beta {beta} do not fit x {x}"),
                "both are as long as its last side",
            ));
        }
        Ok(vec![(*x).clone(), [self.rows].into(), [self.rows].into()])
    }

    fn adjoint(&self, graph: &mut Graph, node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None; 3]) };
        let backward = Backward { rows: self.rows, width: self.width, residual: false };
        let d = graph.push(backward, &[d_y, node.inputs[0], node.outputs[1], node.outputs[2], node.inputs[1]])?;
        Ok(vec![Some(d[0]), Some(d[1]), Some(d[2])])
    }

    fn cost(&self) -> Cost {
        let len = (self.rows * self.width) as f64;
        Cost { flops: 8.0 * len, bytes: 8.0 * len }
    }

    defined_by!(crate::cpu::layernorm::forward);

    fn launch(&self, target: &Target) -> Launch {
        use Binding as B;
        let bindings = vec![
            B::read("x", Slot::In(0)),
            B::read("gamma", Slot::In(1)),
            B::read("beta", Slot::In(2)),
            B::write("y", Slot::Out(0)),
            B::write("mean_saved", Slot::Out(1)),
            B::write("rstd_saved", Slot::Out(2)),
        ];
        let eps = self.eps as f32;
        per_row(["forward", "forward_tiled"], target, self.rows, bindings, (self.rows, self.width, eps, false))
    }

    fn halves(&self) -> Ports {
        Ports::new(&[], &[0])
    }

    fn recompute(&self, node: &Node, port: usize) -> Option<(Arc<dyn Op>, Vec<Value>)> {
        let again = Again { rows: self.rows, width: self.width };
        let inputs = vec![node.inputs[0], node.outputs[1], node.outputs[2], node.inputs[1], node.inputs[2]];
        (port == 0).then(|| (Arc::new(again) as Arc<dyn Op>, inputs))
    }
}

impl Op for Again {
    fn name(&self) -> &'static str {
        "layernorm.again"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone()])
    }

    fn cost(&self) -> Cost {
        let len = (self.rows * self.width) as f64;
        Cost { flops: 4.0 * len, bytes: 8.0 * len }
    }

    defined_by!(crate::cpu::layernorm::again);

    fn halves(&self) -> Ports {
        Ports::new(&[], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        use Binding as B;
        let bindings = vec![
            B::read("x", Slot::In(0)),
            B::read("mean_in", Slot::In(1)),
            B::read("rstd_in", Slot::In(2)),
            B::read("gamma_in", Slot::In(3)),
            B::read("beta_in", Slot::In(4)),
            B::write("y_again", Slot::Out(0)),
        ];
        let groups = flat_groups(self.rows * self.width / target.unit(), WORKGROUP);
        Launch { dispatches: vec![dispatch("again", target, bindings, groups, (self.rows, self.width, 0.0, false))], scratch: vec![] }
    }
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "layernorm.backward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[0].clone(), [self.width].into(), [self.width].into()])
    }

    fn cost(&self) -> Cost {
        let len = (self.rows * self.width) as f64;
        Cost { flops: 14.0 * len, bytes: if self.residual { 16.0 } else { 12.0 } * len }
    }

    defined_by!(crate::cpu::layernorm::backward);

    fn launch(&self, target: &Target) -> Launch {
        use Binding as B;
        let dims = (self.rows, self.width, 0.0, self.residual);
        let saved = |slot: usize| Slot::In(slot);
        let mut bindings = vec![
            B::read("d_y", saved(0)),
            B::read("x_saved", saved(1)),
            B::read("mean", saved(2)),
            B::read("rstd", saved(3)),
            B::read("gamma_saved", saved(4)),
            // Without a residual the binding must still be filled; the shader does not read it.
            B::read("residual", saved(if self.residual { 5 } else { 0 })),
            B::write("d_x", Slot::Out(0)),
        ];
        let mut launch = per_row(["backward_input", "backward_input_tiled"], target, self.rows, bindings.clone(), dims);
        let num_partials = self.rows.div_ceil(PARTIAL_ROWS);
        bindings.truncate(4);
        bindings.push(B::write("partial", Slot::Scratch(0)));
        launch.dispatches.push(dispatch(
            "backward_weight_partial",
            target,
            bindings,
            flat_groups(num_partials * self.width, WORKGROUP),
            dims,
        ));
        let bindings = vec![B::read("partial_in", Slot::Scratch(0)), B::write("d_gamma", Slot::Out(1)), B::write("d_beta", Slot::Out(2))];
        launch.dispatches.push(dispatch("backward_weight_final", target, bindings, flat_groups(self.width, WORKGROUP), dims));
        launch.scratch = vec![num_partials * 2 * self.width];
        launch
    }

    fn halves(&self) -> Ports {
        Ports::new(&[0], &[])
    }

    fn absorb(&self, consumer: &dyn Op, _port: usize, keep: bool) -> Option<Arc<dyn Op>> {
        let is_add = (consumer as &dyn Any).is::<Add>();
        (is_add && !keep && !self.residual).then(|| Arc::new(Self { residual: true, ..*self }) as Arc<dyn Op>)
    }
}

type Numbers = (usize, usize, f32, bool);

/// One row an invocation (T0) or a workgroup (T1).
fn per_row(entries: [&'static str; 2], target: &Target, rows: usize, bindings: Vec<Binding>, numbers: Numbers) -> Launch {
    let (entry, groups) = match target.tier {
        Tier::Plain | Tier::Narrow => (entries[0], flat_groups(rows, WORKGROUP)),
        Tier::Tiled => (entries[1], flat_groups(rows, 1)),
    };
    Launch { dispatches: vec![dispatch(entry, target, bindings, groups, numbers)], scratch: vec![] }
}

fn dispatch(
    entry: &'static str,
    target: &Target,
    bindings: Vec<Binding>,
    groups: [u32; 3],
    (rows, width, eps, residual): Numbers,
) -> Dispatch {
    Dispatch {
        shader: "ops/layernorm",
        entry,
        consts: vec![
            ("EPS", Const::F32(eps)),
            ("RESIDUAL", Const::Bool(residual)),
            ("PARTIAL_ROWS", Const::U32(PARTIAL_ROWS as u32)),
            ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ("UNIT", Const::U32(target.unit() as u32)),
            ("y", Const::Units(target.output(0), target.unit())),
            ("y_again", Const::Units(target.output(0), target.unit())),
            ("d_y", Const::Floats(target.input(0))),
        ],
        dims: vec![("rows", rows as u32), ("width", width as u32)],
        bindings,
        groups,
    }
}
