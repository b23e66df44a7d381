//! Softmax attention over packed queries, keys and values; no N×N matrix is kept.
//!
//!   S = Q·Kᵀ/√w,  ℓ_i = ln Σ_j exp S_ij,  P = exp(S − ℓ),  O = P·V      (per image and head)
//!
//! Shapes      qkv [B·N, 3·D], column = which·D + head·w + j (timm's layout) → out [B·N, D], heads
//!             side by side;  saved: ℓ [B, H, N];  D = H·w
//! Derivative  δ_i = Σ_j d_O_ij·O_ij,  d_P = d_O·Vᵀ,  d_S = P ∘ (d_P − δ)
//!             d_V = Pᵀ·d_O,  d_Q = d_S·K/√w,  d_K = d_Sᵀ·Q/√w
//!             (δ_i = Σ_j P_ij·d_P_ij, since O = P·V; P comes again from S and ℓ)
//! Cost        4·B·N²·D flop forward, 10·B·N²·D backward
//! Numerics    softmax with the running maximum taken off, sums in f32
//! Errors      D not divisible by the heads; head width above 128; rows not a multiple of N
//! Source      Vaswani et al. 2017, arXiv:1706.03762; Dao et al. 2022, arXiv:2205.14135 (recomputing P
//!             from ℓ). Differs: none.

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Store, Target, Tier, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};

/// Widest head: a row of one lies in the registers of one invocation.
const MAX_HEAD_WIDTH: usize = 128;
/// Invocations of a flat workgroup where the head width is no multiple of 4 (T0).
const FLAT_WORKGROUP: usize = 64;
/// Invocations of a workgroup that make several rows each (T0): few, so that all threads get some.
const ROWS_WORKGROUP: usize = 16;
/// Vectors of 4 that an invocation holds in all (T0): more leave the nearest cache and compile for seconds.
const HELD_VECS: usize = 208;
/// Most rows of an invocation (T0); Mesa unrolls loops of at most 32.
const MAX_ROWS: usize = 16;
/// What tuning chooses from (T1): most rows of a workgroup, a multiple of every subgroup size in use, and most rows
/// of a shared tile, more of which would not lower its loads per row noticeably.
const TILES: [[usize; 2]; 5] = [[128, 64], [64, 64], [128, 16], [64, 16], [32, 32]];
/// Rows of a workgroup are rounded up to this (T1): the common subgroup size.
const LANES: usize = 32;
/// Workgroup memory every adapter has, in bytes.
const SHARED_BYTES: usize = 16_384;

/// Attention within groups of `tokens` rows of `qkv` [.., 3·D]: [.., D].
pub fn attention(graph: &mut Graph, qkv: Value, tokens: usize, heads: usize) -> Result<Value> {
    let (rows, packed) = graph.rows_and_width(qkv);
    let width = packed / 3;
    if heads == 0 || packed % 3 != 0 || width % heads != 0 {
        let tries: Vec<String> =
            (1..=width).filter(|tried| width % tried == 0 && tried.abs_diff(heads) <= 4).map(|tried| tried.to_string()).collect();
        let hint = if tries.is_empty() { String::new() } else { format!("try {}", tries.join(" or ")) };
        return Err(Error::shape("attention", format!("width {width} (a third of {packed}) is not divisible by {heads} heads"), hint));
    }
    if tokens == 0 || rows % tokens != 0 {
        return Err(Error::shape("attention", format!("{rows} rows are no whole number of images of {tokens} tokens"), ""));
    }
    let extent = Extent { batch: rows / tokens, tokens, heads, head_width: width / heads };
    Ok(graph.push(Forward { extent }, &[qkv])?[0])
}

/// The sides of one attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// B.
    pub batch: usize,
    /// N.
    pub tokens: usize,
    /// H.
    pub heads: usize,
    /// w = D / H.
    pub head_width: usize,
}

/// qkv → out, ℓ.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Sides.
    pub extent: Extent,
}

/// d_out, qkv, out, ℓ → d_qkv.
#[derive(Clone, Debug)]
pub struct Backward {
    /// Sides.
    pub extent: Extent,
}

impl Extent {
    /// D = H·w.
    pub fn width(&self) -> usize {
        self.heads * self.head_width
    }

    /// Rows of all heads: B·H·N.
    pub fn head_rows(&self) -> usize {
        self.batch * self.heads * self.tokens
    }

    /// Factor on Q·Kᵀ: 1/√w.
    pub fn scale(&self) -> f64 {
        1.0 / (self.head_width as f64).sqrt()
    }

    fn dims(&self) -> Vec<(&'static str, u32)> {
        vec![("batch", self.batch as u32), ("tokens", self.tokens as u32), ("heads", self.heads as u32)]
    }

    /// Whether an invocation makes several rows, by vectors.
    fn has_plain_rows(&self, target: &Target) -> bool {
        target.tier.is_plain() && self.head_width.is_multiple_of(4)
    }

