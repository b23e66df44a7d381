//! What a probe shows of the weights themselves.

use super::graph::Keeps;
use crate::graph::{Place, Region};
use crate::model::parameters::{Parameter, Parameters};
use crate::ops::batchnorm::EPS;
use crate::run::probe::theory::channel;
use crate::run::probe::{Array, MAX_FILTERS, ScaledRelu, Theorem1};

/// The projection of every stem, and the first weight behind it.
const PROJECTION: &str = "patch_embed.proj";
const FIRST_QKV: &str = "blocks.0.attn.qkv.weight";

/// The words of a model's parameters and running statistics on the host.
#[derive(Clone, Debug)]
pub struct Held {
    /// Names and places.
    pub parameters: Parameters,
    /// [`Region::Params`].
    pub params: Vec<f32>,
    /// [`Region::Stats`].
    pub stats: Vec<f32>,
}

impl Held {
    /// Zeros for these parameters.
    pub fn new(parameters: Parameters) -> Self {
        Self { params: vec![0.0; parameters.len], stats: vec![0.0; parameters.stats_len], parameters }
    }

    fn at(&self, place: Place, len: usize) -> &[f32] {
        let words = if place.region == Region::Stats { &self.stats } else { &self.params };
        &words[place.offset..][..len]
    }

    /// A parameter's sides and words in PyTorch's order.
    fn torch(&self, parameter: &Parameter) -> (Vec<usize>, Vec<f32>) {
        let words = &self.params[parameter.offset..][..parameter.shape.len()];
        (parameter.shape.sides().to_vec(), parameter.to_torch(words))
    }

    /// The first filters of the first convolution, [F, 3, k, k].
    pub fn filters(&self) -> Array {
        let is_filter = |parameter: &&Parameter| parameter.name.starts_with("patch_embed") && parameter.shape.sides().len() == 4;
        let Some(first) = self.parameters.trained.iter().find(is_filter) else { return Array::new(&[0, 3, 1, 1], Vec::new()) };
        let (mut sides, mut words) = self.torch(first);
        let filter_len = words.len() / sides[0];
        sides[0] = sides[0].min(MAX_FILTERS);
        words.truncate(sides[0] * filter_len);
        Array::new(&sides, words)
    }

    /// The BatchNorm whose γ, bias, running mean and running variance lie at `places`.
    pub fn scaled_relu(&self, places: [Place; 4], width: usize) -> Vec<ScaledRelu> {
        let [weights, biases, means, variances] = places.map(|place| self.at(place, width));
        (0..width)
            .map(|ix| ScaledRelu {
                weight: weights[ix],
                bias: biases[ix],
                mean: means[ix],
                deviation: (f64::from(variances[ix]) + EPS).sqrt() as f32,
            })
            .collect()
    }

    /// Theorem 1 for the last BatchNorm of the stem. Behind the projection, channel c is column c of
    /// the first block's W_Q, W_K, W_V; before it, the slice of the projection that reads the channel
    /// (the theorem passes over the projection, so this is the nearest weight).
    pub fn theorem1(&self, keeps: &Keeps) -> Option<Theorem1> {
        let last = keeps.stages.iter().rev().find(|stage| stage.norm.is_some())?;
        let norm = self.scaled_relu(last.norm?, last.kept.width);
        let name = if last.name.layer == PROJECTION { FIRST_QKV.to_string() } else { format!("{PROJECTION}.weight") };
        let weight = self.parameters.trained.iter().find(|parameter| parameter.name == name)?;
        let (sides, words) = self.torch(weight);
        // [out, channels, …]: a channel's numbers lie together in each row.
        let per_channel: usize = sides[2..].iter().product();
        let row_len = sides[1] * per_channel;
        let slice = |ix: usize| words.chunks_exact(row_len).flat_map(move |row| row[ix * per_channel..][..per_channel].iter().copied());
        let channels = norm.iter().enumerate().map(|(ix, norm)| channel(norm.weight, norm.bias, slice(ix))).collect();
        Some(Theorem1 { weight: name, channels })
    }
}
