//! Fused graphs compute what the plain ones do, with fewer steps, in an order that effects allow.

use std::any::Any;

use vitrine::cpu::machine::CpuMachine;
use vitrine::error::Result;
use vitrine::graph::fuse::fuse;
use vitrine::graph::machine::Machine;
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Scalars, Shape, Value};
use vitrine::ops::activation::{Backward, Kind, activation};
use vitrine::ops::bias::add_bias;
use vitrine::ops::elementwise::{add, scale};
use vitrine::ops::matmul::{Form, MatMul, linear, matmul};
use vitrine::optim::ema::Ema;

use crate::support::Tensor;

const ROWS: usize = 5;
const IN: usize = 4;
const OUT: usize = 6;
const ALIGN: usize = 64;

struct Leaves {
    x: Value,
    weight: Value,
    bias: Value,
    residual: Value,
}

/// Sides of the leaves, in order; each lies `ALIGN` words after the one before.
const SIDES: [&[usize]; 4] = [&[ROWS, IN], &[OUT, IN], &[OUT], &[ROWS, OUT]];

/// A graph on the leaves; `build` says which values are stored, one after the other.
fn graph_of(build: impl Fn(&mut Graph, &Leaves) -> Result<Vec<Value>>) -> Graph {
    let mut graph = Graph::new();
    let mut leaf = |ix: usize| graph.leaf(Place::new(Region::Params, ix * ALIGN), Shape::new(SIDES[ix]));
    let leaves = Leaves { x: leaf(0), weight: leaf(1), bias: leaf(2), residual: leaf(3) };
    let stored = build(&mut graph, &leaves).expect("the graph builds");
    for (ix, value) in stored.into_iter().enumerate() {
        graph.store(value, Place::new(Region::Grads, ix * ALIGN));
    }
    graph
}

/// The stored values that have the shape of the product, as the f64 definition computes them.
fn run(graph: &Graph) -> Vec<Vec<f64>> {
    let mut machine = CpuMachine::<f64>::new(&[(Region::Params, 4 * ALIGN), (Region::Grads, 8 * ALIGN), (Region::Ema, ALIGN)]);
    for (ix, sides) in SIDES.iter().enumerate() {
        machine.upload(Place::new(Region::Params, ix * ALIGN), &Tensor::normal(ix as u64 + 1, sides).data).expect("the leaves fit");
    }
    let plan = Plan::new("fusion", graph, &Layout::processor()).expect("the graph can be planned");
    let plan = machine.load(plan).expect("the plan loads");
    machine.run(plan, &Scalars::default()).expect("the plan runs");
    (0..graph.stores.len()).map(|ix| machine.region(Region::Grads)[ix * ALIGN..][..ROWS * OUT].to_vec()).collect()
}

fn ops_of(graph: &Graph) -> Vec<&'static str> {
    graph.nodes.iter().map(|node| node.op.name()).collect()
}

fn assert_close(fused: &[f64], plain: &[f64]) {
    assert!(plain.iter().any(|value| value.abs() > 0.1), "a result worth comparing");
    for (fused, plain) in fused.iter().zip(plain) {
        assert!((fused - plain).abs() < 1e-13, "{fused} with fusion, {plain} without");
    }
}

#[test]
fn a_linear_layer_takes_bias_gelu_and_residual() {
    let chain = |graph: &mut Graph, leaves: &Leaves| {
        let product = matmul(graph, Form::Nt, leaves.x, leaves.weight)?;
        let biased = add_bias(graph, product, leaves.bias)?;
        let active = activation(graph, biased, Kind::Gelu)?;
        Ok([product, biased, active, add(graph, leaves.residual, active)?])
    };
    let fused = graph_of(|graph, leaves| Ok(vec![chain(graph, leaves)?[3]]));
    assert_eq!(ops_of(&fuse(&fused)), ["matmul.nt"]);
    // The product, and its sum with the bias, are wanted themselves here, so they stay apart.
    let plain = graph_of(|graph, leaves| Ok(chain(graph, leaves)?.to_vec()));
    assert!(ops_of(&fuse(&plain)).len() > 1);
    assert_close(&run(&fused)[0], &run(&plain)[3]);
}