    /// Name of the choice among [`TILES`] for `op` at these sides.
    fn choice_key(&self, op: &str) -> String {
        format!("{op} {}x{}x{}x{}", self.batch, self.tokens, self.heads, self.head_width)
    }

    /// The largest tile among [`TILES`] that `op` takes (T1).
    fn tile(&self, op: &str, target: &Target) -> [usize; 2] {
        TILES[target.choice(&self.choice_key(op), 0).min(TILES.len() - 1)]
    }

    /// Multiplications and additions of one N×N×w product in every head.
    fn product_flops(&self) -> f64 {
        2.0 * self.head_rows() as f64 * (self.tokens * self.head_width) as f64
    }
}

impl Op for Forward {
    fn name(&self) -> &'static str {
        "attention.forward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let Extent { batch, tokens, heads, head_width } = self.extent;
        let width = self.extent.width();
        if inputs[0].rows_and_width() != (batch * tokens, 3 * width) {
            return Err(Error::shape(
                "attention",
                format!("qkv {} is not [{}, {}]", inputs[0], batch * tokens, 3 * width),
                "rows are batch·tokens, columns three times heads·head width",
            ));
        }
        if head_width > MAX_HEAD_WIDTH {
            return Err(Error::shape(
                "attention",
                format!("head width {head_width} is above {MAX_HEAD_WIDTH}"),
                format!("take at least {} heads", width.div_ceil(MAX_HEAD_WIDTH)),
            ));
        }
        let mut sides = inputs[0].sides().to_vec();
        *sides.last_mut().expect("a shape with rows has sides") = width;
        Ok(vec![Shape::new(&sides), [batch, heads, tokens].into()])
    }

    fn adjoint(&self, graph: &mut Graph, node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_out) = d_outputs[0] else { return Ok(vec![None]) };
        let backward = Backward { extent: self.extent };
        let d_qkv = graph.push_one(backward, &[d_out, node.inputs[0], node.outputs[0], node.outputs[1]])?;
        Ok(vec![Some(d_qkv)])
    }

    fn cost(&self) -> Cost {
        let rows = self.extent.head_rows() as f64;
        Cost { flops: 2.0 * self.extent.product_flops(), bytes: 4.0 * rows * (4 * self.extent.head_width + 1) as f64 }
    }

    defined_by!(crate::cpu::attention::forward);

    fn candidates(&self) -> Option<(String, usize)> {
        Some((self.extent.choice_key(self.name()), TILES.len()))
    }

    fn launch(&self, target: &Target) -> Launch {
        use Binding as B;
        let slots = |qkv, out| vec![B::read(qkv, Slot::In(0)), B::write(out, Slot::Out(0)), B::write("lse", Slot::Out(1))];
        let forward = if self.extent.has_plain_rows(target) {
            // Queries and sums.
            rows_dispatch("plain_forward", &self.extent, 2, slots("qkv4", "out4"), self.stores(target))
        } else {
            dispatch("forward", target, &self.extent, self.extent.tile(self.name(), target), slots("qkv", "out"), self.stores(target))
        };
        Launch { dispatches: vec![forward], scratch: vec![] }
    }

    fn halves(&self) -> Ports {
        if self.extent.head_width.is_multiple_of(4) { Ports::new(&[0], &[0]) } else { Ports::default() }
    }
}

impl Op for Backward {
    fn name(&self) -> &'static str {
        "attention.backward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![inputs[1].clone()])
    }

    fn cost(&self) -> Cost {
        let rows = self.extent.head_rows() as f64;
        Cost { flops: 5.0 * self.extent.product_flops(), bytes: 4.0 * rows * (8 * self.extent.head_width + 1) as f64 }
    }

    defined_by!(crate::cpu::attention::backward);

    fn candidates(&self) -> Option<(String, usize)> {
        Some((self.extent.choice_key(self.name()), TILES.len()))
    }

    fn launch(&self, target: &Target) -> Launch {
        use Binding as B;
        let delta = vec![B::read("out_saved", Slot::In(2)), B::read("d_out", Slot::In(0)), B::write("delta", Slot::Scratch(0))];
        let slots = |qkv, d_out, d_qkv| {
            vec![
                B::read(qkv, Slot::In(1)),
                B::read(d_out, Slot::In(0)),
                B::read("lse_saved", Slot::In(3)),
                B::read("delta_saved", Slot::Scratch(0)),
                B::write(d_qkv, Slot::Out(0)),
            ]
        };
        let most = self.extent.tile(self.name(), target);
        let [query, key] = if self.extent.has_plain_rows(target) {
            let bindings = slots("qkv4", "d_out4", "d_qkv4");
            // Queries, their d_out and d_Q; keys, values, d_K and d_V.
            [("plain_backward_query", 3), ("plain_backward_key", 4)]
                .map(|(entry, held)| rows_dispatch(entry, &self.extent, held, bindings.clone(), self.stores(target)))
        } else {
            let bindings = slots("qkv", "d_out", "d_qkv");
            ["backward_query", "backward_key"]
                .map(|entry| dispatch(entry, target, &self.extent, most, bindings.clone(), self.stores(target)))
        };
        let dispatches = vec![dispatch("delta_rows", target, &self.extent, most, delta, self.stores(target)), query, key];
        Launch { dispatches, scratch: vec![self.extent.head_rows()] }
    }

    fn halves(&self) -> Ports {
        if self.extent.head_width.is_multiple_of(4) { Ports::new(&[0, 1, 2], &[0]) } else { Ports::default() }
    }
}

