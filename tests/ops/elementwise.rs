//! Sums and multiples: adjoint and kernels.

use vitrine::graph::{Graph, Place, Region};
use vitrine::ops::elementwise::{add, scale};

use crate::support::{Case, Tensor, check_kernel, check_op};

/// One rounding, two in the sums of gradients.
const TOLERANCE: f64 = 3e-7;

#[test]
fn adds_and_scales() {
    for len in [1, 63, 64, 1000] {
        let case = Case::new(vec![Tensor::normal(1, &[len]), Tensor::normal(2, &[len])]).tolerance(TOLERANCE);
        check_op(&case, |graph, leaves| Ok(vec![add(graph, leaves[0], leaves[1])?]));
        check_op(&case, |graph, leaves| {
            let scaled = scale(graph, leaves[0], -2.5)?;
            Ok(vec![add(graph, scaled, leaves[1])?])
        });
    }
}

#[test]
fn folds_a_long_grid() {
    // More workgroups than one dimension of a dispatch may have.
    let len = 64 * 65_535 + 77;
    let case = Case::new(vec![Tensor::uniform(1, &[len], -1.0, 1.0)]).tolerance(TOLERANCE);
    check_kernel(&case, |graph, leaves| Ok(vec![scale(graph, leaves[0], 0.3)?]));
}

#[test]
fn sums_gradients_of_a_value_used_twice() {
    let case = Case::new(vec![Tensor::normal(1, &[130])]).tolerance(TOLERANCE);
    check_op(&case, |graph, leaves| {
        let doubled = scale(graph, leaves[0], 2.0)?;
        Ok(vec![add(graph, doubled, leaves[0])?])
    });
}

#[test]
fn rejects_different_shapes() {
    let mut graph = Graph::new();
    let a = graph.leaf(Place::new(Region::Params, 0), [4, 8]);
    let b = graph.leaf(Place::new(Region::Params, 0), [8, 4]);
    let error = add(&mut graph, a, b).expect_err("shapes differ").to_string();
    assert!(error.contains("[4, 8]") && error.contains("[8, 4]"), "{error}");
}
