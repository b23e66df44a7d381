//! The forward pass of one image with everything kept that a probe looks at.
//!
//! What is kept is found in the graph by its ops, so a model is written without a thought of probes.

use crate::config::Experiment;
use crate::error::Result;
use crate::graph::graph::Source;
use crate::graph::{Graph, Node, Place, Region, Value};
use crate::model::parameters::{ALIGN, Parameters};
use crate::model::vit::{self, Mode};
use crate::run::probe::{StageKind, StageName};

/// A kept array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it lies.
    pub place: Place,
    /// Rows: pixels of a map, or tokens.
    pub rows: usize,
    /// Numbers of a row: channels.
    pub width: usize,
}

/// A kept stage of the stem.
#[derive(Clone, Debug)]
pub struct KeptStage {
    /// Which one.
    pub name: StageName,
    /// [side², C].
    pub kept: Kept,
    /// For BatchNorm: where γ, bias, running mean and running variance lie.
    pub norm: Option<[Place; 4]>,
}

/// Everything that is kept of an image.
#[derive(Clone, Debug, Default)]
pub struct Keeps {
    /// Stages of the stem in the order of the data.
    pub stages: Vec<KeptStage>,
    /// Tokens of each layer, with the leading ones that are no patches.
    pub layers: Vec<(Kept, usize)>,
    /// Packed queries, keys and values of each block.
    pub qkv: Vec<Kept>,
    /// Words of [`Region::MapsEven`] and [`Region::MapsOdd`].
    pub lens: [usize; 2],
}

/// The forward pass of one image in evaluation mode, and where to find what it keeps.
pub fn look(experiment: &Experiment, parameters: &Parameters) -> Result<(Graph, Keeps)> {
    let mut graph = Graph::new();
    let mut weights = parameters.weights();
    let images = vit::images(&mut graph, &experiment.model, 1);
    let output = vit::forward(&mut graph, &mut weights, &experiment.model, Mode::Evaluation, images)?;
    let mut keeps = Keeps::default();
    let mut stored: Vec<(Value, Kept)> = Vec::new();
    for (name, value, norm) in stages(&graph) {
        let kept = keeps.keep(&mut graph, &mut stored, value);
        keeps.stages.push(KeptStage { name, kept, norm });
    }
    for tokens in &output.layers {
        let kept = keeps.keep(&mut graph, &mut stored, tokens.value);
        keeps.layers.push((kept, tokens.prefix));
    }
    let attentions = graph.nodes.iter().filter(|node| node.op.name() == "attention.forward");
    for qkv in attentions.map(|node| node.inputs[0]).collect::<Vec<_>>() {
        let kept = keeps.keep(&mut graph, &mut stored, qkv);
        keeps.qkv.push(kept);
    }
    Ok((graph, keeps))
}

impl Keeps {
    /// Keeps a value, once. What is kept one after the other lies in different regions, because an op
    /// between them reads the one and writes the other, and a GPU cannot do both to one buffer.
    fn keep(&mut self, graph: &mut Graph, stored: &mut Vec<(Value, Kept)>, value: Value) -> Kept {
        if let Some((_, kept)) = stored.iter().find(|(known, _)| *known == value) {
            return *kept;
        }
        let (rows, width) = graph.rows_and_width(value);
        let side = stored.len() % 2;
        let region = [Region::MapsEven, Region::MapsOdd][side];
        let kept = Kept { place: Place::new(region, self.lens[side]), rows, width };
        self.lens[side] += (rows * width).next_multiple_of(ALIGN);
        graph.store(value, kept.place);
        stored.push((value, kept));
        kept
    }
}

/// Stages of the stem: what a convolution (with its bias), a BatchNorm or an activation gives.
fn stages(graph: &Graph) -> Vec<(StageName, Value, Option<[Place; 4]>)> {
    let mut found: Vec<(StageName, Value, Option<[Place; 4]>)> = Vec::new();
    for node in graph.nodes.iter().filter(|node| node.label.starts_with("patch_embed")) {
        let kind = match node.op.name() {
            "batchnorm.evaluate" => StageKind::BatchNorm,
            "activation.relu" => StageKind::Relu,
            "activation.gelu" => StageKind::Gelu,
            _ => StageKind::Conv,
        };
        let name = StageName { layer: node.label.clone(), kind };
        // A bias is part of its convolution.
        if found.last().is_some_and(|(last, ..)| *last == name) {
            found.pop();
        }
        found.push((name, node.outputs[0], (kind == StageKind::BatchNorm).then(|| vectors(graph, node))));
    }
    found
}

/// Where the inputs of a BatchNorm behind the first lie.
fn vectors(graph: &Graph, node: &Node) -> [Place; 4] {
    std::array::from_fn(|ix| match graph.values[node.inputs[ix + 1].0].source {
        Source::Leaf(place) => place,
        Source::Node { .. } => unreachable!("a BatchNorm's vectors are parameters"),
    })
}
