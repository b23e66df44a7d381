//! `doctor`'s self-test: every kernel of a training step, alone, on an adapter against the processor.
//!
//! The kernels are those of small models that differ in stem, feed-forward part and update rule,
//! before and after fusion. Each runs on noise, in two tiers; those that can read or write f16 also do so, in the
//! adapter's own tier. Outputs are NaN before.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::device::Device;
use super::graphs::Graphs;
use super::step;
use crate::config::{Experiment, Sources, load};
use crate::error::{Error, Result};
use crate::gpu::Gpu;
use crate::graph::fuse::fuse;
use crate::graph::graph::{Node, Source as Origin};
use crate::graph::launch::{Ports, Tier};
use crate::graph::plan::Plan;
use crate::graph::{Graph, Op, Place, Region, Scalars, Shape, Value};
use crate::ops::elementwise::{copier, scale};
use crate::platform;
use crate::rng::{Draws, Stream};

/// Both sides sum a few hundred numbers in f32, in another order: errors near 1e-6 are right, and a
/// wrong kernel is off by the size of its values.
const TOLERANCE: f64 = 1e-4;
/// With values in f16, both sides may round to neighbours where they fall on two sides of a tie: 2⁻¹⁰ apart.
const HALF_TOLERANCE: f64 = 1.0 / 1024.0;
/// Cases of a kernel in f16: reading and writing differ, not what is computed, and a browser takes long to compile each.
const MAX_HALF_CASES: usize = 1;
/// Share of the root mean square that counts as the size of a value near 0, where sums cancel.
const FLOOR_FRAC: f64 = 0.1;
/// Values begin at multiples of so many words: WebGPU's 256 bytes.
const ALIGN: usize = 64;
/// Images of a step and of a pass: two passes, so that gradients accumulate.
const BATCH: [usize; 2] = [8, 4];
/// Where inputs that are only read lie; everything written has a region of its own, since a
/// dispatch may not read and write one buffer.
const READ: Region = Region::Params;

/// What all models of the test share.
const SMALL: [&str; 8] = [
    "model.image_size=16",
    "model.dim=32",
    "model.depth=2",
    "model.heads=2",
    "model.drop_path=0.1",
    "augment.random_erasing=0.5",
    "augment.mixup=0.8",
    "probe.images=4",
];
/// Models that together hold every kernel.
const MODELS: [&[&str]; 3] = [
    &["model.stem=3Conv+3BN+3ReLU+1Proj", "model.strides=2,1,1,2", "model.stem_kernels=7,3,3,2", "model.stem_width=8", "train.ema=0.9"],
    &["model.stem=1Proj+1BN+1ReLU", "model.strides=4", "model.ffn=conv1d-bn-gelu", "optim.kind=sgd", "optim.sam_rho=0.05"],
    &["model.stem=1Proj+1ReLU", "model.strides=4", "model.ffn=mlp-relu", "optim.sam_rho=0.05", "optim.sam_adaptive=true"],
];

/// How one kernel did on one tier.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Family and entry: `attention.forward`.
    pub kernel: &'static str,
    /// `T0` or `T1`; with values in f16 `T0 f16` or `T1 f16`, whichever the adapter trains on.
    pub tier: &'static str,
    /// Sizes and variants tried.
    pub cases: usize,
    /// The largest error over the size of the values.
    pub error: f64,
    /// What went wrong, if anything.
    pub trouble: Option<String>,
}

/// Tests every kernel on an adapter, in its own T0 and in T1; `so_far` sees the findings after each case.
///
/// # Errors
///
/// The device was lost: what came before stands, as `so_far` saw it last, and nothing is said of the other kernels.
pub async fn check(gpu: &Gpu, so_far: &mut dyn FnMut(&[Finding])) -> Result<Vec<Finding>> {
    let cases = cases()?;
    let mut findings = BTreeMap::new();
    let plain = if gpu.tier() == Tier::Narrow { Tier::Narrow } else { Tier::Plain };
    for (case_ix, case) in cases.iter().enumerate() {
        let expected = case.run(&Device::Cpu).await?;
        // In f16, the tier that trains: each pipeline more is a second in a browser that computes on the processor.
        let tiers = if case.half { vec![gpu.tier()] } else { vec![plain, Tier::Tiled] };
        for tier in tiers {
            let name = way_name(tier, case.half);
            let kernel = case.op.name();
            let found = case.run(&Device::Gpu(gpu.clone(), Some(tier))).await.map_err(|error| error.to_string());
            if gpu.is_lost() {
                let what = format!("{} was lost at {kernel} in {name}, after {case_ix} of {} cases", gpu.info.name, cases.len());
                return Err(Error::device(what, "the kernels before it stand; check again to test the others"));
            }
            let finding = findings.entry((kernel, name)).or_insert(Finding { kernel, tier: name, cases: 0, error: 0.0, trouble: None });
            finding.cases += 1;
            match found.and_then(|found| compare(&found, &expected, case.tolerance())) {
                Ok(error) => finding.error = finding.error.max(error),
                Err(error) => finding.trouble = Some(format!("{error} ({:?})", case.op)),
            }
        }
        so_far(&findings.values().cloned().collect::<Vec<_>>());
    }
    Ok(findings.into_values().collect())
}

