//! Which values are stored in f16.
//!
//! An op says which of its ports it can read or write in f16 ([`Op::halves`](super::op::Op::halves)); a value is in f16
//! where the op that makes it and all that read it can. What is stored in a region stays f32, and so do
//! statistics, losses and the residual stream, whose ops do not offer those ports. Weights of products are
//! copied to f16 in front of their first use, in every pass: the copy in their region is the master.

use super::graph::{Copier, Graph, Node, Source, Value, ValueInfo};
use super::place::Region;

/// Rows of a value in f16 are whole vectors of so many numbers.
const VECTOR: usize = 4;

/// Marks the values of a fused graph that are stored in f16, if it has a copier.
pub fn assign(graph: &mut Graph) {
    let Some(narrow) = graph.narrow else { return };
    copy_weights(graph, narrow);
    for value in (0..graph.values.len()).map(Value) {
        graph.values[value.0].half = fits(graph, value) && can_be_half(graph, value);
    }
}

fn fits(graph: &Graph, value: Value) -> bool {
    graph.rows_and_width(value).1.is_multiple_of(VECTOR)
}

/// Lets ports that take f16 read a copy of the parameter they read.
fn copy_weights(graph: &mut Graph, narrow: Copier) {
    for leaf in (0..graph.values.len()).map(Value) {
        let is_parameter = matches!(graph.values[leaf.0].source, Source::Leaf(place) if place.region == Region::Params);
        if !is_parameter || !fits(graph, leaf) {
            continue;
        }
        let takes = |node: &Node| (0..node.inputs.len()).any(|port| node.inputs[port] == leaf && node.op.halves().has_in(port));
        let Some(first) = graph.nodes.iter().position(takes) else { continue };
        let op = narrow(graph.shape(leaf).len());
        let info = ValueInfo { source: Source::Node { node: first, port: 0 }, ..graph.values[leaf.0].clone() };
        graph.values.push(info);
        let copy = Value(graph.values.len() - 1);
        for node in &mut graph.nodes[first..] {
            let halves = node.op.halves();
            let ports = node.inputs.iter_mut().enumerate().filter(|(port, input)| **input == leaf && halves.has_in(*port));
            ports.for_each(|(_, input)| *input = copy);
        }
        let label = graph.nodes[first].label.clone();
        graph.nodes.insert(first, Node { op, inputs: vec![leaf], outputs: vec![copy], label });
    }
    graph.relink();
}

/// Whether the op that makes a value and all that read it take it in f16.
fn can_be_half(graph: &Graph, value: Value) -> bool {
    let Source::Node { node, port } = graph.values[value.0].source else { return false };
    let Some(node) = graph.nodes.get(node).filter(|node| node.outputs.get(port) == Some(&value)) else { return false };
    let is_made = node.op.halves().has_out(port) && node.op.in_place().iter().all(|(output, _)| *output != port);
    let is_stored = graph.stores.iter().any(|(stored, _)| *stored == value);
    let takes = |node: &Node| (0..node.inputs.len()).all(|port| node.inputs[port] != value || node.op.halves().has_in(port));
    is_made && !is_stored && graph.nodes.iter().all(takes)
}
