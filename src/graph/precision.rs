//! Which values are stored in f16.
//!
//! An op says which of its ports it can read or write in f16 ([`Op::halves`](super::op::Op::halves)); a value is in f16
//! where the op that makes it and all that read it can. What is stored in a region stays f32, and so do
//! statistics, losses and the residual stream, whose ops do not offer those ports. Weights of products are
//! copied to f16 in front of each use: what lies in their region is the master.

use super::graph::{Copier, Graph, Node, Source, Value, ValueInfo};
use super::place::Region;

/// Rows of a value in f16 are whole vectors of so many numbers.
const VECTOR: usize = 4;

/// Marks the values of a fused graph that are stored in f16, if it has a copier.
pub fn assign(graph: &mut Graph) {
    let Some(narrow) = graph.narrow else { return };
    copy_weights(graph, narrow);
    let mut can = vec![false; graph.values.len()];
    for node in &graph.nodes {
        let halves = node.op.halves();
        let made = node.outputs.iter().enumerate().filter(|(port, _)| halves.has_out(*port));
        let made = made.filter(|(port, _)| node.op.in_place().iter().all(|(output, _)| output != port));
        made.for_each(|(_, output)| can[output.0] = true);
    }
    graph.stores.iter().for_each(|(stored, _)| can[stored.0] = false);
    for node in &graph.nodes {
        let halves = node.op.halves();
        let whole = node.inputs.iter().enumerate().filter(|(port, _)| !halves.has_in(*port));
        whole.for_each(|(_, input)| can[input.0] = false);
    }
    for (ix, can) in can.into_iter().enumerate() {
        graph.values[ix].half = can && fits(graph, Value(ix));
    }
}

fn fits(graph: &Graph, value: Value) -> bool {
    graph.rows_and_width(value).1.is_multiple_of(VECTOR)
}

/// Lets ports that take f16 read a copy of the parameter they read. Each node has its own, which lives no longer
/// than it: one for both passes would take the memory that f16 saves.
fn copy_weights(graph: &mut Graph, narrow: Copier) {
    // From the back, so that the places before stay what they were.
    for node_ix in (0..graph.nodes.len()).rev() {
        let halves = graph.nodes[node_ix].op.halves();
        let inputs = graph.nodes[node_ix].inputs.iter().enumerate().filter(|(port, _)| halves.has_in(*port));
        let mut leaves: Vec<Value> = inputs.map(|(_, input)| *input).filter(|input| is_weight(graph, *input)).collect();
        leaves.dedup();
        let copies: Vec<Node> = leaves.into_iter().map(|leaf| copy_for(graph, narrow, node_ix, leaf)).collect();
        graph.nodes.splice(node_ix..node_ix, copies);
    }
    graph.relink();
}

fn is_weight(graph: &Graph, value: Value) -> bool {
    let is_parameter = matches!(graph.values[value.0].source, Source::Leaf(place) if place.region == Region::Params);
    is_parameter && fits(graph, value)
}

/// The node that copies `leaf`, of which node `node_ix` reads the copy from now on.
fn copy_for(graph: &mut Graph, narrow: Copier, node_ix: usize, leaf: Value) -> Node {
    let source = Source::Node { node: node_ix, port: 0 };
    graph.values.push(ValueInfo { source, ..graph.values[leaf.0].clone() });
    let copy = Value(graph.values.len() - 1);
    let op = narrow(graph.shape(leaf).len());
    let node = &mut graph.nodes[node_ix];
    let halves = node.op.halves();
    let inputs = node.inputs.iter_mut().enumerate().filter(|(port, input)| **input == leaf && halves.has_in(*port));
    inputs.for_each(|(_, input)| *input = copy);
    Node { op, inputs: vec![leaf], outputs: vec![copy], label: node.label.clone() }
}
