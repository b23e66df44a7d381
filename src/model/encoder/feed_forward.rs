//! The feed-forward parts of the paper's Table 5.
//!
//!   mlp-…      Linear → GELU or ReLU → Linear
//!   conv1d-…   Conv1d(k = 1) (→ BatchNorm over all tokens) → GELU → Conv1d(k = 1)
//!
//! A Conv1d with kernel 1 is a linear layer on tokens; it differs in its initialisation (PyTorch's
//! default instead of a normal of 0.02) and in the stored shape [out, in, 1].
//! Source: the paper, section 4. Its `fc2` of the Conv1d variants is read as Conv1d without BatchNorm.

use super::block::named_linear;
use crate::config::experiment::ModelConfig;
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::model::init::Init;
use crate::model::parameters::Weights;
use crate::model::stem::conv::normalise;
use crate::model::vit::Mode;
use crate::ops::activation::{Kind, activation};
use crate::ops::matmul::linear;

/// `config.ffn` on `x` [B, N, D], parameters under `name`.
pub fn feed_forward(graph: &mut Graph, weights: &mut Weights, config: &ModelConfig, mode: Mode, name: &str, x: Value) -> Result<Value> {
    let (dim, hidden) = (config.dim, config.mlp_width());
    let [fc1, fc2, bn] = ["fc1", "fc2", "bn"].map(|part| format!("{name}.{part}"));
    if let Some(kind) = match config.ffn.as_str() {
        "mlp-gelu" => Some(Kind::Gelu),
        "mlp-relu" => Some(Kind::Relu),
        _ => None,
    } {
        let h = named_linear(graph, weights, &fc1, [hidden, dim], x)?;
        let h = activation(graph, h, kind)?;
        return named_linear(graph, weights, &fc2, [dim, hidden], h);
    }
    let mut h = pointwise_conv(graph, weights, &fc1, [hidden, dim], x)?;
    if config.ffn == "conv1d-bn-gelu" {
        h = normalise(graph, weights, &bn, hidden, mode, h)?;
    }
    let h = activation(graph, h, Kind::Gelu)?;
    pointwise_conv(graph, weights, &fc2, [dim, hidden], h)
}

fn pointwise_conv(graph: &mut Graph, weights: &mut Weights, name: &str, [out, width]: [usize; 2], x: Value) -> Result<Value> {
    let weight = weights.trained(graph, &format!("{name}.weight"), &[out, width, 1], Init::fan_in(width))?;
    graph.reshape(weight, &[out, width])?;
    let bias = weights.trained(graph, &format!("{name}.bias"), &[out], Init::fan_in(width))?;
    linear(graph, x, weight, Some(bias))
}
