//! Convolution of images with symmetric zero padding; patchify is the case kernel = stride.
//!
//!   y[b, i, j, o] = Σ_{u,v,c} x[b, s·i + u − p, s·j + v − p, c] · w[o, u, v, c]  (+ bias[o], then ReLU)
//!
//! Shapes      x [B, H, W, Ci], w [Co, k, k, Ci] → y [B, Ho, Wo, Co], Ho = ⌊(H + 2p − k)/s⌋ + 1
//! Derivative  d_x and d_w are the two other products of the same sum; d_bias comes from `bias`
//! Cost        2·B·Ho·Wo·Co·k²·Ci flop each way
//! Numerics    sums in f32; d_w in parts of fixed length, added in order
//! Errors      a kernel larger than the padded image, a weight of another shape
//! Source      the paper's stems. Differs: weights are stored [out, kh, kw, in].

use std::any::Any;
use std::sync::Arc;

use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::graph::Source;
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Ports, Slot, Target, Tier, flat_groups};
use crate::graph::{Cost, Graph, Node, Op, Shape, Value};
use crate::ops::activation::{Activation, Kind};
use crate::ops::bias::AddBias;

/// What tuning chooses from (T1): squares for wide layers, slim tiles for few channels and for few positions. Both
/// operands of 16 steps lie in workgroup memory, at most 12.5 KiB.
const TILES: [Tile; 5] = [Tile::new(64, 64, 4), Tile::new(128, 64, 8), Tile::new(128, 32, 4), Tile::new(64, 32, 4), Tile::new(32, 64, 4)];
/// The candidate for few channels.
const SLIM: usize = 2;
/// Invocations of a workgroup of the final sums of d_w.
const WORKGROUP: usize = 64;
/// Invocations of a workgroup of T0's kernels, and the sides of the tile that each of them keeps in registers.
const PLAIN_WORKGROUP: usize = 16;
const PLAIN_TILE: usize = 16;
/// The same on narrow vectors: larger ones are too long to be written out (see src/gpu/unroll.rs).
const NARROW_TILE: usize = 8;
/// Output positions of one partial sum of d_w, at least; and the most partial sums.
const PART_LEN: usize = 256;
const MAX_PARTS: usize = 64;
/// Most values that the partial sums may take together.
const PARTIAL_LEN: usize = 1 << 23;

/// The values that a workgroup makes (T1).
#[derive(Clone, Copy, Debug)]
struct Tile {
    rows: usize,
    columns: usize,
    /// Rows of an invocation, which makes 4 columns.
    own_rows: usize,
}

impl Tile {
    const fn new(rows: usize, columns: usize, own_rows: usize) -> Self {
        Self { rows, columns, own_rows }
    }

    /// Workgroups that tile `rows` by `columns` values, so many times.
    fn groups(&self, [rows, columns]: [usize; 2], times: usize) -> [u32; 3] {
        flat_groups(rows.div_ceil(self.rows) * columns.div_ceil(self.columns) * times, 1)
    }
}

/// Convolves `x` [B, H, W, Ci] with `w` [Co, k, k, Ci], without bias.
pub fn conv2d(graph: &mut Graph, x: Value, w: Value, kernel: usize, stride: usize, padding: usize) -> Result<Value> {
    let geometry = Geometry::new(graph.shape(x), graph.shape(w), kernel, stride, padding)?;
    graph.push_one(Forward { geometry, bias: false, relu: false }, &[x, w])
}

/// Sides of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// B.
    pub batch: usize,
    /// H.
    pub height: usize,
    /// W.
    pub width: usize,
    /// Ci.
    pub channels_in: usize,
    /// Co.
    pub channels_out: usize,
    /// k: side of the square kernel.
    pub kernel: usize,
    /// s.
    pub stride: usize,
    /// p: zeros on every side.
    pub padding: usize,
}

impl Geometry {
    /// The geometry of `x` [B, H, W, Ci] with `w` [Co, k, k, Ci], or what does not fit.
    pub fn new(x: &Shape, w: &Shape, kernel: usize, stride: usize, padding: usize) -> Result<Self> {
        let &[batch, height, width, channels_in] = x.sides() else {
            return Err(Error::shape("conv2d", format!("input {x} is not an image batch"), "the sides are [B, H, W, C]"));
        };
        let fits = matches!(w.sides(), [_, kh, kw, ci] if [*kh, *kw, *ci] == [kernel, kernel, channels_in]);
        if !fits {
            let hint = format!("the weight is [out, {kernel}, {kernel}, {channels_in}]");
            return Err(Error::shape("conv2d", format!("weight {w} does not fit input {x}"), hint));
        }
        if stride == 0 || kernel == 0 || kernel > height.min(width) + 2 * padding {
            let what = format!("kernel {kernel} with stride {stride} and padding {padding} does not fit input {x}");
            return Err(Error::shape("conv2d", what, "the kernel is at most the padded image, the stride at least 1"));
        }
        Ok(Self { batch, height, width, channels_in, channels_out: w.sides()[0], kernel, stride, padding })
    }

