//! The graphs of a training: one pass, the update around it, evaluation, probe.

use crate::augment::prepare::Prepare;
use crate::config::Experiment;
use crate::error::Result;
use crate::graph::adjoint::differentiate;
use crate::graph::place::{SLOT_LEN, SLOTS};
use crate::graph::{Graph, Place, Region, Value};
use crate::metric::record::record;
use crate::metric::similarity::similarity;
use crate::model::groups::Groups;
use crate::model::parameters::{ALIGN, Parameters};
use crate::model::vit::{self, Mode};
use crate::ops::cross_entropy::cross_entropy;
use crate::ops::elementwise::{add, copier};
use crate::optim::accumulate::Accumulate;
use crate::optim::adamw::AdamW;
use crate::optim::ema::Ema;
use crate::optim::group_norms::GroupNorms;
use crate::optim::loss_scale::{self, SCALE_LEN};
use crate::optim::norm::{NORM_LEN, norm};
use crate::optim::sam::{Ascend, Restore};
use crate::optim::sgd::Sgd;

/// What the graphs are built from.
pub struct Graphs<'a> {
    /// Model, update rule, batch.
    pub experiment: &'a Experiment,
    /// Where parameters lie.
    pub parameters: &'a Parameters,
    /// Images of a pass.
    pub micro_batch: usize,
}

/// Ops whose arithmetic is multiplying and adding.
const PRODUCTS: [&str; 3] = ["matmul.", "conv2d.", "attention."];

/// Images of a probe batch.
pub fn probe_batch(experiment: &Experiment) -> usize {
    experiment.probe.images.max(1)
}

/// Layers of a probe: stem output, after the position embedding, each block.
pub fn num_layers(experiment: &Experiment) -> usize {
    experiment.model.depth + 2
}

