//! One encoder block: x += DropPath(Attn(LN(x))); x += DropPath(FFN(LN(x))).
//!
//! Source: Dosovitskiy et al. 2021, arXiv:2010.11929, as in timm 0.3.2. Differs: `ffn_norm = false`
//! leaves the second LayerNorm out (the paper's Table 5).

use super::feed_forward::feed_forward;
use crate::config::experiment::ModelConfig;
use crate::error::Result;
use crate::graph::{Graph, Value};
use crate::model::init::{Init, LINEAR};
use crate::model::parameters::Weights;
use crate::model::tokens::Tokens;
use crate::model::vit::Mode;
use crate::ops::attention::attention;
use crate::ops::drop_path::drop_path;
use crate::ops::elementwise::add;
use crate::ops::layernorm::layernorm;
use crate::ops::matmul::linear;

/// ε of the encoder's LayerNorms (DeiT, DINO; not PyTorch's default).
pub const LAYERNORM_EPS: f64 = 1e-6;

/// Block `ix` of `config.depth`.
pub fn block(graph: &mut Graph, weights: &mut Weights, config: &ModelConfig, mode: Mode, ix: usize, tokens: Tokens) -> Result<Tokens> {
    let name = format!("blocks.{ix}");
    let drop_frac = match mode {
        Mode::Training if config.depth > 1 => config.drop_path * ix as f64 / (config.depth - 1) as f64,
        _ => 0.0,
    };
    graph.scoped(&name, |graph| {
        let normed = norm(graph, weights, &format!("{name}.norm1"), config.dim, tokens.value)?;
        let branch = graph.scoped("attn", |graph| self_attention(graph, weights, config, &name, tokens.count(), normed))?;
        let x = join(graph, tokens.value, branch, drop_frac, 2 * ix as u32)?;
        let normed = if config.ffn_norm { norm(graph, weights, &format!("{name}.norm2"), config.dim, x)? } else { x };
        let branch = graph.scoped("mlp", |graph| feed_forward(graph, weights, config, mode, &format!("{name}.mlp"), normed))?;
        let value = join(graph, x, branch, drop_frac, 2 * ix as u32 + 1)?;
        Ok(Tokens { value, ..tokens })
    })
}

/// LayerNorm with the parameters `name.weight`, `name.bias`.
pub fn norm(graph: &mut Graph, weights: &mut Weights, name: &str, width: usize, x: Value) -> Result<Value> {
    let gamma = weights.trained(graph, &format!("{name}.weight"), &[width], Init::Ones)?;
    let beta = weights.trained(graph, &format!("{name}.bias"), &[width], Init::Zeros)?;
    layernorm(graph, x, gamma, beta, LAYERNORM_EPS)
}

/// x + branch, the branch dropped for some samples.
fn join(graph: &mut Graph, x: Value, branch: Value, drop_frac: f64, stream_ix: u32) -> Result<Value> {
    let branch = if drop_frac > 0.0 { drop_path(graph, branch, drop_frac, stream_ix)? } else { branch };
    add(graph, branch, x)
}

fn self_attention(graph: &mut Graph, weights: &mut Weights, config: &ModelConfig, block: &str, tokens: usize, x: Value) -> Result<Value> {
    let qkv = named_linear(graph, weights, &format!("{block}.attn.qkv"), [3 * config.dim, config.dim], x)?;
    let mixed = attention(graph, qkv, tokens, config.heads)?;
    named_linear(graph, weights, &format!("{block}.attn.proj"), [config.dim; 2], mixed)
}

/// x·Wᵀ + b with the parameters `name.weight` [out, in], `name.bias`.
pub fn named_linear(graph: &mut Graph, weights: &mut Weights, name: &str, [out, width]: [usize; 2], x: Value) -> Result<Value> {
    let weight = weights.trained(graph, &format!("{name}.weight"), &[out, width], LINEAR)?;
    let bias = weights.trained(graph, &format!("{name}.bias"), &[out], Init::Zeros)?;
    linear(graph, x, weight, Some(bias))
}
