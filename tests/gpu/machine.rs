//! Memory and results of the machine that runs plans on an adapter.

use vitrine::error::Error;
use vitrine::gpu::{Gpu, GpuMachine};
use vitrine::graph::machine::Machine;
use vitrine::graph::plan::Plan;
use vitrine::graph::{Graph, Place, Region, Scalars};
use vitrine::ops::elementwise::{add, scale};
use vitrine::platform::Wait as _;

use crate::support::adapter::adapter;

fn machine(gpu: &Gpu, lens: &[(Region, usize)]) -> GpuMachine {
    GpuMachine::new(gpu, lens, None).expect("a small machine")
}

/// Grads = 2·factor·Params, through an arena.
fn doubling(len: usize, factor: f64) -> Graph {
    let mut graph = Graph::new();
    let x = graph.leaf(Place::new(Region::Params, 0), [len]);
    let scaled = scale(&mut graph, x, factor).expect("any shape fits");
    let doubled = add(&mut graph, scaled, scaled).expect("the shapes fit");
    graph.store(doubled, Place::new(Region::Grads, 0));
    graph
}

#[test]
fn a_plan_survives_a_larger_one() {
    let Some(gpu) = adapter() else { return };
    let mut machine = machine(&gpu, &[(Region::Params, 4096), (Region::Grads, 4096)]);
    let layout = machine.layout();
    let small = machine.load(Plan::new("small", &doubling(8, 1.0), &layout).expect("plans")).expect("loads");
    let large = machine.load(Plan::new("large", &doubling(4096, 3.0), &layout).expect("plans")).expect("loads");
    machine.upload(Place::new(Region::Params, 0), &[1.0; 4096]).expect("fits");
    machine.run(large, &Scalars::default()).expect("runs");
    machine.run(small, &Scalars::default()).expect("runs");
    let words = machine.download(Place::new(Region::Grads, 0), 4096).wait().expect("comes back");
    assert!(words[..8].iter().all(|word| *word == 2.0) && words[8..].iter().all(|word| *word == 6.0), "{:?}", &words[..16]);
}

#[test]
fn requests_come_back_in_order_as_of_their_time() {
    let Some(gpu) = adapter() else { return };
    let mut machine = machine(&gpu, &[(Region::Ring, 256)]);
    for round in 0..10 {
        machine.upload(Place::new(Region::Ring, 64), &[round as f32; 3]).expect("fits");
        machine.request(round, Place::new(Region::Ring, 64), 3).expect("is asked for");
    }
    let mut arrived = machine.collect(false).wait().expect("does not wait");
    arrived.extend(machine.collect(true).wait().expect("waits"));
    let expected: Vec<_> = (0..10).map(|round| (round, vec![round as f32; 3])).collect();
    assert_eq!(arrived, expected);
    assert!(machine.collect(true).wait().expect("has nothing to wait for").is_empty());
}

#[test]
fn each_run_sees_its_own_uploads() {
    let Some(gpu) = adapter() else { return };
    let mut machine = machine(&gpu, &[(Region::Params, 64), (Region::Grads, 64)]);
    let layout = machine.layout();
    let plan = machine.load(Plan::new("double", &doubling(64, 1.0), &layout).expect("plans")).expect("loads");
    // More runs than may be in flight.
    for round in 0..8u64 {
        machine.upload(Place::new(Region::Params, 0), &[round as f32; 64]).expect("fits");
        machine.run(plan, &Scalars::default()).expect("runs");
        machine.request(round, Place::new(Region::Grads, 0), 64).expect("is asked for");
    }
    for (round, words) in machine.collect(true).wait().expect("waits") {
        assert!(words.iter().all(|word| *word == 2.0 * round as f32), "run {round}: {}", words[0]);
    }
}

#[test]
fn the_first_non_finite_output_is_named() {
    let Some(gpu) = adapter() else { return };
    let mut machine = machine(&gpu, &[(Region::Params, 64), (Region::Grads, 64)]);
    let mut graph = Graph::new();
    let x = graph.leaf(Place::new(Region::Params, 0), [64]);
    let fine = graph.scoped("first", |graph| scale(graph, x, 0.5)).expect("any shape fits");
    let large = graph.scoped("second", |graph| scale(graph, fine, 1e30)).expect("any shape fits");
    let sum = graph.scoped("third", |graph| add(graph, large, fine)).expect("the shapes fit");
    graph.store(sum, Place::new(Region::Grads, 0));
    let layout = machine.layout();
    let plan = machine.load(Plan::new("overflow", &graph, &layout).expect("plans")).expect("loads");
    machine.upload(Place::new(Region::Params, 0), &[1.0; 64]).expect("fits");
    assert_eq!(machine.find_non_finite(plan, &Scalars::default()).wait().expect("runs"), None);
    machine.upload(Place::new(Region::Params, 40), &[1e20]).expect("fits");
    let culprit = machine.find_non_finite(plan, &Scalars::default()).wait().expect("runs").expect("1e20·0.5e30 is too large");
    assert_eq!((culprit.op.as_str(), culprit.what.as_str()), ("second elementwise.scale", "output 0"));
}

#[test]
fn every_launch_is_timed() {
    let Some(gpu) = adapter() else { return };
    let mut machine = machine(&gpu, &[(Region::Params, 4096), (Region::Grads, 4096)]);
    let layout = machine.layout();
    let plan = machine.load(Plan::new("double", &doubling(4096, 1.0), &layout).expect("plans")).expect("loads");
    let timings = machine.profile(plan, &Scalars::default()).wait().expect("runs");
    let labels: Vec<&str> = timings.iter().map(|timing| timing.label.as_str()).collect();
    assert_eq!(labels, [" elementwise.scale (ops/elementwise.scale)", " elementwise.add (ops/elementwise.add)"]);
    assert!(timings.iter().all(|timing| timing.millis > 0.0), "{timings:?}");
}

#[test]
fn misaligned_places_are_our_mistake_on_every_adapter() {
    let Some(gpu) = adapter() else { return };
    let mut machine = machine(&gpu, &[(Region::Params, 256), (Region::Grads, 256)]);
    let mut graph = Graph::new();
    let x = graph.leaf(Place::new(Region::Params, 4), [64]);
    let y = scale(&mut graph, x, 2.0).expect("any shape fits");
    graph.store(y, Place::new(Region::Grads, 0));
    let layout = machine.layout();
    let error = machine.load(Plan::new("askew", &graph, &layout).expect("plans")).expect_err("16 bytes are no offset");
    assert!(matches!(error, Error::Internal(_)) && error.to_string().contains("256 bytes"), "{error}");
}

#[test]
fn a_region_too_large_for_the_adapter_says_how_large() {
    let Some(gpu) = adapter() else { return };
    let len = (gpu.limits.max_buffer_size / 4 + 1) as usize;
    let error = GpuMachine::new(&gpu, &[(Region::Params, len)], None).expect_err("over the limit");
    assert!(matches!(error, Error::Device { .. }) && error.to_string().contains("MiB"), "{error}");
}

#[test]
fn memory_outside_a_region_is_refused() {
    let Some(gpu) = adapter() else { return };
    let mut machine = machine(&gpu, &[(Region::Params, 64)]);
    assert!(machine.upload(Place::new(Region::Params, 60), &[0.0; 5]).is_err());
    assert!(machine.download(Place::new(Region::Grads, 0), 1).wait().is_err());
}