fn way_name(tier: Tier, half: bool) -> &'static str {
    match (tier, half) {
        (tier, false) => tier.short_name(),
        (Tier::Plain, true) => "T0 f16",
        (Tier::Narrow, true) => "T0n f16",
        (Tier::Tiled, true) => "T1 f16",
    }
}

/// One op with the shapes and the origin of its inputs.
struct Case {
    op: Arc<dyn Op>,
    /// Whether what can lie in f16 does.
    half: bool,
    inputs: Vec<Input>,
}

struct Input {
    shape: Shape,
    /// Where it lies in a training step, if it outlives one.
    region: Option<Region>,
}

/// Every distinct op of the models, alone and with what is folded into it.
fn cases() -> Result<Vec<Case>> {
    let mut cases = BTreeMap::new();
    for sets in MODELS {
        for graph in graphs(&experiment(sets)?)? {
            let fused = fuse(&graph);
            let nodes = graph.nodes.iter().map(|node| (&graph, node)).chain(fused.nodes.iter().map(|node| (&fused, node)));
            for (graph, node) in nodes {
                let halves = [false, true].into_iter().filter(|half| !half || node.op.halves() != Ports::default());
                for case in halves.map(|half| Case::new(graph, node, half)) {
                    let shapes: Vec<&Shape> = case.inputs.iter().map(|input| &input.shape).collect();
                    cases.entry(format!("{:?} {shapes:?} {}", case.op, case.half)).or_insert(case);
                }
            }
        }
    }
    let mut num_half: BTreeMap<&str, usize> = BTreeMap::new();
    let is_taken = |case: &Case| {
        let num = num_half.entry(case.op.name()).or_default();
        *num += usize::from(case.half);
        !case.half || *num <= MAX_HALF_CASES
    };
    let mut cases: Vec<Case> = cases.into_values().collect();
    cases.retain(is_taken);
    Ok(cases)
}

fn experiment(sets: &[&str]) -> Result<Experiment> {
    let [batch, micro_batch] = BATCH;
    let batches = [format!("train.batch={batch}"), format!("train.micro_batch={micro_batch}")];
    let sets = SMALL.iter().chain(sets).map(ToString::to_string).chain(batches).collect();
    Ok(load(&Sources { sets, ..Sources::default() })?.experiment)
}

fn graphs(experiment: &Experiment) -> Result<Vec<Graph>> {
    let (estimate, parameters) = step::estimate(experiment, &Device::Cpu)?;
    let graphs = Graphs { experiment, parameters: &parameters, micro_batch: estimate.micro_batch };
    let prepared = graphs.prepares()[0].graph()?;
    let mut all = vec![prepared, graphs.micro()?, graphs.accumulate()?, graphs.update()?, graphs.evaluate()?, graphs.probe()?];
    if experiment.optim.sam_rho > 0.0 {
        all.push(graphs.ascend()?);
    }
    Ok(all)
}

/// The memory a value lies in if it outlives a step; also where ops have updated it in place.
fn region(graph: &Graph, value: Value) -> Option<Region> {
    match graph.values[value.0].source {
        Origin::Leaf(place) => Some(place.region),
        Origin::Node { node, port } => {
            let node = &graph.nodes[node];
            let (_, input) = node.op.in_place().iter().find(|(output, _)| *output == port)?;
            region(graph, node.inputs[*input])
        }
    }
}

impl Case {
    fn new(graph: &Graph, node: &Node, half: bool) -> Self {
        let inputs = node.inputs.iter().map(|value| Input { shape: graph.shape(*value).clone(), region: region(graph, *value) });
        Self { op: node.op.clone(), half, inputs: inputs.collect() }
    }

    fn tolerance(&self) -> f64 {
        if self.half { HALF_TOLERANCE } else { TOLERANCE }
    }

