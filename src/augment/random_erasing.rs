//! Noise over a random box of a normalised image.
//!
//!   area ~ U(0.02, ⅓) of the image,  ln(height/width) ~ U(ln 0.3, −ln 0.3);  the first of ten tries
//!   that fits; each pixel and channel ~ N(0, 1)
//!
//! Shapes      x [B, S, S, 3] in place; holes [B, 5]: place in the batch, top, left, height, width (no
//!             hole: height 0); quantiles [65536]
//! Derivative  none
//! Cost        memory bound
//! Numerics    16 random bits a number choose one of 65 536 equally likely quantiles of the normal (up to
//!             ±4.2, variance 0.9999), made on the host: no logarithm or cosine of a device's own, so the
//!             same bits on every device. The draw is a function of (seed, step, place in the batch, place
//!             in the hole)
//! Errors      none
//! Source      Zhong et al. 2017, arXiv:1708.04896; timm `RandomErasing`, mode pixel, one box.
//!             Differs: the random numbers.

use super::{ImagePlace, Operation, WORKGROUP, image_draws};
use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Op, Real, Shape, Value};
use crate::rng::Stream;

/// Least and most share of the image.
const AREA: [f64; 2] = [0.02, 1.0 / 3.0];
/// Least height over width; the most is its inverse.
const MIN_ASPECT: f64 = 0.3;
/// Tries before the image stays whole.
const TRIES: usize = 10;
/// From one quantile to the next; the last lie half a unit apart, where four steps reach the last bit.
const NEWTON_STEPS: usize = 6;
/// Words of a hole in the table.
pub const HOLE_LEN: usize = 5;
/// Values the noise takes: one for each 16 bits.
pub const NUM_QUANTILES: usize = 1 << 16;
/// Numbers of one counter: two a word.
pub const NUMBERS_PER_INDEX: usize = 8;

/// What is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// The hole of the image at `at`, with chance `chance`; none where no try fits.
pub fn draw(chance: f64, side: usize, at: ImagePlace) -> Option<Hole> {
    let mut draws = image_draws(at.seed, at.step, at.position, Operation::RandomErasing);
    if f64::from(draws.next_unit()) >= chance {
        return None;
    }
    (0..TRIES).find_map(|_| {
        let [area_frac, aspect_frac, row_frac, column_frac] = std::array::from_fn(|_| f64::from(draws.next_unit()));
        let pixels = (AREA[0] + (AREA[1] - AREA[0]) * area_frac) * (side * side) as f64;
        let aspect = ((1.0 - 2.0 * aspect_frac) * MIN_ASPECT.ln()).exp();
        let (height, width) = sides(pixels, aspect);
        let place = |length: usize, share: f64| (share * (side - length + 1) as f64) as usize;
        (height < side && width < side).then(|| Hole { top: place(height, row_frac), left: place(width, column_frac), height, width })
    })
}

/// Height and width of so many pixels at height over width, rounded.
pub fn sides(pixels: f64, aspect: f64) -> (usize, usize) {
    ((pixels * aspect).sqrt().round_ties_even() as usize, (pixels / aspect).sqrt().round_ties_even() as usize)
}

/// The row of the table for the image at `position` of the batch.
pub fn hole_row(hole: Option<Hole>, position: usize) -> [f32; HOLE_LEN] {
    let Hole { top, left, height, width } = hole.unwrap_or(Hole { top: 0, left: 0, height: 0, width: 0 });
    [position, top, left, height, width].map(|number| number as f32)
}

/// The value of the normal below which lies a share of (k + ½)/65536, for each k. By Newton from the value
/// before, outwards from the middle; the lower half mirrors the upper.
pub fn quantiles() -> Vec<f32> {
    let half = NUM_QUANTILES / 2;
    let mut table = vec![0.0; NUM_QUANTILES];
    let mut value = 0.0_f64;
    for ix in 0..half {
        // The share above keeps its digits far out, where the share below is nearly 1.
        let above = (half - ix) as f64 / NUM_QUANTILES as f64 - 0.5 / NUM_QUANTILES as f64;
        for _ in 0..NEWTON_STEPS {
            let (tail, density) = (-value).normal();
            value += (tail - above) / density;
        }
        table[half + ix] = value as f32;
        table[half - 1 - ix] = -value as f32;
    }
    table
}

/// Fills the `holes` of `images` [B, S, S, 3] in place.
pub fn fill(graph: &mut Graph, images: Value, holes: Value, quantiles: Value) -> Result<Value> {
    let shape = graph.shape(images).clone();
    let &[batch, side, _, _] = shape.sides() else {
        return Err(Error::shape("random_erasing", format!("{shape} is not [batch, side, side, 3]"), ""));
    };
    graph.push_one(Fill { batch, side }, &[images, holes, quantiles])
}

/// x (in place), holes, quantiles → x.
#[derive(Clone, Debug)]
pub struct Fill {
    /// B.
    pub batch: usize,
    /// S.
    pub side: usize,
}

impl Fill {
    /// Counters that one image may use.
    pub fn counters(&self) -> usize {
        (self.side * self.side * 3).div_ceil(NUMBERS_PER_INDEX)
    }
}

impl Op for Fill {
    fn name(&self) -> &'static str {
        "random_erasing.fill"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        if inputs[1].len() != self.batch * HOLE_LEN || inputs[2].len() != NUM_QUANTILES {
            let what = format!("holes {} and quantiles {} do not fit images {}", inputs[1], inputs[2], inputs[0]);
            return Err(Error::shape("random_erasing", what, format!("they need [{}, {HOLE_LEN}] and [{NUM_QUANTILES}]", self.batch)));
        }
        Ok(vec![inputs[0].clone()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: 0.0, bytes: 4.0 * (self.batch * self.side * self.side * 3) as f64 }
    }

    fn in_place(&self) -> &'static [(usize, usize)] {
        &[(0, 0)]
    }

    defined_by!(crate::cpu::random_erasing::fill);

    fn launch(&self, _target: &Target) -> Launch {
        let items = self.batch * self.counters();
        let dispatch = Dispatch {
            shader: "augment/random_erasing",
            entry: "fill",
            consts: vec![
                ("HOLE_LEN", Const::U32(HOLE_LEN as u32)),
                ("STREAM", Const::U32(Stream::EraseNoise as u32)),
                ("WORKGROUP", Const::U32(WORKGROUP as u32)),
            ],
            dims: vec![("batch", self.batch as u32), ("side", self.side as u32), ("counters", self.counters() as u32)],
            bindings: vec![
                Binding::read("holes", Slot::In(1)),
                Binding::read("quantiles", Slot::In(2)),
                Binding::write("images", Slot::Out(0)),
            ],
            groups: flat_groups(items, WORKGROUP),
        };
        Launch { dispatches: vec![dispatch], scratch: vec![] }
    }
}
