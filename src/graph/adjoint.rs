//! Differentiation: walks the nodes backwards and asks each op for its adjoint, as more graph.

use std::collections::BTreeMap;

use super::graph::{Graph, Source, Value};
use crate::error::Result;

/// Gradients of `wrt`, in order; `None` where the loss does not depend on the value.
///
/// `loss` is the output of an op that knows its own seed (cross-entropy); `add` sums two gradients
/// of one value. Gradients of leaves that are not in `wrt` are not computed.
pub fn differentiate(
    graph: &mut Graph,
    loss: Value,
    wrt: &[Value],
    add: fn(&mut Graph, Value, Value) -> Result<Value>,
) -> Result<Vec<Option<Value>>> {
    let needed = depends_on(graph, wrt);
    let mut gradients: BTreeMap<Value, Value> = BTreeMap::new();
    for node_ix in (0..graph.nodes.len()).rev() {
        let node = graph.nodes[node_ix].clone();
        let is_seed = node.outputs.contains(&loss);
        let d_outputs: Vec<Option<Value>> = node.outputs.iter().map(|output| gradients.get(output).copied()).collect();
        let reached = is_seed || d_outputs.iter().any(Option::is_some);
        if !reached || !node.inputs.iter().any(|input| needed[input.0]) {
            continue;
        }
        let d_inputs = graph.scoped(&format!("{}'", node.label), |graph| node.op.adjoint(graph, &node, &d_outputs))?;
        for (input, d_input) in node.inputs.iter().zip(d_inputs) {
            let Some(d_input) = d_input.filter(|_| needed[input.0]) else { continue };
            let sum = match gradients.get(input) {
                Some(earlier) => graph.scoped(&format!("{}'", node.label), |graph| add(graph, d_input, *earlier))?,
                None => d_input,
            };
            gradients.insert(*input, sum);
        }
    }
    Ok(wrt.iter().map(|value| gradients.get(value).copied()).collect())
}

/// For each value: does it depend on one of `wrt`?
fn depends_on(graph: &Graph, wrt: &[Value]) -> Vec<bool> {
    let mut depends = vec![false; graph.values.len()];
    for value in wrt {
        depends[value.0] = true;
    }
    for node in &graph.nodes {
        if node.inputs.iter().any(|input| depends[input.0]) {
            for output in &node.outputs {
                debug_assert!(matches!(graph.values[output.0].source, Source::Node { .. }));
                depends[output.0] = true;
            }
        }
    }
    depends
}
