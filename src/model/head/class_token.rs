//! The classifier: final LayerNorm, class token, linear layer.
//!
//! LayerNorm works on each token alone, so it is applied to the class token only; the result is
//! that of normalising all tokens.

use crate::config::experiment::ModelConfig;
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::model::encoder::block::{named_linear, norm};
use crate::model::parameters::Weights;
use crate::model::tokens::Tokens;
use crate::ops::tokens::take_first;

/// Tokens [B, N, D] with a class token in front → logits [B, K].
pub fn head(graph: &mut Graph, weights: &mut Weights, config: &ModelConfig, tokens: Tokens) -> Result<Value> {
    let class = take_first(graph, tokens.value)?;
    let normed = graph.scoped("norm", |graph| norm(graph, weights, "norm", config.dim, class))?;
    graph.scoped("head", |graph| named_linear(graph, weights, "head", [config.num_classes, config.dim], normed))
}
