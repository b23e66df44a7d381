//! The whole model: stem → class token and positions → blocks → head.

use super::encoder::block::block;
use super::head::head;
use super::init::LINEAR;
use super::parameters::{Parameters, Weights};
use super::stem::stem;
use super::tokens::Tokens;
use crate::config::experiment::ModelConfig;
use crate::error::Result;
use crate::graph::{Graph, Place, Region, Value};
use crate::ops::tokens::embed;

/// Whether BatchNorm uses the batch's statistics and drop-path drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Both.
    Training,
    /// Neither.
    Evaluation,
}

/// What a forward pass gives.
#[derive(Clone, Debug)]
pub struct Output {
    /// [B, K].
    pub logits: Value,
    /// Tokens by layer as in the paper's Figure 1: stem output, after the position embedding, then
    /// after each block.
    pub layers: Vec<Tokens>,
}

/// The forward pass on `images` [B, S, S, 3].
pub fn forward(graph: &mut Graph, weights: &mut Weights, config: &ModelConfig, mode: Mode, images: Value) -> Result<Output> {
    let patches = stem(graph, weights, config, mode, images)?;
    let mut tokens = graph.scoped("embed", |graph| position(graph, weights, config, patches))?;
    let mut layers = vec![patches, tokens];
    for ix in 0..config.depth {
        tokens = block(graph, weights, config, mode, ix, tokens)?;
        layers.push(tokens);
    }
    Ok(Output { logits: head(graph, weights, config, tokens)?, layers })
}

/// Class token in front, position embedding on all.
fn position(graph: &mut Graph, weights: &mut Weights, config: &ModelConfig, patches: Tokens) -> Result<Tokens> {
    let count = patches.count() + 1;
    let class = weights.trained(graph, "cls_token", &[1, 1, config.dim], LINEAR)?;
    let position = weights.trained(graph, "pos_embed", &[1, count, config.dim], LINEAR)?;
    let value = embed(graph, patches.value, class, position)?;
    Ok(Tokens { value, grid: patches.grid, prefix: 1 })
}

/// The leaf that holds a micro-batch of images.
pub fn images(graph: &mut Graph, config: &ModelConfig, batch: usize) -> Value {
    graph.leaf(Place::new(Region::Images, 0), [batch, config.image_size, config.image_size, 3])
}

/// All parameters of the model that `config` describes.
pub fn parameters(config: &ModelConfig) -> Result<Parameters> {
    Parameters::collect(|graph, weights| {
        let images = images(graph, config, 2);
        forward(graph, weights, config, Mode::Training, images).map(|_| ())
    })
}