impl Forward {
    fn stores(&self, target: &Target) -> Stores {
        Stores { qkv: target.input(0), out: target.output(0), ..Stores::default() }
    }
}

impl Backward {
    fn stores(&self, target: &Target) -> Stores {
        let [d_out, qkv, out_saved] = [0, 1, 2].map(|port| target.input(port));
        Stores { qkv, d_out, out_saved, d_qkv: target.output(0), ..Stores::default() }
    }
}

/// How the arrays of heads are stored.
#[derive(Clone, Copy, Debug, Default)]
struct Stores {
    qkv: Store,
    d_out: Store,
    out_saved: Store,
    out: Store,
    d_qkv: Store,
}

/// Several rows of one head an invocation (T0), of which it holds `held` arrays.
fn rows_dispatch(entry: &'static str, extent: &Extent, held: usize, bindings: Vec<Binding>, stores: Stores) -> Dispatch {
    let most_rows = (HELD_VECS / (held * extent.head_width / 4)).clamp(1, MAX_ROWS);
    // Blocks of equal size: the last one makes again what it shares with the one before.
    let num_blocks = extent.tokens.div_ceil(most_rows);
    let rows = extent.tokens.div_ceil(num_blocks);
    Dispatch {
        shader: "plain/attention",
        entry,
        consts: vec![
            ("HEAD_WIDTH", Const::U32(extent.head_width as u32)),
            ("SCALE", Const::F32(extent.scale() as f32)),
            ("ROWS", Const::U32(rows as u32)),
            ("WORKGROUP", Const::U32(ROWS_WORKGROUP as u32)),
            ("qkv4", Const::Vectors(stores.qkv)),
            ("d_out4", Const::Vectors(stores.d_out)),
            ("out4", Const::Units(stores.out, 4)),
            ("d_qkv4", Const::Units(stores.d_qkv, 4)),
        ],
        dims: extent.dims(),
        bindings,
        groups: flat_groups(extent.batch * extent.heads * extent.tokens.div_ceil(rows), ROWS_WORKGROUP),
    }
}

/// One row of one head an invocation; T1 keeps a workgroup within one head, so that it shares tiles, of at `most` so
/// many rows.
fn dispatch(entry: &'static str, target: &Target, extent: &Extent, most: [usize; 2], bindings: Vec<Binding>, stores: Stores) -> Dispatch {
    let (workgroup, groups) = match target.tier {
        Tier::Plain | Tier::Narrow => (FLAT_WORKGROUP, flat_groups(extent.head_rows(), FLAT_WORKGROUP)),
        Tier::Tiled => {
            // Blocks of equal size waste fewer invocations than full ones and a short last one.
            let num_blocks = extent.tokens.div_ceil(most[0]);
            let group_rows = extent.tokens.div_ceil(num_blocks).next_multiple_of(LANES);
            (group_rows, flat_groups(extent.batch * extent.heads * extent.tokens.div_ceil(group_rows), 1))
        }
    };
    // Two rows of vec4 and two numbers of each tile row.
    let tile_row_bytes = 2 * extent.head_width.div_ceil(4) * 16 + 2 * 4;
    Dispatch {
        shader: "ops/attention",
        entry,
        consts: vec![
            ("HEAD_WIDTH", Const::U32(extent.head_width as u32)),
            ("SCALE", Const::F32(extent.scale() as f32)),
            ("TILED", Const::Bool(target.tier == Tier::Tiled)),
            ("TILE_ROWS", Const::U32((SHARED_BYTES / tile_row_bytes).min(most[1]) as u32)),
            ("WORKGROUP", Const::U32(workgroup as u32)),
            ("UNIT", Const::U32(target.unit() as u32)),
            ("qkv", Const::Floats(stores.qkv)),
            ("d_out", Const::Floats(stores.d_out)),
            ("out_saved", Const::Floats(stores.out_saved)),
            ("out", Const::Units(stores.out, target.unit())),
            ("d_qkv", Const::Units(stores.d_qkv, target.unit())),
        ],
        dims: extent.dims(),
        bindings,
        groups,
    }
}