    /// Ho.
    pub fn height_out(&self) -> usize {
        (self.height + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Wo.
    pub fn width_out(&self) -> usize {
        (self.width + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// Output positions of one image.
    pub fn positions_per_image(&self) -> usize {
        self.height_out() * self.width_out()
    }

    /// Output positions of the batch.
    pub fn positions(&self) -> usize {
        self.batch * self.positions_per_image()
    }

    /// Values of `x` under one row of the kernel: k·Ci.
    pub fn run_len(&self) -> usize {
        self.kernel * self.channels_in
    }

    /// Values of `x` under the kernel: k²·Ci.
    pub fn patch_len(&self) -> usize {
        self.kernel * self.run_len()
    }

    /// The convolution that makes d_x from d_y with the kernel turned round; only with stride 1.
    pub fn turned(&self) -> Option<Self> {
        let fits = self.stride == 1 && self.padding < self.kernel;
        fits.then(|| Self {
            height: self.height_out(),
            width: self.width_out(),
            channels_in: self.channels_out,
            channels_out: self.channels_in,
            padding: self.kernel - 1 - self.padding,
            ..*self
        })
    }

    /// Whether channels come in fours on both ends, so that vectors can be read along them.
    fn has_vectors(&self) -> bool {
        self.channels_in.is_multiple_of(4) && self.channels_out.is_multiple_of(4)
    }

    /// Name of the choice among [`TILES`] for `op` at these sides.
    fn choice_key(&self, op: &str) -> String {
        let Self { batch, height, width, channels_in, channels_out, kernel, stride, padding } = self;
        format!("{op} {batch}x{height}x{width} {channels_in}-{channels_out} k{kernel} s{stride} p{padding}")
    }

    /// What [`Op::candidates`] says of `op`.
    fn candidates(&self, op: &str) -> Option<(String, usize)> {
        Some((self.choice_key(op), TILES.len()))
    }

    fn shape_in(&self) -> Shape {
        [self.batch, self.height, self.width, self.channels_in].into()
    }

    fn shape_out(&self) -> Shape {
        [self.batch, self.height_out(), self.width_out(), self.channels_out].into()
    }

    fn weight_shape(&self) -> Shape {
        [self.channels_out, self.kernel, self.kernel, self.channels_in].into()
    }

    fn cost(&self) -> Cost {
        let sides = [self.shape_in().len(), self.shape_out().len(), self.weight_shape().len()];
        let flops = 2.0 * self.positions() as f64 * (self.channels_out * self.patch_len()) as f64;
        Cost { flops, bytes: 4.0 * sides.iter().sum::<usize>() as f64 }
    }
}

/// x, w (, bias) → y.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Sides.
    pub geometry: Geometry,
    /// Whether an input [Co] is added.
    pub bias: bool,
    /// Whether max(·, 0) follows.
    pub relu: bool,
}

/// d_y, w → d_x.
#[derive(Clone, Debug)]
pub struct BackwardInput {
    /// Sides.
    pub geometry: Geometry,
}

/// d_y, x → d_w.
#[derive(Clone, Debug)]
pub struct BackwardWeight {
    /// Sides.
    pub geometry: Geometry,
}

impl Op for Forward {
    fn name(&self) -> &'static str {
        "conv2d.forward"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![self.geometry.shape_out()])
    }

    fn adjoint(&self, graph: &mut Graph, node: &Node, d_outputs: &[Option<Value>]) -> Result<Vec<Option<Value>>> {
        let Some(d_y) = d_outputs[0] else { return Ok(vec![None; 2]) };
        let geometry = self.geometry;
        let [x, w] = [node.inputs[0], node.inputs[1]];
        let x_saved = graph.saved(x)?;
        let d_w = graph.push_one(BackwardWeight { geometry }, &[d_y, x_saved])?;
        // Images are leaves: nobody asks for their gradient, and it would be the dearest of all.
        let x_is_leaf = matches!(graph.values[x.0].source, Source::Leaf(_));
        let d_x = if x_is_leaf { None } else { Some(graph.push_one(BackwardInput { geometry }, &[d_y, w])?) };
        Ok(vec![d_x, Some(d_w)])
    }

    fn cost(&self) -> Cost {
        self.geometry.cost()
    }

    defined_by!(crate::cpu::conv2d::forward);

    fn candidates(&self) -> Option<(String, usize)> {
        self.geometry.candidates(self.name())
    }

    fn halves(&self) -> Ports {
        Ports::new(&[0, 1], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        let call = Call { bias: self.bias, relu: self.relu, ..Call::new(&self.geometry, target) };
        call.product(self.name(), self.geometry.positions(), self.geometry.channels_out)
    }

    fn absorb(&self, consumer: &dyn Op, port: usize, keep: bool) -> Option<Arc<dyn Op>> {
        let consumer = consumer as &dyn Any;
        if keep || self.relu {
            return None;
        }
        if consumer.is::<AddBias>() && port == 0 && !self.bias {
            return Some(Arc::new(Self { bias: true, ..*self }));
        }
        let is_relu = consumer.downcast_ref::<Activation>().is_some_and(|activation| activation.kind == Kind::Relu);
        is_relu.then(|| Arc::new(Self { relu: true, ..*self }) as Arc<dyn Op>)
    }
}

impl Op for BackwardInput {
    fn name(&self) -> &'static str {
        "conv2d.backward_input"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![self.geometry.shape_in()])
    }

