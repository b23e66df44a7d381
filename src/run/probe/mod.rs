//! A probe as data: what a run looked like inside at one step (`probes/step-NNNNNN.safetensors`).
//!
//! Letters: P images shown, L token layers (stem output, after the position embedding, each block),
//! A blocks, H heads, S image side, C channels of a stem stage, T tokens of a grid with the class
//! token in front, n = T − 1 patches, G parameter groups.
//!
//!   cossim [L]                        always there: mean similarity of patch tokens over the probe batch
//!   images u8 [P, S, S, 3]            as the model saw them, 0..255
//!   labels i64 [P]
//!   filters [F, 3, k, k]              of the stem's first convolution, F ≤ 64
//!   stem.I.maps [P, C', h, w]         stage I of the stem (after a convolution, its BatchNorm, its
//!                                     activation), C' ≤ 16 channels, h, w ≤ 64 (larger: block means)
//!   stem.I.channels [C, 5]            mean, deviation, least, largest, share of values ≤ 0, over the batch
//!   stem.I.histogram [C, 32]          shares of a channel's values in equal bins of stem.I.range [2];
//!                                     values outside count in the first or last
//!   stem.I.norm [C, 4]                BatchNorm stages: weight γ, bias, running mean, running √(var + ε)
//!   stem.I.bound [P, 6]               [`theory::Spread`] of the stage as a matrix [h·w, C]
//!   attention [P, A, H, T', T']       rows sum to 1; T' may belong to a coarser grid, see [`pairs`]
//!   distance, entropy [A, H]          mean attention distance in pixels and entropy in nats, over the batch
//!   rollout [P, n]                    attention rollout from the class token to the patches
//!   similarity [P, L, n', n']         cosine of every pair of patch tokens, n' likewise
//!   theorem1 [C, 4]                   [`theory::Channel`] of the last BatchNorm of the stem
//!   groups [G, 3]                     norms of weights, last gradient, last update
//!
//! Large arrays are stored in 16 bits. Names that are text (stages, groups) stand in the file's
//! metadata ([`About`]). Nothing here knows a device: a page reads the same files.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::tensors::Tensors;
use crate::error::Result;

/// What attention does with tokens.
pub mod attention;
mod file;
/// Sums over channels and maps.
pub mod maps;
/// Coarser grids, for arrays over pairs of tokens.
pub mod pairs;
/// The quantities of the paper's theorems.
pub mod theory;

/// Most filters that a file keeps.
pub const MAX_FILTERS: usize = 64;
/// Most channels of a stage whose maps a file keeps.
pub const MAX_CHANNELS: usize = 16;
/// Largest side of a map that a file keeps.
pub const MAX_SIDE: usize = 64;
/// Bins of a histogram.
pub const BINS: usize = 32;

/// Numbers with their sides, row by row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    /// Sides, outermost first.
    pub shape: Vec<usize>,
    /// As many as the shape says.
    pub values: Vec<f32>,
}

impl Array {
    /// Numbers of this shape.
    pub fn new(shape: &[usize], values: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), values.len(), "values for shape {shape:?}");
        Self { shape: shape.to_vec(), values }
    }

    /// The numbers behind the leading indices: `at(&[2])` of [P, C, h, w] is the third image's [C, h, w].
    /// None where an index is too large.
    pub fn at(&self, leading: &[usize]) -> Option<&[f32]> {
        let is_inside = leading.len() <= self.shape.len() && leading.iter().zip(&self.shape).all(|(ix, side)| ix < side);
        let start = leading.iter().zip(&self.shape).fold(0, |start, (ix, side)| start * side + ix);
        let len: usize = self.shape.get(leading.len()..)?.iter().product();
        is_inside.then(|| &self.values[start * len..][..len])
    }
}

/// What a stage of a stem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    /// After a convolution.
    Conv,
    /// After the BatchNorm behind it.
    BatchNorm,
    /// After ReLU.
    Relu,
    /// After GELU.
    Gelu,
}

impl StageKind {
    /// Word for a screen.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conv => "conv",
            Self::BatchNorm => "BN",
            Self::Relu => "ReLU",
            Self::Gelu => "GELU",
        }
    }
}

/// Names in the metadata of a file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// Optimiser steps made.
    pub step: u64,
    /// Side of the patch grid.
    pub grid: usize,
    /// The convolution and kind of each stage, in the order of the data.
    pub stages: Vec<StageName>,
    /// The weight whose slices are theorem 1's W_c; empty where the stem has no BatchNorm.
    pub theorem1_weight: String,
    /// Parameter groups: `patch_embed`, `blocks.0.attn`, …
    pub groups: Vec<String>,
}

