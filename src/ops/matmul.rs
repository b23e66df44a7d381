//! Matrix products, with the epilogues that follow them in a ViT.
//!
//!   nt: y = a·bᵀ (a linear layer: b is [out, in])     nn: y = a·b     tn: y = aᵀ·b
//!   y ← f(y + bias) + residual
//!
//! Shapes      nt: a [m, k], b [n, k]; nn: a [m, k], b [k, n]; tn: a [k, m], b [k, n] → y [m, n];
//!             with `batch` > 1 all have a leading [batch]; bias [n]; residual [m, n]
//! Derivative  nt: d_a = d_y·b, d_b = d_yᵀ·a;  nn: d_a = d_y·bᵀ, d_b = aᵀ·d_y;  tn: d_a = b·d_yᵀ, d_b = a·d_y
//! Cost        2·batch·m·n·k flop
//! Numerics    f32 sums over k; tn with a long k (the gradient of a weight) in fixed chunks added in order
//! Errors      inner lengths that differ
//! Source      none. Differs: none.

use std::any::Any;
use std::sync::Arc;

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Store, Target, Tier, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};
use crate::ops::activation::{Activation, Kind};
use crate::ops::bias::AddBias;
use crate::ops::elementwise::Add;

/// Rows, columns and k of what one invocation and one workgroup make, and invocations of a workgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tiles {
    tile: [usize; 2],
    group: [usize; 3],
    workgroup: usize,
}

/// Shared-memory tiles (T1) that are tried on an adapter; at most 12 KiB and 256 invocations.
const TILES: [Tiles; 4] = [
    Tiles { tile: [4, 4], group: [32, 32, 16], workgroup: 64 },
    Tiles { tile: [4, 4], group: [64, 64, 16], workgroup: 256 },
    Tiles { tile: [8, 4], group: [128, 64, 16], workgroup: 256 },
    Tiles { tile: [8, 8], group: [128, 128, 8], workgroup: 256 },
];
/// Register tiles of software adapters (T0), and where sides have no vectors. The large ones make up
/// to twice as many sums a second, but compile for one or two.
const PLAIN_TILES: [[usize; 2]; 4] = [[8, 8], [16, 12], [16, 16], [32, 16]];
const RAGGED_TILES: [[usize; 2]; 3] = [[4, 4], [8, 8], [16, 16]];
/// Sums from which on a large one is worth compiling.
const LARGE_SUMS: usize = 1 << 22;
/// Sums that a software adapter makes in the time of one load, as measured with these tiles on lavapipe.
const LOAD_SUMS: usize = 12;
/// Invocations of a workgroup without shared memory: on software adapters few, so that all threads get some.
const WORKGROUP: usize = 64;
const PLAIN_WORKGROUP: usize = 16;
/// Invocations without shared memory (T0 and T1) or workgroups with it (T1) that keep an adapter
/// busy; with fewer, k is split.
const BUSY_PLAIN: usize = 1024;
const BUSY_INVOCATIONS: usize = 8192;
const BUSY_GROUPS: usize = 256;
/// Least inner length of a split, below which the second pass costs more than it gains.
const MIN_SPLIT_K: usize = 256;

/// A panel of b in the memory of an invocation (T0 on narrow vectors): its columns, and how deep it is at most.
#[derive(Clone, Copy, Debug)]
struct Panels {
    columns: usize,
    most_inner: usize,
}

/// 512 products each, which compile in a fifth of a second; tn pays more for a float of a, and less for a sum.
const PANELS: Panels = Panels { columns: 8, most_inner: 64 };
const TN_PANELS: Panels = Panels { columns: 16, most_inner: 32 };
/// Least depth of a panel, below which putting sums by costs more than it saves.
const MIN_INNER: usize = 16;
/// Rows that one invocation leads past its panel: enough to pay for filling it, and for all threads to get some.
const MIN_PANEL_ROWS: usize = 32;
const MAX_PANEL_ROWS: usize = 256;
/// Turns that the loops of one invocation take in all: lavapipe ends them after 65 535, with wrong sums.
const MAX_TURNS: usize = 60_000;
/// Invocations of a workgroup with panels: one vector's. And how many in all keep the adapter busy.
const PANEL_WORKGROUP: usize = 4;
const BUSY_PANELS: usize = 32;

/// Which factor is transposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// a·bᵀ.
    Nt,
    /// a·b.
    Nn,
    /// aᵀ·b.
    Tn,
}