#[test]
fn what_gelu_was_applied_to_is_kept_for_the_backward_pass() {
    let graph = graph_of(|graph, leaves| {
        let before = linear(graph, leaves.x, leaves.weight, Some(leaves.bias))?;
        let active = activation(graph, before, Kind::Gelu)?;
        // As the backward pass does, this reads `before` again.
        Ok(vec![active, scale(graph, before, 2.0)?])
    });
    let fused = fuse(&graph);
    assert_eq!(ops_of(&fused), ["matmul.nt", "elementwise.scale"]);
    let op: &dyn Any = fused.nodes[0].op.as_ref();
    let epilogue = op.downcast_ref::<MatMul>().expect("a product").epilogue;
    assert!(epilogue.bias && epilogue.activation == Some(Kind::Gelu) && epilogue.keep && !epilogue.residual, "{epilogue:?}");
    assert_eq!(fused.nodes[0].outputs.len(), 2);
    assert_eq!(fused.nodes[1].inputs, [fused.nodes[0].outputs[1]]);
    let plain = graph_of(|graph, leaves| {
        let product = matmul(graph, Form::Nt, leaves.x, leaves.weight)?;
        let before = add_bias(graph, product, leaves.bias)?;
        Ok(vec![activation(graph, before, Kind::Gelu)?, scale(graph, before, 2.0)?, product, before])
    });
    let (fused, plain) = (run(&graph), run(&plain));
    assert_close(&fused[0], &plain[0]);
    assert_close(&fused[1], &plain[1]);
}

#[test]
fn a_sum_of_a_product_with_itself_is_not_fused() {
    let product = graph_of(|graph, leaves| Ok(vec![matmul(graph, Form::Nt, leaves.x, leaves.weight)?]));
    let doubled = graph_of(|graph, leaves| {
        let product = matmul(graph, Form::Nt, leaves.x, leaves.weight)?;
        Ok(vec![add(graph, product, product)?])
    });
    assert_eq!(ops_of(&fuse(&doubled)), ["matmul.nt", "elementwise.add"]);
    let twice: Vec<f64> = run(&product)[0].iter().map(|value| 2.0 * value).collect();
    assert_close(&run(&doubled)[0], &twice);
}

#[test]
fn a_residual_made_after_the_product_is_waited_for() {
    let chain = |graph: &mut Graph, leaves: &Leaves| {
        let product = matmul(graph, Form::Nt, leaves.x, leaves.weight)?;
        let late = scale(graph, leaves.residual, 3.0)?;
        Ok([product, late, add(graph, product, late)?])
    };
    let fused = graph_of(|graph, leaves| Ok(vec![chain(graph, leaves)?[2]]));
    assert_eq!(ops_of(&fuse(&fused)), ["elementwise.scale", "matmul.nt"]);
    let plain = graph_of(|graph, leaves| Ok(chain(graph, leaves)?.to_vec()));
    assert_eq!(ops_of(&fuse(&plain)).len(), 3);
    assert_close(&run(&fused)[0], &run(&plain)[2]);
}

#[test]
fn a_product_is_not_carried_over_a_write_to_its_weights() {
    let graph = |is_updated: bool| {
        graph_of(move |graph, leaves| {
            let product = matmul(graph, Form::Nt, leaves.x, leaves.weight)?;
            if is_updated {
                // With a decay of 0 the average becomes its input: the weights are overwritten.
                let [from, to] = [2, 1].map(|ix| graph.leaf(Place::new(Region::Params, ix * ALIGN), [OUT]));
                graph.push(Ema { len: OUT }, &[from, to])?;
            }
            Ok(vec![activation(graph, product, Kind::Gelu)?])
        })
    };
    assert_eq!(ops_of(&fuse(&graph(false))), ["matmul.nt"]);
    assert_eq!(ops_of(&fuse(&graph(true))), ["matmul.nt", "ema.average", "activation.gelu"]);
    assert_close(&run(&graph(true))[0], &run(&graph(false))[0]);
}

