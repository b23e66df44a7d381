//! The plan of a whole training step: its text with its memory, and what holds for every launch.

use vitrine::config::{Experiment, Sources, load};
use vitrine::graph::launch::{Dispatch, Slot, Target, Tier};
use vitrine::graph::plan::{Buffer, Layout, Plan, Step};
use vitrine::model::vit;
use vitrine::train::graphs::Graphs;

/// Bytes of temporary memory an image of DeiT-S may take in f32.
const DEIT_S_BYTES_PER_IMAGE: usize = 45_000_000;
/// Storage bindings a stage may have in core WebGPU.
const CORE_BINDINGS: usize = 8;

fn experiment(preset: &str, sets: &[&str]) -> Experiment {
    let sets = sets.iter().map(|set| set.to_string()).collect();
    load(&Sources { preset: Some(preset), sets, ..Sources::default() }).expect("the experiment is sound").experiment
}

/// An 8-pixel ViT with the paper's stem, 4 tokens of 8, one block.
fn tiny(sets: &[&str]) -> Experiment {
    let mut all = vec!["model.image_size=8", "model.dim=8", "model.depth=1", "model.stem_width=4", "train.batch=4"];
    all.extend(["model.strides=[2, 1, 1, 2]", "model.stem_kernels=[3, 3, 3, 2]"]);
    all.extend(sets);
    experiment("demo", &all)
}

/// What the trainer plans: forward and backward, then the update.
fn plans(experiment: &Experiment, micro_batch: usize, layout: &Layout) -> [Plan; 2] {
    let parameters = vit::parameters(&experiment.model).expect("the model builds");
    let graphs = Graphs { experiment, parameters: &parameters, micro_batch };
    let (micro, update) = (graphs.micro().expect("the pass builds"), graphs.update().expect("the update builds"));
    [("micro", micro), ("update", update)].map(|(name, graph)| Plan::new(name, &graph, layout).expect("the graph can be planned"))
}

/// Buffers of 256 MiB in bindings of 128 MiB, as core WebGPU promises.
fn adapter(tier: Tier) -> Layout {
    Layout { target: Some(Target::untuned(tier)), align: 64, max_buffer_len: 256 << 18, max_binding_len: 128 << 18 }
}

#[test]
fn the_step_of_a_tiny_model_reads_well() {
    let text = plans(&tiny(&[]), 4, &Layout::processor()).map(|plan| plan.to_string()).concat();
    insta::assert_snapshot!("tiny_step", text);
}

#[test]
fn a_larger_batch_takes_more_memory_and_no_more_steps() {
    let [four, eight] = [4, 8].map(|micro_batch| {
        let [micro, _] = plans(&tiny(&["train.batch=8"]), micro_batch, &Layout::processor());
        (micro.steps.len(), micro.arena_bytes())
    });
    assert_eq!(four.0, eight.0);
    assert!(four.1 < eight.1 && eight.1 <= 2 * four.1, "{four:?} {eight:?}");
}

#[test]
fn deit_small_takes_no_more_memory_than_promised() {
    let experiment = experiment("deit-small", &["data.kind=random", "train.batch=8", "train.micro_batch=8"]);
    for layout in [Layout::processor(), adapter(Tier::Plain), adapter(Tier::Tiled)] {
        let [micro, _] = plans(&experiment, 8, &layout);
        let bytes = micro.arena_bytes() / 8;
        assert!(bytes <= DEIT_S_BYTES_PER_IMAGE, "{bytes} bytes an image, planned for {:?}", layout.target);
    }
}

/// Buffers that one dispatch of the step binds, either the read ones or the written ones.
fn bound(step: &Step, dispatch: &Dispatch, written: bool) -> Vec<Buffer> {
    let loc = |slot: Slot| match slot {
        Slot::In(port) => step.inputs[port],
        Slot::Out(port) => step.outputs[port],
        Slot::Scratch(ix) => step.scratch[ix],
    };
    dispatch.bindings.iter().filter(|binding| binding.write == written).map(|binding| loc(binding.slot).buffer).collect()
}

/// What core WebGPU forbids about one step's launches.
fn complaints(step: &Step) -> Vec<String> {
    let at = format!("{} {}", step.label, step.op.name());
    let mut complaints = Vec::new();
    if step.dispatches.is_empty() {
        complaints.push(format!("{at} launches nothing"));
    }
    for dispatch in &step.dispatches {
        let (read, written) = (bound(step, dispatch, false), bound(step, dispatch, true));
        if let Some(buffer) = read.iter().find(|buffer| written.contains(buffer)) {
            complaints.push(format!("{at} {} reads and writes {buffer:?}", dispatch.entry));
        }
        if dispatch.bindings.len() > CORE_BINDINGS {
            complaints.push(format!("{at} {} has {} bindings", dispatch.entry, dispatch.bindings.len()));
        }
    }
    complaints
}

#[test]
fn launches_keep_to_core_webgpu() {
    let variants = [
        &["optim.sam_rho=0.1", "train.ema=0.9"][..],
        &["model.ffn=conv1d-bn-gelu", "model.stem=1Proj+1BN+1ReLU", "model.strides=[4]", "model.stem_kernels=[]", "optim.kind=sgd"],
    ];
    for sets in variants {
        for tier in [Tier::Plain, Tier::Tiled] {
            let plans = plans(&tiny(sets), 4, &adapter(tier));
            let steps: Vec<&Step> = plans.iter().flat_map(|plan| &plan.steps).collect();
            let complaints: Vec<String> = steps.iter().flat_map(|step| complaints(step)).collect();
            assert!(steps.len() > 30 && complaints.is_empty(), "{} steps\n{}", steps.len(), complaints.join("\n"));
        }
    }
}

#[test]
fn a_launch_on_one_buffer_is_found() {
    let [_, mut update] = plans(&tiny(&[]), 4, &adapter(Tier::Plain));
    let step = update.steps.last_mut().expect("an update");
    assert!(complaints(step).is_empty());
    let written = step.outputs[0].buffer;
    step.inputs.iter_mut().for_each(|input| input.buffer = written);
    assert!(!complaints(step).is_empty());
}

#[test]
fn a_model_too_large_for_the_adapter_is_an_error_with_both_sizes() {
    let experiment = tiny(&[]);
    let parameters = vit::parameters(&experiment.model).expect("the model builds");
    let graph = Graphs { experiment: &experiment, parameters: &parameters, micro_batch: 4 }.micro().expect("the pass builds");
    let layout = Layout { max_binding_len: 200, ..Layout::processor() };
    let error = Plan::new("micro", &graph, &layout).expect_err("200 words do not hold the images");
    assert_eq!(error.exit_code(), 4);
    assert!(error.to_string().contains("MiB") && error.to_string().contains("micro_batch"), "{error}");
}