    /// Everything the op writes on `device`.
    async fn run(&self, device: &Device) -> Result<Vec<f32>> {
        let mut graph = Graph::with_copier(self.half.then_some(copier));
        let mut lens = BTreeMap::new();
        let mut take = |region: Region, len: usize| {
            let end = lens.entry(region).or_insert(0);
            let place = Place::new(region, *end);
            *end += len.next_multiple_of(ALIGN);
            place
        };
        let in_place = self.op.in_place();
        let mut own_regions = Region::ALL.into_iter().filter(|region| *region != READ);
        let mut own_region = || own_regions.next().expect("there are more regions than ports");
        let mut leaves = Vec::new();
        let mut uploads = Vec::new();
        let mut results = Vec::new();
        for (port, input) in self.inputs.iter().enumerate() {
            let is_updated = in_place.iter().any(|(_, input)| *input == port);
            let place = take(if is_updated { own_region() } else { READ }, input.shape.len());
            leaves.push(graph.leaf(place, input.shape.clone()));
            uploads.push((place, input.noise(port as u32)));
            if is_updated {
                results.push((place, input.shape.len()));
            }
        }
        for (port, output) in graph.push_shared(self.op.clone(), &leaves)?.into_iter().enumerate() {
            if !in_place.iter().any(|(output, _)| *output == port) {
                // What is stored is in f32: a value in f16 is looked at through an op behind it.
                let is_half = self.half && self.op.halves().has_out(port);
                let output = if is_half { scale(&mut graph, output, 1.0)? } else { output };
                let len = graph.shape(output).len();
                let place = take(own_region(), len);
                graph.store(output, place);
                uploads.push((place, vec![f32::NAN; len]));
                results.push((place, len));
            }
        }
        let mut machine = device.machine(&lens.into_iter().collect::<Vec<_>>())?;
        let plan = machine.load(Plan::new(self.op.name(), &graph, &machine.layout())?)?;
        uploads.iter().try_for_each(|(place, words)| machine.upload(*place, words))?;
        machine.run(plan, &scalars())?;
        let mut words = Vec::new();
        for (place, len) in results {
            words.extend(machine.download(place, len).await?);
        }
        platform::yield_now().await;
        Ok(words)
    }
}

impl Input {
    /// Noise that the op can meet there: variances and targets are not negative.
    fn noise(&self, port: u32) -> Vec<f32> {
        let mut draws = Draws::new(0, Stream::Synthetic, 0, port << 16);
        let low = match self.region {
            // Norm, clip factor and two flags that are down.
            Some(Region::Norm) => return vec![2.0, 0.5, 0.0, 0.0],
            // A hole: place, top, left, height, width; a row of mixing: λ, top, bottom, left, right.
            Some(Region::Drawn) => return [0.3, 1.0, 2.0, 5.0, 6.0].into_iter().cycle().take(self.shape.len()).collect(),
            Some(Region::Variance | Region::Stats | Region::EmaStats | Region::Targets) => 0.1,
            _ => -1.0,
        };
        (0..self.shape.len()).map(|_| draws.next_between(low, 1.0)).collect()
    }
}

/// Numbers of a step in the middle of a training, none of them 0 or 1 where that hides a factor.
fn scalars() -> Scalars {
    Scalars {
        seed: 7,
        step: 3,
        micro: 1,
        report: 1,
        lr: 0.01,
        weight_decay: 0.05,
        bias_correction1: 0.3,
        bias_correction2: 0.03,
        bn_momentum: 0.1,
        clip_norm: 50.0,
        loss_scale: 0.5,
        sam_rho: 0.05,
        ema_decay: 0.9,
        valid: BATCH[1] as f32,
        ..Scalars::default()
    }
}

/// The largest difference over the size of the values; an error above the tolerance.
fn compare(found: &[f32], expected: &[f32], tolerance: f64) -> Result<f64, String> {
    let mean_square = expected.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / expected.len() as f64;
    let floor = FLOOR_FRAC * mean_square.sqrt();
    let mut worst = 0.0;
    for (ix, (found, expected)) in found.iter().zip(expected).enumerate() {
        let (found, expected) = (f64::from(*found), f64::from(*expected));
        let (distance, scale) = ((found - expected).abs(), expected.abs() + floor);
        // Written so that a NaN on either side is refused.
        let is_close = distance <= tolerance * scale;
        if !is_close {
            return Err(format!("word {ix} is {found:e} where the processor has {expected:e}"));
        }
        if distance > 0.0 {
            worst = f64::max(worst, distance / scale);
        }
    }
    Ok(worst)
}
