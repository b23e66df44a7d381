//! Fusion: a producer takes over the consumer that its op knows how to absorb, and an op an earlier
//! one that computes half the same from the same inputs.
//!
//! The rules live with the ops ([`Op::absorb`], [`Op::merge`]); this file only finds the pairs, keeps
//! the order of effects, and drops nodes nobody needs.

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
    while let Some(merger) = (0..graph.nodes.len()).find_map(|later| find_merger(&graph, later)) {
        merge(&mut graph, merger);
    }
    graph.relink();
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

struct Merger {
    /// Taken over …
    earlier: usize,
    /// … by this one.
    later: usize,
    /// Nodes between them that read what `earlier` makes, and so must wait for `later`.
    waiting: Vec<usize>,
    op: Arc<dyn Op>,
}

/// An earlier node whose work the op of node `later` can do along with its own, when what reads the
/// earlier node's outputs can wait.
fn find_merger(graph: &Graph, later: usize) -> Option<Merger> {
    let node = &graph.nodes[later];
    (0..later).rev().find_map(|earlier| {
        let sibling = &graph.nodes[earlier];
        let port_of = |input: &Value| node.inputs.iter().position(|own| own == input);
        let ports: Vec<usize> = sibling.inputs.iter().map(port_of).collect::<Option<_>>()?;
        let op = node.op.merge(sibling.op.as_ref(), &ports)?;
        let reads = |user: &Node, outputs: &[Value]| user.inputs.iter().any(|input| outputs.contains(input));
        let waiting: Vec<usize> = (earlier + 1..later).filter(|ix| reads(&graph.nodes[*ix], &sibling.outputs)).collect();
        let can_wait = |ix: &usize| {
            let user = &graph.nodes[*ix];
            let is_read = graph.nodes[ix + 1..=later].iter().any(|next| reads(next, &user.outputs));
            !is_read && user.op.in_place().is_empty() && !is_overwritten(graph, *ix, later + 1)
        };
        let fits = !reads(node, &sibling.outputs) && waiting.iter().all(can_wait) && !is_overwritten(graph, earlier, later);
        fits.then_some(Merger { earlier, later, waiting, op })
    })
}

fn merge(graph: &mut Graph, merger: Merger) {
    let outputs = graph.nodes[merger.earlier].outputs.clone();
    let node = &mut graph.nodes[merger.later];
    node.op = merger.op;
    node.outputs.extend(outputs);
    // From the back, so that the places before stay what they were.
    let waiting: Vec<Node> = merger.waiting.iter().rev().map(|ix| graph.nodes.remove(*ix)).collect();
    graph.nodes.remove(merger.earlier);
    let end = merger.later - waiting.len();
    graph.nodes.splice(end..end, waiting.into_iter().rev());
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