/// A stage by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageName {
    /// The convolution it belongs to: `patch_embed.conv.0`.
    pub layer: String,
    /// What it is.
    pub kind: StageKind,
}

/// A stage of the stem.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Which one.
    pub name: StageName,
    /// [P, C', h, w].
    pub maps: Array,
    /// [C]: numbers over the probe batch.
    pub channels: Vec<maps::ChannelSums>,
    /// [C, [`BINS`]], shares.
    pub histogram: Array,
    /// Lower end of the first bin, upper end of the last.
    pub range: [f32; 2],
    /// [C] for BatchNorm stages.
    pub norm: Vec<ScaledRelu>,
    /// [P].
    pub bound: Vec<theory::Spread>,
}

impl Stage {
    /// Channels that are nowhere above 0 on the probe batch, of a ReLU; none of another stage.
    pub fn dead_channels(&self) -> Vec<usize> {
        if self.name.kind != StageKind::Relu {
            return Vec::new();
        }
        self.channels.iter().enumerate().filter(|(_, sums)| sums.largest <= 0.0).map(|(ix, _)| ix).collect()
    }
}

/// A channel of a BatchNorm whose output a ReLU cuts: γ·(x − mean)/deviation + bias.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScaledRelu {
    /// γ, the paper's β.
    pub weight: f32,
    /// The paper's α.
    pub bias: f32,
    /// Running mean.
    pub mean: f32,
    /// √(running variance + ε).
    pub deviation: f32,
}

impl ScaledRelu {
    /// Factor on the convolution's output, γ/σ.
    pub fn scale(&self) -> f32 {
        self.weight / self.deviation
    }

    /// What is added after it, bias − γ·mean/σ.
    pub fn shift(&self) -> f32 {
        self.bias - self.mean * self.scale()
    }
}

/// Attention of every block.
#[derive(Clone, Debug, PartialEq)]
pub struct Attention {
    /// [P, A, H, T', T'], rows sum to 1.
    pub weights: Array,
    /// [A, H]: mean distance between a patch and what it attends to, pixels.
    pub distance: Array,
    /// [A, H]: mean entropy of a row, nats; at most ln T.
    pub entropy: Array,
    /// [P, n]: from the class token to the patches, through all blocks.
    pub rollout: Array,
}

/// Norms of a group of parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// `patch_embed`, `blocks.0.attn`, …
    pub name: String,
    /// L2 norm of the weights.
    pub weight_norm: f32,
    /// Of the last gradient, before clipping.
    pub gradient_norm: f32,
    /// Of the last update, the learning rate included.
    pub update_norm: f32,
}

impl Group {
    /// ‖ΔW‖ / ‖W‖ of the last step; about 1e-3 is usual.
    pub fn update_ratio(&self) -> f32 {
        self.update_norm / self.weight_norm
    }
}

/// Theorem 1 on the last BatchNorm of the stem.
#[derive(Clone, Debug, PartialEq)]
pub struct Theorem1 {
    /// The weight whose slices are W_c: `blocks.0.attn.qkv.weight` behind `1Proj+1BN+1ReLU`, else
    /// `patch_embed.proj.weight`.
    pub weight: String,
    /// One a channel.
    pub channels: Vec<theory::Channel>,
}

/// Everything but the similarity per layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Maps {
    /// Optimiser steps made.
    pub step: u64,
    /// Images shown, P.
    pub num_images: usize,
    /// Side of an image, pixels.
    pub side: usize,
    /// [P, S, S, 3].
    pub images: Vec<u8>,
    /// [P], class of each image.
    pub labels: Vec<i64>,
    /// Side of the patch grid; n = grid².
    pub grid: usize,
    /// [F, 3, k, k].
    pub filters: Array,
    /// In the order of the data.
    pub stages: Vec<Stage>,
    /// Of every block.
    pub attention: Attention,
    /// [P, L, n', n'].
    pub similarity: Array,
    /// None where the stem has no BatchNorm.
    pub theorem1: Option<Theorem1>,
    /// In the model's order; empty where no training stands behind the weights.
    pub groups: Vec<Group>,
}

/// A probe file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeFile {
    /// Mean similarity of the patch tokens per layer.
    pub cossim: Vec<f32>,
    /// The rest, which only some probes have.
    pub maps: Option<Maps>,
}

impl ProbeFile {
    /// Reads the bytes of a file; `path` is for messages.
    ///
    /// Errors: damaged bytes, a missing array, sides that do not belong together.
    pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        file::from_tensors(&Tensors::from_bytes(bytes, path)?, path)
    }

    /// The file's content.
    pub fn to_tensors(&self) -> Tensors {
        file::to_tensors(self)
    }
}