impl Graphs<'_> {
    /// Passes of a step.
    pub fn num_micros(&self) -> usize {
        self.experiment.train.batch / self.micro_batch
    }

    /// Whether this is mixed precision.
    pub fn is_half(&self) -> bool {
        self.experiment.train.precision == "f16"
    }

    /// A graph whose values are in f16 where the precision asks for it.
    fn graph(&self) -> Graph {
        Graph::with_copier(self.is_half().then_some(copier))
    }

    /// The state of the loss scale, with mixed precision.
    fn loss_scale(&self, graph: &mut Graph) -> Option<Value> {
        self.is_half().then(|| graph.leaf(Place::new(Region::LossScale, 0), [SCALE_LEN]))
    }

    /// Multiply-adds of the forward pass of one image, products alone: what papers count as its cost.
    pub fn forward_macs(&self) -> Result<f64> {
        let is_product = |name: &str| PRODUCTS.iter().any(|product| name.starts_with(product));
        let graph = self.evaluate()?;
        let flops: f64 = graph.nodes.iter().filter(|node| is_product(node.op.name())).map(|node| node.op.cost().flops).sum();
        Ok(flops / 2.0 / self.micro_batch as f64)
    }

    /// Persistent memory, in words.
    pub fn regions(&self) -> Vec<(Region, usize)> {
        let Experiment { model, optim, train, .. } = self.experiment;
        let (params, stats) = (self.parameters.len, self.parameters.stats_len);
        let when = |condition: bool, len: usize| if condition { len } else { 0 };
        let images = self.micro_batch.max(probe_batch(self.experiment));
        let prepares = self.prepares().map(|prepare| prepare.regions());
        let inputs = [0, 1, 2].map(|ix| (prepares[0][ix].0, prepares.iter().map(|regions| regions[ix].1).max().unwrap_or(0)));
        let mut regions = vec![
            (Region::Params, params),
            (Region::Grads, params),
            (Region::MicroGrads, when(self.num_micros() > 1, params)),
            (Region::Momentum, params),
            (Region::Variance, when(optim.kind == "adamw", params)),
            (Region::Ema, when(train.ema > 0.0, params)),
            (Region::Backup, when(optim.sam_rho > 0.0, params)),
            (Region::Stats, stats),
            (Region::EmaStats, when(train.ema > 0.0, stats)),
            (Region::Images, images * model.image_size * model.image_size * 3),
            (Region::Targets, self.micro_batch * model.num_classes),
            (Region::Logits, self.micro_batch * model.num_classes),
            (Region::Ring, SLOTS * SLOT_LEN),
            (Region::Totals, SLOT_LEN),
            (Region::Norm, NORM_LEN),
            (Region::LossScale, when(self.is_half(), SCALE_LEN)),
            (Region::Groups, Groups::new(self.parameters).table_len()),
            (Region::Similarity, num_layers(self.experiment) * probe_batch(self.experiment).next_multiple_of(ALIGN)),
        ];
        regions.extend(inputs);
        regions
    }

    /// What is done to images of training, evaluation and probe before they are passed through the model.
    pub fn prepares(&self) -> [Prepare; 3] {
        let side = self.experiment.model.image_size;
        let probe = Prepare::plain(probe_batch(self.experiment), side);
        [Prepare::training(self.experiment, self.micro_batch), Prepare::plain(self.micro_batch, side), probe]
    }

    /// Forward, loss and backward of one micro-batch; gradients go to their region.
    pub fn micro(&self) -> Result<Graph> {
        let mut graph = self.graph();
        let mut weights = self.parameters.weights();
        let images = vit::images(&mut graph, &self.experiment.model, self.micro_batch);
        let output = vit::forward(&mut graph, &mut weights, &self.experiment.model, Mode::Training, images)?;
        let (row_loss, targets) = self.loss(&mut graph, output.logits)?;
        let ring = graph.leaf(Place::new(Region::Ring, 0), [SLOTS * SLOT_LEN]);
        graph.scoped("report", |graph| record(graph, row_loss, output.logits, targets, ring, false))?;
        let leaves: Vec<Value> = weights.leaves.iter().map(|(_, leaf)| *leaf).collect();
        let gradients = differentiate(&mut graph, row_loss, &leaves, add)?;
        let region = if self.num_micros() > 1 { Region::MicroGrads } else { Region::Grads };
        for ((offset, _), gradient) in weights.leaves.iter().zip(gradients) {
            if let Some(gradient) = gradient {
                graph.store(gradient, Place::new(region, *offset));
            }
        }
        Ok(graph)
    }

    /// Adds the micro-batch's gradients to the step's.
    pub fn accumulate(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        let [part, total] = [Region::MicroGrads, Region::Grads].map(|region| self.flat(&mut graph, region));
        graph.push(Accumulate { len: self.parameters.len }, &[part, total])?;
        Ok(graph)
    }

    /// Divides the gradients of a pass by the loss scale; only with mixed precision, and part of `ascend` and `update`.
    pub fn unscale(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        self.unscaled(&mut graph)?;
        Ok(graph)
    }

    /// SAM's ascent after the first pass.
    pub fn ascend(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        let optim = &self.experiment.optim;
        self.unscaled(&mut graph)?;
        let measured = self.measure(&mut graph, optim.sam_adaptive)?;
        let [gradients, params, backup] = [Region::Grads, Region::Params, Region::Backup].map(|region| self.flat(&mut graph, region));
        let ascend = Ascend { len: self.parameters.len, adaptive: optim.sam_adaptive };
        graph.push(ascend, &[gradients, measured, params, backup])?;
        Ok(graph)
    }

    /// Norm, update rule, running average; with SAM the parameters are put back first.
    pub fn update(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        let optim = &self.experiment.optim;
        let (len, decayed_len) = (self.parameters.len, self.parameters.decayed_len);
        if optim.sam_rho > 0.0 {
            let [backup, params] = [Region::Backup, Region::Params].map(|region| self.flat(&mut graph, region));
            graph.push(Restore { len }, &[backup, params])?;
        }
        self.unscaled(&mut graph)?;
        let measured = self.measure(&mut graph, false)?;
        if let Some(scale) = self.loss_scale(&mut graph) {
            let ring = graph.leaf(Place::new(Region::Ring, 0), [SLOTS * SLOT_LEN]);
            graph.push(loss_scale::Update { every: self.experiment.train.loss_scale_every }, &[measured, scale, ring])?;
        }
        let [gradients, params, momentum] = [Region::Grads, Region::Params, Region::Momentum].map(|region| self.flat(&mut graph, region));
        if optim.kind == "sgd" {
            graph.push(Sgd { len, decayed_len, momentum: optim.momentum }, &[gradients, measured, params, momentum])?;
        } else {
            let variance = self.flat(&mut graph, Region::Variance);
            let adamw = AdamW { len, decayed_len, betas: optim.betas, eps: optim.eps };
            graph.push(adamw, &[gradients, measured, params, momentum, variance])?;
        }
        if self.experiment.train.ema > 0.0 {
            let [value, mean] = [Region::Params, Region::Ema].map(|region| self.flat(&mut graph, region));
            graph.push(Ema { len }, &[value, mean])?;
            if self.parameters.stats_len > 0 {
                let stats_len = self.parameters.stats_len;
                let [value, mean] = [Region::Stats, Region::EmaStats].map(|region| graph.leaf(Place::new(region, 0), [stats_len]));
                graph.push(Ema { len: stats_len }, &[value, mean])?;
            }
        }
        Ok(graph)
    }

    /// Forward pass and sums of an evaluation.
    pub fn evaluate(&self) -> Result<Graph> {
        let mut graph = self.graph();
        let mut weights = self.parameters.weights();
        let images = vit::images(&mut graph, &self.experiment.model, self.micro_batch);
        let output = vit::forward(&mut graph, &mut weights, &self.experiment.model, Mode::Evaluation, images)?;
        let (row_loss, targets) = self.loss(&mut graph, output.logits)?;
        let totals = graph.leaf(Place::new(Region::Totals, 0), [SLOT_LEN]);
        record(&mut graph, row_loss, output.logits, targets, totals, true)?;
        Ok(graph)
    }

    /// Token similarity of every layer on the probe batch.
    pub fn probe(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        let mut weights = self.parameters.weights();
        let batch = probe_batch(self.experiment);
        let images = vit::images(&mut graph, &self.experiment.model, batch);
        let output = vit::forward(&mut graph, &mut weights, &self.experiment.model, Mode::Evaluation, images)?;
        for (ix, tokens) in output.layers.iter().enumerate() {
            let value = similarity(&mut graph, tokens.value, tokens.prefix)?;
            graph.store(value, Place::new(Region::Similarity, ix * batch.next_multiple_of(ALIGN)));
        }
        Ok(graph)
    }

    fn loss(&self, graph: &mut Graph, logits: Value) -> Result<(Value, Value)> {
        let sides = [self.micro_batch, self.experiment.model.num_classes];
        graph.store(logits, Place::new(Region::Logits, 0));
        let targets = graph.leaf(Place::new(Region::Targets, 0), sides);
        let scale = self.loss_scale(graph);
        let row_loss = graph.scoped("loss", |graph| cross_entropy(graph, logits, targets, scale))?;
        Ok((row_loss, targets))
    }

    fn measure(&self, graph: &mut Graph, adaptive: bool) -> Result<Value> {
        let [gradients, params] = [Region::Grads, Region::Params].map(|region| self.flat(graph, region));
        let words = graph.leaf(Place::new(Region::Norm, 0), [NORM_LEN]);
        let ring = graph.leaf(Place::new(Region::Ring, 0), [SLOTS * SLOT_LEN]);
        let groups = Groups::new(self.parameters);
        let chunks = graph.leaf(Place::new(Region::Groups, 0), [groups.chunks.len(), 2]);
        let firsts = graph.leaf(Place::new(Region::Groups, groups.firsts_start()), [groups.firsts.len()]);
        let op = GroupNorms { len: self.parameters.len, num_chunks: groups.chunks.len(), num_groups: groups.names.len() };
        let ring = graph.push_one(op, &[gradients, chunks, firsts, ring])?;
        let halts = self.experiment.train.on_crash == "stop";
        let scale = self.loss_scale(graph);
        norm(graph, [gradients, params, words, ring], scale, adaptive, halts)
    }

    fn unscaled(&self, graph: &mut Graph) -> Result<()> {
        if let Some(scale) = self.loss_scale(graph) {
            let gradients = self.flat(graph, Region::Grads);
            graph.push(loss_scale::Unscale { len: self.parameters.len }, &[scale, gradients])?;
        }
        Ok(())
    }

    fn flat(&self, graph: &mut Graph, region: Region) -> Value {
        graph.leaf(Place::new(region, 0), [self.parameters.len])
    }
}
