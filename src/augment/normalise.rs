//! Bytes to floats: (value / 255 − mean) / deviation, per channel.
//!
//! Shapes      [pixels, 3] bytes → [pixels, 3] f32
//! Numerics    a table of the 256 values a channel, computed in f64 and rounded once

use crate::config::experiment::AugmentConfig;
use crate::error::{Error, Result};

/// Mean and deviation per channel, of values in 0..1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelStats {
    /// Red, green, blue.
    pub mean: [f64; 3],
    /// Red, green, blue.
    pub std: [f64; 3],
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

/// The table that normalises bytes.
#[derive(Clone, Debug)]
pub struct Normaliser {
    table: [[f32; 256]; 3],
}

impl Normaliser {
    /// The table of `stats`.
    pub fn new(stats: &ChannelStats) -> Self {
        let value = |channel: usize, byte: usize| ((byte as f64 / 255.0 - stats.mean[channel]) / stats.std[channel]) as f32;
        let row = |channel| std::array::from_fn(|byte| value(channel, byte));
        Self { table: std::array::from_fn(row) }
    }

    /// Writes the normalised `bytes` [pixels, 3] to `floats`, of the same length.
    pub fn apply(&self, bytes: &[u8], floats: &mut [f32]) {
        assert_eq!(bytes.len(), floats.len(), "normalise: lengths differ");
        for (rgb, out) in bytes.chunks_exact(3).zip(floats.chunks_exact_mut(3)) {
            for channel in 0..3 {
                out[channel] = self.table[channel][usize::from(rgb[channel])];
            }
        }
    }
}
