//! A device that does not answer in time counts as lost, so that the session takes a new one.

use std::time::Duration;

use vitrine::gpu::GpuMachine;
use vitrine::graph::machine::Machine as _;
use vitrine::graph::plan::Plan;
use vitrine::graph::{Graph, Place, Region};
use vitrine::ops::matmul::{Form, matmul};
use vitrine::platform::Wait as _;

use crate::support::adapter::adapter;

#[test]
fn a_device_that_does_not_answer_is_lost() {
    let Some(shared) = adapter() else { return };
    let mut gpu = vitrine::gpu::Gpu::open(Some(&shared.info.name)).wait().expect("a device of its own");
    drop(shared);
    gpu.timeout = Duration::from_nanos(1);
    // Seconds of work on a software adapter: this thread may wait long for its turn among the other tests.
    let side = 2048;
    let regions = [(Region::Params, side * side), (Region::Grads, side * side), (Region::Momentum, side * side)];
    let mut machine = GpuMachine::new(&gpu, &regions, None).expect("a machine");
    let mut graph = Graph::new();
    let [a, b] = [Region::Params, Region::Grads].map(|region| graph.leaf(Place::new(region, 0), [side, side]));
    let product = matmul(&mut graph, Form::Nn, a, b).expect("a product");
    graph.store(product, Place::new(Region::Momentum, 0));
    let plan = machine.load(Plan::new("slow", &graph, &machine.layout()).expect("a plan")).expect("it loads");
    assert!(!machine.is_lost());
    machine.run(plan, &Default::default()).expect("it is submitted");
    let answer = machine.download(Place::new(Region::Momentum, 0), side * side).wait().map(|words| words.len());
    let error = answer.expect_err("no time to finish");
    assert!(error.to_string().contains("did not finish within"), "{error}");
    assert!(machine.is_lost());
}
