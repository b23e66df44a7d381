//! Sums over channels and maps of a stem stage, image by image.
//!
//! A stage is [pixels, C], channels innermost, as every device keeps it.

use super::{Array, BINS, MAX_CHANNELS, MAX_SIDE};

/// What a channel's values were over all images.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ChannelSums {
    /// Mean.
    pub mean: f32,
    /// Standard deviation (biased).
    pub deviation: f32,
    /// Least value.
    pub least: f32,
    /// Largest value.
    pub largest: f32,
    /// Share of the values that are not above 0.
    pub zero_frac: f32,
}

/// Gathers the channels of a stage over the images of a batch.
#[derive(Clone, Debug)]
pub struct Gatherer {
    num_channels: usize,
    count: u64,
    /// Of each channel: sum, sum of squares, least, largest, values not above 0.
    sums: Vec<[f64; 5]>,
    /// [C, BINS].
    bins: Vec<u64>,
    range: Option<[f32; 2]>,
}

/// The range of a histogram is that of the first image, widened by this share on either side: later
/// images seldom leave it, and what leaves it counts in the outer bins.
const WIDENING: f32 = 0.1;

impl Gatherer {
    /// Nothing yet.
    pub fn new(num_channels: usize) -> Self {
        let empty = [0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY, 0.0];
        Self { num_channels, count: 0, sums: vec![empty; num_channels], bins: vec![0; num_channels * BINS], range: None }
    }

    /// Adds an image [pixels, C].
    pub fn add(&mut self, stage: &[f32]) {
        let range = *self.range.get_or_insert_with(|| widened(stage));
        self.count += (stage.len() / self.num_channels) as u64;
        let scale = BINS as f32 / (range[1] - range[0]);
        for pixel in stage.chunks_exact(self.num_channels) {
            for ((value, sums), bins) in pixel.iter().zip(&mut self.sums).zip(self.bins.chunks_exact_mut(BINS)) {
                let wide = f64::from(*value);
                sums[0] += wide;
                sums[1] += wide * wide;
                sums[2] = sums[2].min(wide);
                sums[3] = sums[3].max(wide);
                sums[4] += f64::from(u8::from(*value <= 0.0));
                // A cast saturates, and takes NaN to 0.
                bins[(((value - range[0]) * scale) as usize).min(BINS - 1)] += 1;
            }
        }
    }

    /// Mean, deviation and so on of each channel.
    pub fn channels(&self) -> Vec<ChannelSums> {
        let count = self.count.max(1) as f64;
        let finish = |sums: &[f64; 5]| {
            let mean = sums[0] / count;
            ChannelSums {
                mean: mean as f32,
                deviation: (sums[1] / count - mean * mean).max(0.0).sqrt() as f32,
                least: sums[2] as f32,
                largest: sums[3] as f32,
                zero_frac: (sums[4] / count) as f32,
            }
        };
        self.sums.iter().map(finish).collect()
    }

    /// Shares [C, BINS] and the range of the bins.
    pub fn histogram(&self) -> (Array, [f32; 2]) {
        let shares = self.bins.iter().map(|bin| (*bin as f64 / self.count.max(1) as f64) as f32).collect();
        (Array::new(&[self.num_channels, BINS], shares), self.range.unwrap_or([0.0, 1.0]))
    }
}

/// The finite values' range, widened; never empty.
fn widened(values: &[f32]) -> [f32; 2] {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let [low, high] = finite.fold([f32::MAX, f32::MIN], |[low, high], value| [low.min(value), high.max(value)]);
    if low > high {
        return [0.0, 1.0];
    }
    let margin = ((high - low) * WIDENING).max(f32::EPSILON * high.abs()).max(1e-6);
    // A value of 0, where ReLU puts most, begins a bin of its own rather than lying inside one.
    [if low == 0.0 { 0.0 } else { low - margin }, high + margin]
}

/// The first channels of a stage [side², C] as maps [C', h, w], block means where a side is too large.
pub fn shown(stage: &[f32], side: usize, num_channels: usize) -> (Vec<f32>, [usize; 3]) {
    let kept = num_channels.min(MAX_CHANNELS);
    let block = side.div_ceil(MAX_SIDE);
    let out_side = side.div_ceil(block);
    let mut maps = Vec::with_capacity(kept * out_side * out_side);
    for channel in 0..kept {
        for (y, x) in (0..out_side).flat_map(|y| (0..out_side).map(move |x| (y * block, x * block))) {
            let inside = (y..(y + block).min(side)).flat_map(|row| (x..(x + block).min(side)).map(move |column| row * side + column));
            let (sum, count) = inside.fold((0.0, 0), |(sum, count), pixel| (sum + stage[pixel * num_channels + channel], count + 1));
            maps.push(sum / count as f32);
        }
    }
    (maps, [kept, out_side, out_side])
}