/// What happens to a product before it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epilogue {
    /// A vector [n] is added (input 2).
    pub bias: bool,
    /// A non-linearity is applied.
    pub activation: Option<Kind>,
    /// A matrix [m, n] is added last (the last input).
    pub residual: bool,
    /// What the non-linearity was applied to is written too (output 1).
    pub keep: bool,
}

/// a, b (, bias) (, residual) → y (, y before the non-linearity).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatMul {
    /// Independent products.
    pub batch: usize,
    /// Rows of y.
    pub m: usize,
    /// Columns of y.
    pub n: usize,
    /// Inner length.
    pub k: usize,
    /// Which factor is transposed.
    pub form: Form,
    /// What follows the product.
    pub epilogue: Epilogue,
}

/// Product of matrices; a leading side beyond two is a batch.
///
/// `nt` sees `a` as [rows, k], whatever its leading sides: a linear layer on tokens.
pub fn matmul(graph: &mut Graph, form: Form, a: Value, b: Value) -> Result<Value> {
    let (a_shape, b_shape) = (graph.shape(a).clone(), graph.shape(b).clone());
    let batch = if b_shape.sides().len() == 3 { b_shape.sides()[0] } else { 1 };
    let (a_rows, a_width) = a_shape.rows_and_width();
    let (b_rows, b_width) = b_shape.rows_and_width();
    let (a_rows, b_rows) = (a_rows / batch, b_rows / batch);
    let (m, k, n, inner) = match form {
        Form::Nt => (a_rows, a_width, b_rows, b_width),
        Form::Nn => (a_rows, a_width, b_width, b_rows),
        Form::Tn => (a_width, a_rows, b_width, b_rows),
    };
    if k != inner || a_shape.len() != batch * m * k {
        let op = format!("matmul {form:?}");
        return Err(Error::shape(op, format!("{a_shape} and {b_shape} do not fit: inner lengths {k} and {inner}"), ""));
    }
    graph.push_one(MatMul { batch, m, n, k, form, epilogue: Epilogue::default() }, &[a, b])
}

/// x·Wᵀ + b: `x` [.., in], `weight` [out, in], `bias` [out] → [.., out].
pub fn linear(graph: &mut Graph, x: Value, weight: Value, bias: Option<Value>) -> Result<Value> {
    let y = matmul(graph, Form::Nt, x, weight)?;
    match bias {
        Some(bias) => crate::ops::bias::add_bias(graph, y, bias),
        None => Ok(y),
    }
}

impl MatMul {
    fn plain(&self, form: Form, [m, n, k]: [usize; 3]) -> Self {
        Self { batch: self.batch, m, n, k, form, epilogue: Epilogue::default() }
    }

    /// Whether both factors can be read as vectors of 4 along their contiguous sides.
    fn has_vectors(&self) -> bool {
        let sides = match self.form {
            Form::Nt => [self.k, self.k],
            Form::Nn => [self.k, self.n],
            Form::Tn => [self.m, self.n],
        };
        sides.iter().all(|side| side.is_multiple_of(4))
    }

    /// Name of the choice among [`TILES`] for products of this size.
    fn choice_key(&self) -> String {
        format!("{} {}x{}x{}x{}", self.name(), self.batch, self.m, self.n, self.k)
    }

    fn kernel(&self, target: &Target) -> Kernel {
        match target.tier {
            // Larger tiles than the smallest are too long to be written out (see src/gpu/unroll.rs).
            Tier::Narrow => return self.panel_kernel(target).unwrap_or_else(|| self.plain_kernel(usize::MAX)),
            Tier::Plain => return self.plain_kernel(LARGE_SUMS),
            Tier::Tiled => {}
        }
        if !self.has_vectors() {
            return self.register_kernel("plain_ragged", RAGGED_TILES[0], WORKGROUP, BUSY_INVOCATIONS);
        }
        let num_groups = |tiles: &Tiles| self.batch * self.m.div_ceil(tiles.group[0]) * self.n.div_ceil(tiles.group[1]);
        // Untuned: the largest tile that still fills the adapter.
        let guess = (0..TILES.len()).rev().find(|ix| num_groups(&TILES[*ix]) >= BUSY_GROUPS).unwrap_or(1);
        let tiles = TILES[target.choice(&self.choice_key(), guess).min(TILES.len() - 1)];
        Kernel { entry: "tiled", tiles, splits: self.splits(BUSY_GROUPS, num_groups(&tiles)) }
    }