    fn cost(&self) -> Cost {
        self.geometry.cost()
    }

    defined_by!(crate::cpu::conv2d::backward_input);

    fn candidates(&self) -> Option<(String, usize)> {
        self.geometry.candidates(self.name())
    }

    fn halves(&self) -> Ports {
        Ports::new(&[0, 1], &[0])
    }

    fn launch(&self, target: &Target) -> Launch {
        let g = &self.geometry;
        let call = Call { transposed: true, ..Call::new(g, target) };
        call.product(self.name(), g.batch * g.height * g.width, g.channels_in)
    }
}

impl Op for BackwardWeight {
    fn name(&self) -> &'static str {
        "conv2d.backward_weight"
    }

    fn infer(&self, _inputs: &[&Shape]) -> Result<Vec<Shape>> {
        Ok(vec![self.geometry.weight_shape()])
    }

    fn cost(&self) -> Cost {
        self.geometry.cost()
    }

    defined_by!(crate::cpu::conv2d::backward_weight);

    fn candidates(&self) -> Option<(String, usize)> {
        self.geometry.candidates(self.name())
    }

    fn halves(&self) -> Ports {
        Ports::new(&[0, 1], &[])
    }

    fn launch(&self, target: &Target) -> Launch {
        let g = &self.geometry;
        let weight_len = g.weight_shape().len();
        let most_parts = (PARTIAL_LEN / weight_len).clamp(1, MAX_PARTS);
        let part_len = g.positions().div_ceil(most_parts).max(PART_LEN);
        let num_parts = g.positions().div_ceil(part_len);
        let call = Call { part_len, num_parts, ..Call::new(g, target) };
        let last = vec![Binding::read("partial_in", Slot::Scratch(0)), Binding::write("d_w", Slot::Out(0))];
        let by_vectors = target.tier.is_plain() && g.has_vectors();
        let names = if by_vectors { ["d_y4", "x_saved4", "partial4"] } else { ["d_y", "x_saved", "partial"] };
        let partial =
            vec![Binding::read(names[0], Slot::In(0)), Binding::read(names[1], Slot::In(1)), Binding::write(names[2], Slot::Scratch(0))];
        let product = match target.tier {
            Tier::Plain | Tier::Narrow => {
                let entry = if by_vectors { "plain_weight_partial" } else { "plain_weight_partial_ragged" };
                call.plain(entry, partial, [g.channels_out, g.patch_len()], num_parts)
            }
            Tier::Tiled => call.tiled(self.name(), "backward_weight_partial", partial, [g.channels_out, g.patch_len()], num_parts),
        };
        let dispatches = vec![product, call.dispatch("backward_weight_final", TILES[0], last, flat_groups(weight_len, WORKGROUP))];
        Launch { dispatches, scratch: vec![num_parts * weight_len] }
    }
}

/// What the launches of one convolution share.
struct Call<'a> {
    geometry: Geometry,
    target: &'a Target,
    transposed: bool,
    bias: bool,
    relu: bool,
    part_len: usize,
    num_parts: usize,
}

impl<'a> Call<'a> {
    fn new(geometry: &Geometry, target: &'a Target) -> Self {
        Self { geometry: *geometry, target, transposed: false, bias: false, relu: false, part_len: 0, num_parts: 0 }
    }

