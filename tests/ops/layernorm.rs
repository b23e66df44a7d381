//! Layer normalisation: adjoint, and kernels in both tiers.

use vitrine::error::Error;
use vitrine::graph::launch::Tier;
use vitrine::graph::{Graph, Place, Region, Value};
use vitrine::ops::elementwise::add;
use vitrine::ops::layernorm::layernorm;

use crate::support::{Case, Tensor, check_kernel, check_op};

const EPS: f64 = 1e-6;

/// f32 sums of a row of up to a few hundred, then a division by the deviation: a few hundred ulp.
const TOLERANCE: f64 = 2e-5;

fn case(rows: usize, width: usize) -> Case {
    let x = Tensor::normal(1, &[rows, width]).map(|value| 2.0 * value + 0.5);
    Case::new(vec![x, Tensor::uniform(2, &[width], 0.5, 1.5), Tensor::normal(3, &[width])]).tolerance(TOLERANCE)
}

fn normalised(graph: &mut Graph, leaves: &[Value]) -> vitrine::error::Result<Vec<Value>> {
    Ok(vec![layernorm(graph, leaves[0], leaves[1], leaves[2], EPS)?])
}

#[test]
fn agrees_at_ragged_sizes() {
    for (rows, width) in [(1, 1), (3, 5), (67, 37), (130, 96)] {
        // One column has no deviation: its derivative by ε alone is too curved for differences.
        if width == 1 {
            check_kernel(&case(rows, width), normalised);
        } else {
            check_op(&case(rows, width), normalised);
        }
    }
}

#[test]
fn agrees_at_the_size_of_a_small_vit() {
    check_kernel(&case(65 * 16, 96), normalised);
    check_kernel(&case(197, 384), normalised);
}

#[test]
fn adds_the_residual_in_its_backward_pass() {
    // x also goes around the norm, so that its two gradients are summed inside the kernel.
    check_op(&case(70, 33), |graph, leaves| {
        let y = layernorm(graph, leaves[0], leaves[1], leaves[2], EPS)?;
        Ok(vec![add(graph, leaves[0], y)?])
    });
}

#[test]
fn recomputes_its_output() {
    check_kernel(&case(40, 48), |graph, leaves| {
        let y = layernorm(graph, leaves[0], leaves[1], leaves[2], EPS)?;
        let again = graph.saved(y)?;
        assert_ne!(y, again);
        Ok(vec![y, again])
    });
}

#[test]
fn rejects_another_width() {
    let mut graph = Graph::new();
    let mut leaf = |sides: [usize; 2]| graph.leaf(Place::new(Region::Params, 0), sides);
    let (x, gamma) = (leaf([4, 8]), leaf([1, 7]));
    let error = layernorm(&mut graph, x, gamma, gamma, EPS).expect_err("widths differ");
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(error.to_string().contains("[4, 8]"), "{error}");
}

#[test]
fn tiers_use_different_kernels() {
    use vitrine::graph::Op;
    use vitrine::graph::launch::Target;
    let op = vitrine::ops::layernorm::Forward { rows: 4, width: 8, eps: EPS };
    let entry = |tier| op.launch(&Target::untuned(tier)).dispatches[0].entry;
    assert_ne!(entry(Tier::Plain), entry(Tier::Tiled));
}