    /// Tiles in registers (T0); large ones from so many sums on.
    fn plain_kernel(&self, large_sums: usize) -> Kernel {
        let has_room = |tile: &[usize; 2]| self.m >= tile[0] && self.n >= tile[1];
        let is_ragged = !self.has_vectors() || !self.n.is_multiple_of(4) || !has_room(&PLAIN_TILES[0]);
        let tiles = if is_ragged { &RAGGED_TILES[..] } else { &PLAIN_TILES[..] };
        let num_tried = if self.batch * self.m * self.n * self.k >= large_sums { tiles.len() } else { 1 };
        let tried = tiles[..num_tried].iter().filter(|tile| is_ragged || has_room(tile));
        let best = tried.min_by_key(|[m, n]| self.m.div_ceil(*m) * self.n.div_ceil(*n) * (m * n + LOAD_SUMS * (m + n)));
        let entry = if is_ragged { "plain_ragged" } else { "plain" };
        self.register_kernel(entry, *best.unwrap_or(&tiles[0]), PLAIN_WORKGROUP, BUSY_PLAIN)
    }

    /// Panels of b (T0 on narrow vectors), where they divide its sides, enough rows pass them, and all is in f32:
    /// sums are put by in y.
    fn panel_kernel(&self, target: &Target) -> Option<Kernel> {
        if target.halves != Ports::default() {
            return None;
        }
        let Panels { columns, most_inner } = if self.form == Form::Tn { TN_PANELS } else { PANELS };
        let inner = (MIN_INNER..=most_inner).rev().find(|inner| inner.is_multiple_of(4) && self.k.is_multiple_of(*inner))?;
        let splits = self.splits(BUSY_PANELS, self.batch * self.m.div_ceil(MAX_PANEL_ROWS) * self.n / columns);
        let turns_a_row = self.k.div_ceil(splits).div_ceil(inner) * (columns + 1);
        let most_rows = MAX_PANEL_ROWS.min(MAX_TURNS / turns_a_row);
        if !self.has_vectors() || !self.n.is_multiple_of(columns) || self.m < MIN_PANEL_ROWS || most_rows < MIN_PANEL_ROWS {
            return None;
        }
        let rows = self.m.div_ceil(self.m.div_ceil(most_rows));
        let entry = if self.form == Form::Tn { "panel_tn" } else { "panel" };
        let tiles = Tiles { tile: [rows, columns], group: [rows, columns, inner], workgroup: PANEL_WORKGROUP };
        Some(Kernel { entry, tiles, splits })
    }

    fn register_kernel(&self, entry: &'static str, tile: [usize; 2], workgroup: usize, busy: usize) -> Kernel {
        let num_tiles = self.batch * self.m.div_ceil(tile[0]) * self.n.div_ceil(tile[1]);
        let tiles = Tiles { tile, group: [tile[0], tile[1], 4], workgroup };
        Kernel { entry, tiles, splits: self.splits(busy, num_tiles) }
    }

    /// Stretches of k, so that there are about `wanted` pieces of work.
    fn splits(&self, wanted: usize, pieces: usize) -> usize {
        (wanted / pieces.max(1)).min(self.k / MIN_SPLIT_K).max(1)
    }

    fn with(&self, epilogue: Epilogue) -> Option<Arc<dyn Op>> {
        Some(Arc::new(Self { epilogue, ..*self }))
    }
}

