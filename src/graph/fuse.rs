//! Fusion: a producer takes over the consumer that its op knows how to absorb.
//!
//! The rules live with the ops ([`Op::absorb`]); this file only finds the pairs, keeps the order of
//! effects, and drops nodes nobody needs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::graph::{Graph, Node, Source, Value};
use super::op::Op;
use super::place::Place;

/// The same computation with fewer nodes.
pub fn fuse(graph: &Graph) -> Graph {
    let mut graph = graph.clone();
    drop_unused(&mut graph);
    let mut node_ix = 0;
    while node_ix < graph.nodes.len() {
        match find_fusion(&graph, node_ix) {
            Some(fusion) => {
                apply(&mut graph, node_ix, fusion);
                // The fused node now stands later; this place holds the next producer.
            }
            None => node_ix += 1,
        }
    }
    relink(&mut graph);
    graph
}

struct Fusion {
    consumer: usize,
    port: usize,
    keep: bool,
    op: Arc<dyn Op>,
}

/// The first consumer of the node's output 0 that the node's op can absorb, when no other use of
/// the node's outputs stands before it.
fn find_fusion(graph: &Graph, node_ix: usize) -> Option<Fusion> {
    let node = &graph.nodes[node_ix];
    let output = *node.outputs.first()?;
    let uses = |value: Value| {
        graph.nodes.iter().enumerate().skip(node_ix + 1).filter(move |(_, user)| user.inputs.contains(&value)).map(|(ix, _)| ix)
    };
    let consumer = uses(output).next()?;
    let consumer_node = &graph.nodes[consumer];
    if consumer_node.inputs.iter().filter(|input| **input == output).count() != 1 {
        return None;
    }
    let early_use = node.outputs[1..].iter().any(|other| uses(*other).next().is_some_and(|first| first <= consumer));
    if early_use || is_overwritten(graph, node_ix, consumer) {
        return None;
    }
    let port = consumer_node.inputs.iter().position(|input| *input == output)?;
    let keep = uses(output).count() > 1 || graph.stores.iter().any(|(stored, _)| *stored == output);
    let op = node.op.absorb(consumer_node.op.as_ref(), port, keep)?;
    Some(Fusion { consumer, port, keep, op })
}

/// Whether a node between `node_ix` and `consumer` writes persistent memory that the node reads, so
/// that the node must not move.
fn is_overwritten(graph: &Graph, node_ix: usize, consumer: usize) -> bool {
    let reads: Vec<(Place, usize)> = graph.nodes[node_ix].inputs.iter().filter_map(|input| persistent(graph, *input)).collect();
    let between = &graph.nodes[node_ix + 1..consumer];
    let mut written = between.iter().flat_map(|node| node.op.in_place().iter().map(|(_, port)| node.inputs[*port]));
    written.any(|value| {
        let Some((place, len)) = persistent(graph, value) else { return false };
        reads.iter().any(|(read, read_len)| {
            read.region == place.region && read.offset < place.offset + len && place.offset < read.offset + read_len
        })
    })
}

/// Where a value lies, when that is known before planning, and its words.
fn persistent(graph: &Graph, value: Value) -> Option<(Place, usize)> {
    let info = &graph.values[value.0];
    match info.source {
        Source::Leaf(place) => Some((place, info.shape.len())),
        Source::Node { .. } => None,
    }
}

fn apply(graph: &mut Graph, node_ix: usize, fusion: Fusion) {
    let producer = graph.nodes[node_ix].clone();
    let consumer = graph.nodes[fusion.consumer].clone();
    let mut inputs = producer.inputs;
    inputs.extend(consumer.inputs.iter().enumerate().filter(|(port, _)| *port != fusion.port).map(|(_, value)| *value));
    let mut outputs = consumer.outputs;
    if fusion.keep {
        outputs.push(producer.outputs[0]);
    }
    outputs.extend(&producer.outputs[1..]);
    graph.nodes[fusion.consumer] = Node { op: fusion.op, inputs, outputs, label: producer.label };
    graph.nodes.remove(node_ix);
}

/// Removes nodes whose outputs are neither read, stored nor written in place.
fn drop_unused(graph: &mut Graph) {
    let mut needed: BTreeSet<Value> = graph.stores.iter().map(|(value, _)| *value).collect();
    let mut keep = vec![false; graph.nodes.len()];
    for (node_ix, node) in graph.nodes.iter().enumerate().rev() {
        let has_effect = !node.op.in_place().is_empty();
        if has_effect || node.outputs.iter().any(|output| needed.contains(output)) {
            keep[node_ix] = true;
            needed.extend(&node.inputs);
        }
    }
    let mut kept = keep.into_iter();
    graph.nodes.retain(|_| kept.next().expect("one flag a node"));
}

/// Points every value at the node that now makes it.
fn relink(graph: &mut Graph) {
    for (node_ix, node) in graph.nodes.iter().enumerate() {
        for (port, output) in node.outputs.iter().enumerate() {
            graph.values[output.0].source = Source::Node { node: node_ix, port };
        }
    }
}