    /// y from x, or d_x from d_y: so many positions by so many channels.
    fn product(&self, op: &str, positions: usize, channels: usize) -> Launch {
        let by_vectors = self.target.tier.is_plain() && self.geometry.has_vectors();
        let names = if by_vectors { ["x4", "w4", "y"] } else { ["x", "w", "y"] };
        let bindings = vec![
            Binding::read(names[0], Slot::In(0)),
            Binding::read(names[1], Slot::In(1)),
            // Without a bias the binding must still be filled; the shader does not read it.
            Binding::read("bias", Slot::In(if self.bias { 2 } else { 1 })),
            Binding::write(names[2], Slot::Out(0)),
        ];
        let dispatch = match self.target.tier {
            Tier::Plain | Tier::Narrow => {
                let entry = if by_vectors { "plain_forward" } else { "plain_forward_ragged" };
                self.plain(entry, bindings, [positions, channels], 1)
            }
            Tier::Tiled => self.tiled(op, "forward", bindings, [positions, channels], 1),
        };
        Launch { dispatches: vec![dispatch], scratch: vec![] }
    }

    /// T0's kernel for rows by columns, so many times: each invocation makes a tile of them in registers.
    fn plain(&self, entry: &'static str, bindings: Vec<Binding>, sides: [usize; 2], times: usize) -> Dispatch {
        let most = if self.target.tier == Tier::Narrow { NARROW_TILE } else { PLAIN_TILE };
        let [rows, columns] = if entry.starts_with("plain_weight") { sides } else { [most, sides[1]] };
        // No tile is wider than what is there: its last one reaches back over its neighbours.
        let tile = [rows, columns].map(|side| most.min(side.next_multiple_of(4)));
        let num_tiles = sides[0].div_ceil(tile[0]) * sides[1].div_ceil(tile[1]) * times;
        let consts = [("ROWS", tile[0]), ("COLUMNS", tile[1]), ("WORKGROUP", PLAIN_WORKGROUP)];
        let consts = consts.map(|(name, value)| (name, Const::U32(value as u32)));
        let by_fours = ["x4", "w4", "d_y4", "x_saved4"].into_iter().zip([0, 1, 0, 1]);
        let by_fours = by_fours.map(|(name, port)| (name, Const::Vectors(self.target.input(port))));
        let unit = if entry == "plain_forward" { 4 } else { self.target.unit() };
        Dispatch {
            shader: "plain/conv2d",
            entry,
            consts: self.consts(unit).into_iter().chain(by_fours).chain(consts).collect(),
            dims: self.dims(),
            bindings,
            groups: flat_groups(num_tiles, PLAIN_WORKGROUP),
        }
    }

    /// T1's kernel for rows by columns, so many times. Untuned: a slim tile where a square would be half empty.
    fn tiled(&self, op: &str, entry: &'static str, bindings: Vec<Binding>, sides: [usize; 2], times: usize) -> Dispatch {
        let guess = if sides[1] <= TILES[SLIM].columns { SLIM } else { 0 };
        let tile = TILES[self.target.choice(&self.geometry.choice_key(op), guess).min(TILES.len() - 1)];
        self.dispatch(entry, tile, bindings, tile.groups(sides, times))
    }

    fn dispatch(&self, entry: &'static str, tile: Tile, bindings: Vec<Binding>, groups: [u32; 3]) -> Dispatch {
        let sides = [("WORKGROUP", WORKGROUP), ("TILE_ROWS", tile.rows), ("TILE_COLUMNS", tile.columns), ("OWN_ROWS", tile.own_rows)];
        let sides = sides.map(|(name, value)| (name, Const::U32(value as u32)));
        let consts = self.consts(self.target.unit()).into_iter().chain(sides).collect();
        Dispatch { shader: "ops/conv2d", entry, consts, dims: self.dims(), bindings, groups }
    }

    fn consts(&self, unit: usize) -> Vec<(&'static str, Const)> {
        let [first, second] = [0, 1].map(|port| Const::Floats(self.target.input(port)));
        vec![
            ("KERNEL", Const::U32(self.geometry.kernel as u32)),
            ("STRIDE", Const::U32(self.geometry.stride as u32)),
            ("TRANSPOSED", Const::Bool(self.transposed)),
            ("BIAS", Const::Bool(self.bias)),
            ("RELU", Const::Bool(self.relu)),
            ("UNIT", Const::U32(unit as u32)),
            ("x", first),
            ("w", second),
            ("d_y", first),
            ("x_saved", second),
            ("y", Const::Units(self.target.output(0), unit)),
        ]
    }

    fn dims(&self) -> Vec<(&'static str, u32)> {
        let g = &self.geometry;
        let dims = [
            ("batch", g.batch),
            ("height", g.height),
            ("width", g.width),
            ("channels_in", g.channels_in),
            ("channels_out", g.channels_out),
            ("padding", g.padding),
            ("height_out", g.height_out()),
            ("width_out", g.width_out()),
            ("part_len", self.part_len),
            ("num_parts", self.num_parts),
        ];
        dims.map(|(name, value)| (name, value as u32)).to_vec()
    }
}