impl Op for MatMul {
    fn name(&self) -> &'static str {
        match self.form {
            Form::Nt => "matmul.nt",
            Form::Nn => "matmul.nn",
            Form::Tn => "matmul.tn",
        }
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let shape = match self.form {
            // The leading sides of a (batch, tokens) stay.
            Form::Nt | Form::Nn => {
                let mut sides = inputs[0].sides().to_vec();
                *sides.last_mut().expect("a matrix has a last side") = self.n;
                Shape::new(&sides)
            }
            Form::Tn if self.batch > 1 => [self.batch, self.m, self.n].into(),
            Form::Tn => [self.m, self.n].into(),
        };
        Ok(vec![shape; if self.epilogue.keep { 2 } else { 1 }])
    }

    fn adjoint(&self, graph: &mut Graph, node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None; 2]) };
        let (m, n, k) = (self.m, self.n, self.k);
        let [a, b] = [node.inputs[0], node.inputs[1]];
        let a_again = graph.saved(a)?;
        let (d_a, d_b) = match self.form {
            Form::Nt => ((self.plain(Form::Nn, [m, k, n]), [d_y, b]), (self.plain(Form::Tn, [n, k, m]), [d_y, a_again])),
            Form::Nn => ((self.plain(Form::Nt, [m, k, n]), [d_y, b]), (self.plain(Form::Tn, [k, n, m]), [a_again, d_y])),
            Form::Tn => ((self.plain(Form::Nt, [k, m, n]), [b, d_y]), (self.plain(Form::Nn, [k, n, m]), [a_again, d_y])),
        };
        let d_b = graph.push_one(d_b.0, &d_b.1)?;
        let d_a = graph.push_one(d_a.0, &d_a.1)?;
        Ok(vec![Some(d_a), Some(d_b)])
    }

    fn cost(&self) -> Cost {
        let (b, m, n, k) = (self.batch as f64, self.m as f64, self.n as f64, self.k as f64);
        Cost { flops: 2.0 * b * m * n * k, bytes: 4.0 * b * (m * k + k * n + m * n) }
    }

    defined_by!(crate::cpu::matmul::forward);

    fn launch(&self, target: &Target) -> Launch {
        self.kernel(target).launch(self, target)
    }

    fn halves(&self) -> Ports {
        // By vectors of both factors and of y, in either tier.
        let [m, n] = PLAIN_TILES[0];
        if !self.has_vectors() || !self.n.is_multiple_of(4) || self.m < m || self.n < n {
            return Ports::default();
        }
        // With a residual, y is the residual stream.
        let outs: &[usize] = if self.epilogue.residual { &[1] } else { &[0, 1] };
        Ports::new(&[0, 1], outs)
    }

    fn candidates(&self) -> Option<(String, usize)> {
        self.has_vectors().then(|| (self.choice_key(), TILES.len()))
    }

    fn absorb(&self, consumer: &dyn Op, port: usize, keep: bool) -> Option<Arc<dyn Op>> {
        let consumer = consumer as &dyn Any;
        let epilogue = self.epilogue;
        if epilogue.residual {
            return None;
        }
        if consumer.is::<AddBias>() && port == 0 && self.batch == 1 && epilogue == Epilogue::default() && !keep {
            return self.with(Epilogue { bias: true, ..epilogue });
        }
        if let Some(activation) = consumer.downcast_ref::<Activation>()
            && epilogue.activation.is_none()
        {
            return self.with(Epilogue { activation: Some(activation.kind), keep, ..epilogue });
        }
        let is_residual = consumer.is::<Add>() && !keep && self.form == Form::Nt;
        if is_residual { self.with(Epilogue { residual: true, ..epilogue }) } else { None }
    }
}

/// The kernel that makes one product.
#[derive(Clone, Copy)]
struct Kernel {
    entry: &'static str,
    tiles: Tiles,
    splits: usize,
}

impl Kernel {
    fn is_panel(&self) -> bool {
        self.entry.starts_with("panel")
    }

    fn launch(&self, op: &MatMul, target: &Target) -> Launch {
        // A multiple of every tile's k.
        let depth = if self.is_panel() { self.tiles.group[2] } else { 16 };
        let split_k = op.k.div_ceil(self.splits).next_multiple_of(depth);
        let splits = op.k.div_ceil(split_k);
        let dims = [op.m, op.n, op.k, op.batch, splits, split_k, self.tiles.group[0]];
        let y_len = op.batch * op.m * op.n;
        // Where nothing is kept the binding must still be filled, as a vector; the shader does not write it.
        let unused = Slot::Scratch(0);
        let kept = if op.epilogue.keep { Slot::Out(1) } else { unused };
        let is_by_vectors = self.entry == "plain" || self.is_panel();
        let others = if is_by_vectors { VECTORS } else { FLOATS };
        let factors = match self.entry {
            "plain_ragged" => ["a", "b"],
            "panel_tn" => ["a", "b4"],
            _ => ["a4", "b4"],
        };
        let factors = [Binding::read(factors[0], Slot::In(0)), Binding::read(factors[1], Slot::In(1))];
        let written = Written::new(target, op.epilogue.keep, is_by_vectors);
        let factors_stored = [target.input(0), target.input(1)];
        if splits == 1 {
            let bindings = [epilogue_bindings(op, others, [Slot::Out(0), kept]), factors.to_vec()].concat();
            let product = self.dispatch(op.form, op.epilogue, self.groups(op, 1), dims, bindings, (factors_stored, written));
            return Launch { dispatches: vec![product], scratch: vec![4] };
        }
        let partial = Slot::Scratch(1);
        let bindings = [epilogue_bindings(op, others, [partial, unused]), factors.to_vec()].concat();
        let stores = (factors_stored, Written::partial(is_by_vectors));
        let product = self.dispatch(op.form, Epilogue::default(), self.groups(op, splits), dims, bindings, stores);
        let mut bindings = epilogue_bindings(op, FLOATS, [Slot::Out(0), kept]);
        bindings.push(Binding::read("partial", partial));
        let last = Kernel { entry: "reduce", tiles: TILES[0], splits };
        let written = Written::new(target, op.epilogue.keep, false);
        let groups = flat_groups(y_len / written.unit, last.tiles.workgroup);
        let reduce = last.dispatch(op.form, op.epilogue, groups, dims, bindings, ([Store::F32; 2], written));
        Launch { dispatches: vec![product, reduce], scratch: vec![4, splits * y_len] }
    }

