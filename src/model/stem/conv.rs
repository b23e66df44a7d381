//! The stem: convolutions with BatchNorm and activation (scaled ReLU) between them, then the
//! projection to tokens. A patchify stem is the projection alone.
//!
//! Source: the paper, section 2; parameter names as in VOLO's `patch_embed`.

use crate::config::experiment::ModelConfig;
use crate::config::stem::{ConvLayer, StemGeometry};
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::model::init::Init;
use crate::model::parameters::Weights;
use crate::model::tokens::Tokens;
use crate::model::vit::Mode;
use crate::ops::activation::{Kind, activation};
use crate::ops::batchnorm::{Params, batchnorm, batchnorm_evaluate};
use crate::ops::{bias, conv2d};

/// `images` [B, S, S, 3] → tokens [B, g², D], without class token and position.
pub fn stem(graph: &mut Graph, weights: &mut Weights, config: &ModelConfig, mode: Mode, images: Value) -> Result<Tokens> {
    let geometry = config.stem_geometry()?;
    let kind = if config.stem_activation == "gelu" { Kind::Gelu } else { Kind::Relu };
    let mut x = images;
    for (ix, layer) in geometry.layers.iter().enumerate() {
        let follows = Follows::of(&geometry, ix);
        x = graph.scoped(layer.name, |graph| -> Result<Value> {
            let mut x = convolve(graph, weights, layer, x)?;
            if follows.batch_norm {
                x = normalise(graph, weights, &follows.norm_name, layer.out_channels, mode, x)?;
            }
            if follows.activation { activation(graph, x, kind) } else { Ok(x) }
        })?;
    }
    let batch = graph.shape(images).sides()[0];
    graph.reshape(x, &[batch, geometry.tokens, config.dim])?;
    Ok(Tokens { value: x, grid: geometry.grid_side, prefix: 0 })
}

/// What stands behind a convolution.
struct Follows {
    batch_norm: bool,
    activation: bool,
    norm_name: String,
}

impl Follows {
    fn of(geometry: &StemGeometry, ix: usize) -> Self {
        let kind = geometry.kind;
        if ix + 1 == geometry.layers.len() {
            let norm_name = "patch_embed.bn".to_string();
            return Self { batch_norm: kind.proj_batch_norm(), activation: kind.proj_relu(), norm_name };
        }
        // patch_embed.conv holds conv, BN, ReLU in turn: convolutions at 0, 3, 6, BatchNorms at 1, 4, 7.
        let norm_name = format!("patch_embed.conv.{}", 3 * ix + 1);
        Self { batch_norm: kind.conv_batch_norm(), activation: kind.conv_relu(), norm_name }
    }
}

fn convolve(graph: &mut Graph, weights: &mut Weights, layer: &ConvLayer, x: Value) -> Result<Value> {
    let ConvLayer { name, in_channels, out_channels, kernel, stride, padding, bias: has_bias, .. } = *layer;
    let weight = weights.conv(graph, &format!("{name}.weight"), [out_channels, in_channels, kernel])?;
    let y = conv2d::conv2d(graph, x, weight, kernel, stride, padding)?;
    if !has_bias {
        return Ok(y);
    }
    let fan_in = in_channels * kernel * kernel;
    let b = weights.trained(graph, &format!("{name}.bias"), &[out_channels], Init::fan_in(fan_in))?;
    bias::add_bias(graph, y, b)
}

/// BatchNorm over the last side of `x`, in training or with the running statistics.
pub fn normalise(graph: &mut Graph, weights: &mut Weights, name: &str, width: usize, mode: Mode, x: Value) -> Result<Value> {
    let gamma = weights.trained(graph, &format!("{name}.weight"), &[width], Init::Ones)?;
    let beta = weights.trained(graph, &format!("{name}.bias"), &[width], Init::Zeros)?;
    let running_mean = weights.statistic(graph, &format!("{name}.running_mean"), width, Init::Zeros)?;
    let running_var = weights.statistic(graph, &format!("{name}.running_var"), width, Init::Ones)?;
    let params = Params { gamma, beta, running_mean, running_var };
    match mode {
        Mode::Training => batchnorm(graph, x, params),
        Mode::Evaluation => batchnorm_evaluate(graph, x, params),
    }
}