#[test]
fn what_nobody_reads_is_dropped() {
    let graph = graph_of(|graph, leaves| {
        let unread = matmul(graph, Form::Nt, leaves.x, leaves.weight)?;
        scale(graph, unread, 2.0)?;
        Ok(vec![scale(graph, leaves.residual, 0.5)?])
    });
    assert_eq!(graph.nodes.len(), 3);
    assert_eq!(ops_of(&fuse(&graph)), ["elementwise.scale"]);
    let half: Vec<f64> = Tensor::normal(4, SIDES[3]).data.iter().map(|value| 0.5 * f64::from(*value)).collect();
    assert_close(&run(&graph)[0], &half);
}

#[test]
fn writes_in_place_stay_though_nobody_reads_them() {
    let graph = graph_of(|graph, leaves| {
        let mean = graph.leaf(Place::new(Region::Ema, 0), [OUT * IN]);
        graph.push(Ema { len: OUT * IN }, &[leaves.weight, mean])?;
        Ok(vec![])
    });
    assert_eq!(ops_of(&fuse(&graph)), ["ema.average"]);
}

/// GELU again, what is made of it, and GELU's backward pass, in the order a backward pass has them.
fn gelu_again(graph: &mut Graph, leaves: &Leaves, is_apart: bool) -> Result<[Value; 2]> {
    let d_y = scale(graph, leaves.residual, 0.5)?;
    let again = activation(graph, leaves.residual, Kind::Gelu)?;
    let used = scale(graph, again, 2.0)?;
    let d_y = if is_apart { d_y } else { used };
    let backward = Backward { len: ROWS * OUT, kind: Kind::Gelu, again: false };
    Ok([used, graph.push_one(backward, &[d_y, leaves.residual])?])
}

#[test]
fn gelu_comes_along_with_its_slope_and_its_readers_wait() {
    let graph = graph_of(|graph, leaves| Ok(gelu_again(graph, leaves, true)?.to_vec()));
    assert_eq!(ops_of(&graph), ["elementwise.scale", "activation.gelu", "elementwise.scale", "activation.gelu_backward"]);
    assert_eq!(ops_of(&fuse(&graph)), ["elementwise.scale", "activation.gelu_backward", "elementwise.scale"]);
    // Stored one at a time they have nothing to merge with.
    let apart = [0, 1].map(|ix| graph_of(|graph, leaves| Ok(vec![gelu_again(graph, leaves, true)?[ix]])));
    assert!(apart.iter().all(|graph| fuse(graph).nodes.len() < 3));
    let together = run(&graph);
    for (together, apart) in together.iter().zip(&apart) {
        assert_close(together, &run(apart)[0]);
    }
}

#[test]
fn gelu_stays_where_its_slope_depends_on_it() {
    let graph = graph_of(|graph, leaves| Ok(gelu_again(graph, leaves, false)?.to_vec()));
    assert_eq!(ops_of(&fuse(&graph)), ["activation.gelu", "elementwise.scale", "activation.gelu_backward"]);
}

#[test]
fn a_reader_does_not_wait_over_a_write_to_what_it_reads() {
    let graph = |is_updated: bool| {
        graph_of(move |graph, leaves| {
            let d_y = scale(graph, leaves.residual, 0.5)?;
            let again = activation(graph, leaves.residual, Kind::Gelu)?;
            let product = matmul(graph, Form::Tn, again, leaves.x)?;
            if is_updated {
                // With a decay of 0 the average becomes its input: what the product reads is overwritten.
                let [from, to] = [2, 0].map(|ix| graph.leaf(Place::new(Region::Params, ix * ALIGN), [OUT]));
                graph.push(Ema { len: OUT }, &[from, to])?;
            }
            let backward = Backward { len: ROWS * OUT, kind: Kind::Gelu, again: false };
            Ok(vec![product, graph.push_one(backward, &[d_y, leaves.residual])?])
        })
    };
    assert_eq!(ops_of(&fuse(&graph(false))), ["elementwise.scale", "activation.gelu_backward", "matmul.tn"]);
    assert_eq!(
        ops_of(&fuse(&graph(true))),
        ["elementwise.scale", "activation.gelu", "matmul.tn", "ema.average", "activation.gelu_backward"]
    );
}
