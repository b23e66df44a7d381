//! Initial weights (paper, section 1.3): timm 0.3.2's for linear layers and embeddings, PyTorch's
//! defaults for convolutions.

use super::parameters::{Parameter, Parameters};
use crate::rng::{Draws, Stream};

/// How a parameter begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All 0.
    Zeros,
    /// All 1.
    Ones,
    /// Normal with this deviation, cut at ±2.
    Normal(f32),
    /// Uniform in ± this bound.
    Uniform(f32),
}

/// Deviation of linear weights, class token and position embedding.
pub const LINEAR: Init = Init::Normal(0.02);

impl Init {
    /// PyTorch's default of convolutions: ±1/√fan_in.
    pub fn fan_in(fan_in: usize) -> Self {
        Self::Uniform(1.0 / (fan_in as f32).sqrt())
    }

    /// The `ix`-th parameter's values for `seed`, in PyTorch's order of elements.
    fn values(self, len: usize, seed: u64, ix: usize) -> Vec<f32> {
        let mut draws = Draws::new(seed, Stream::Init, ix as u32, 0);
        match self {
            Self::Zeros => vec![0.0; len],
            Self::Ones => vec![1.0; len],
            Self::Normal(deviation) => (0..len).map(|_| (deviation * draws.next_normal()).clamp(-2.0, 2.0)).collect(),
            Self::Uniform(bound) => (0..len).map(|_| draws.next_between(-bound, bound)).collect(),
        }
    }
}

/// Initial values of every parameter and statistic, in the device's order of elements.
pub fn initial(parameters: &Parameters, seed: u64) -> Vec<(&Parameter, Vec<f32>)> {
    parameters
        .all()
        .enumerate()
        .map(|(ix, parameter)| (parameter, parameter.from_torch(&parameter.init.values(parameter.shape.len(), seed, ix))))
        .collect()
}