    fn groups(&self, op: &MatMul, splits: usize) -> [u32; 3] {
        let across = |tile: [usize; 2]| op.m.div_ceil(tile[0]) * op.n.div_ceil(tile[1]);
        let [m, n, _] = self.tiles.group;
        let [x, y, _] = match self.entry {
            "tiled" => flat_groups(across([m, n]), 1),
            _ => flat_groups(across(self.tiles.tile), self.tiles.workgroup),
        };
        [x, y, (op.batch * splits) as u32]
    }

    fn dispatch(
        &self,
        form: Form,
        epilogue: Epilogue,
        groups: [u32; 3],
        dims: [usize; 7],
        bindings: Vec<Binding>,
        (factors, written): ([Store; 2], Written),
    ) -> Dispatch {
        let activation = match epilogue.activation {
            None => 0,
            Some(Kind::Gelu) => 1,
            Some(Kind::Relu) => 2,
        };
        let Tiles { tile, group, workgroup } = self.tiles;
        let number = |value: usize| Const::U32(value as u32);
        let mut consts = vec![
            ("FORM", Const::U32(form as u32)),
            ("BIAS", Const::Bool(epilogue.bias)),
            ("ACTIVATION", Const::U32(activation)),
            ("RESIDUAL", Const::Bool(epilogue.residual)),
            ("KEEP", Const::Bool(epilogue.keep)),
            ("WORKGROUP", number(workgroup)),
            ("UNIT", number(written.unit)),
            ("y", Const::Units(written.y, written.unit)),
            ("pre", Const::Units(written.pre, written.unit)),
            ("a4", Const::Vectors(factors[0])),
            ("b4", Const::Vectors(factors[1])),
        ];
        let [_, _, _, _, _, split_k, _] = dims;
        let shader = if self.is_panel() {
            // `once`: no sum is put by.
            consts.extend([("COLUMNS", number(group[1])), ("INNER", number(group[2])), ("ONCE", Const::Bool(group[2] == split_k))]);
            "narrow/matmul"
        } else {
            consts.extend([("TILE_M", number(tile[0])), ("TILE_N", number(tile[1]))]);
            if self.entry.starts_with("plain") { "plain/matmul" } else { "ops/matmul" }
        };
        if shader == "ops/matmul" {
            consts.extend([("GROUP_M", number(group[0])), ("GROUP_N", number(group[1])), ("GROUP_K", number(group[2]))]);
        }
        Dispatch {
            shader,
            entry: self.entry,
            consts,
            dims: ["m", "n", "k", "batch", "splits", "split_k", "rows"].into_iter().zip(dims.map(|dim| dim as u32)).collect(),
            bindings,
            groups,
        }
    }
}

/// How y and pre are written.
#[derive(Clone, Copy)]
struct Written {
    /// Numbers at once.
    unit: usize,
    y: Store,
    pre: Store,
}

impl Written {
    fn new(target: &Target, keep: bool, by_vectors: bool) -> Self {
        let pre = if keep { target.output(1) } else { Store::F32 };
        Self { unit: if by_vectors { 4 } else { target.unit() }, y: target.output(0), pre }
    }

    /// Sums over a stretch of k.
    fn partial(by_vectors: bool) -> Self {
        Self { unit: if by_vectors { 4 } else { 1 }, y: Store::F32, pre: Store::F32 }
    }
}

/// Names of y, pre, bias and residual as floats, and as vectors.
const FLOATS: [&str; 4] = ["y", "pre", "bias", "residual"];
const VECTORS: [&str; 4] = ["y", "pre", "bias4", "residual4"];

/// y, pre, bias and residual under these names; what the epilogue lacks is filled with `a` and not read.
fn epilogue_bindings(op: &MatMul, names: [&'static str; 4], [y, pre]: [Slot; 2]) -> Vec<Binding> {
    let bias = if op.epilogue.bias { Slot::In(2) } else { Slot::In(0) };
    let residual = if op.epilogue.residual { Slot::In(2 + usize::from(op.epilogue.bias)) } else { Slot::In(0) };
    let write = |ix: usize, slot| Binding::write(names[ix], slot);
    vec![write(0, y), write(1, pre), Binding::read(names[2], bias), Binding::read(names[3], residual)]
}
