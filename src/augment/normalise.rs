//! Bytes to floats: (value / 255 − mean) / deviation, per channel.
//!
//!   y = table[channel][byte], and 0 from image `valid` of the pass on
//!
//! Shapes      bytes [B, S, S, 3], four a word; table [3, 256] → y [B, S, S, 3]
//! Derivative  none
//! Cost        memory bound, 5 bytes a number
//! Numerics    the table is computed in f64 and rounded once, on the host: the same bits on every device
//! Errors      none
//! Source      torchvision `ToTensor` and `Normalize`. Differs: padding is 0, not black.

use super::WORKGROUP;
use crate::config::experiment::AugmentConfig;
use crate::defined_by;
use crate::error::{Error, Result};
use crate::graph::launch::{Binding, Const, Dispatch, Launch, Slot, Target, flat_groups};
use crate::graph::{Cost, Graph, Op, Shape, Value};

/// Words of the table.
pub const TABLE_LEN: usize = 3 * 256;
/// Bytes of a word.
pub const BYTES_PER_WORD: usize = 4;

/// Mean and deviation per channel, of values in 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelStats {
    /// Red, green, blue.
    pub mean: [f64; 3],
    /// Red, green, blue.
    pub std: [f64; 3],
}

impl Default for ChannelStats {
    /// Values stay as they are.
    fn default() -> Self {
        Self::grey(0.0, 1.0)
    }
}

impl ChannelStats {
    /// ImageNet's, for photographs.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// The same for all channels, for grey images.
    pub const fn grey(mean: f64, std: f64) -> Self {
        Self { mean: [mean; 3], std: [std; 3] }
    }

    /// What the config says, and `own`, the data set's, where the config is empty.
    ///
    /// Errors: a list of neither 1 nor 3 numbers, or a deviation that is not positive.
    pub fn from_config(config: &AugmentConfig, own: Self) -> Result<Self> {
        let mean = per_channel("augment.mean", &config.mean, own.mean)?;
        let std = per_channel("augment.std", &config.std, own.std)?;
        if let Some(bad) = std.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            let what = format!("augment.std holds {bad}, which is not a positive number");
            return Err(Error::config(what, "values are divided by it, after scaling to 0..1"));
        }
        Ok(Self { mean, std })
    }
}

fn per_channel(key: &str, values: &[f64], own: [f64; 3]) -> Result<[f64; 3]> {
    match *values {
        [] => Ok(own),
        [all] => Ok([all; 3]),
        [red, green, blue] => Ok([red, green, blue]),
        _ => Err(Error::config(
            format!("{key} has {} numbers", values.len()),
            "give 3 (red, green, blue), 1 for all channels, or none for the data set's own",
        )),
    }
}

/// The value of each byte in each channel, [3, 256].
pub fn table(stats: &ChannelStats) -> [f32; TABLE_LEN] {
    std::array::from_fn(|ix| {
        let (channel, byte) = (ix / 256, ix % 256);
        ((byte as f64 / 255.0 - stats.mean[channel]) / stats.std[channel]) as f32
    })
}

/// Words that hold the bytes of so many square images.
pub fn word_count(images: usize, side: usize) -> usize {
    (images * side * side * 3).div_ceil(BYTES_PER_WORD)
}

/// `bytes` (words of four) of `batch` images of `side`, by the `table`.
pub fn normalise(graph: &mut Graph, bytes: Value, table: Value, batch: usize, side: usize) -> Result<Value> {
    graph.push_one(Normalise { batch, side }, &[bytes, table])
}

/// bytes, table → y.
#[derive(Clone, Debug)]
pub struct Normalise {
    /// B.
    pub batch: usize,
    /// S.
    pub side: usize,
}

impl Normalise {
    /// Numbers of an image.
    pub fn image_len(&self) -> usize {
        self.side * self.side * 3
    }
}

impl Op for Normalise {
    fn name(&self) -> &'static str {
        "normalise.forward"
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Vec<Shape>> {
        let words = word_count(self.batch, self.side);
        if inputs[0].len() != words || inputs[1].len() != TABLE_LEN {
            let what = format!("bytes {} and table {} do not fit {} images of {}", inputs[0], inputs[1], self.batch, self.side);
            return Err(Error::shape("normalise", what, format!("they need [{words}] and [{TABLE_LEN}]")));
        }
        Ok(vec![[self.batch, self.side, self.side, 3].into()])
    }

    fn cost(&self) -> Cost {
        Cost { flops: 0.0, bytes: 5.0 * (self.batch * self.image_len()) as f64 }
    }

    defined_by!(crate::cpu::normalise::forward);

    fn launch(&self, _target: &Target) -> Launch {
        let len = self.batch * self.image_len();
        let dispatch = Dispatch {
            shader: "augment/normalise",
            entry: "forward",
            consts: vec![("WORKGROUP", Const::U32(WORKGROUP as u32))],
            dims: vec![("len", len as u32), ("image_len", self.image_len() as u32)],
            bindings: vec![Binding::read("bytes", Slot::In(0)), Binding::read("table", Slot::In(1)), Binding::write("y", Slot::Out(0))],
            groups: flat_groups(word_count(self.batch, self.side), WORKGROUP),
        };
        Launch { dispatches: vec![dispatch], scratch: vec![] }
    }
}
