//! A vector added to every row, and the sum of the rows: adjoint and kernels.

use vitrine::error::Error;
use vitrine::graph::{Graph, Place, Region};
use vitrine::ops::bias::{ColumnSum, add_bias};

use crate::support::{Case, Tensor, check_kernel, check_op};

/// f32 sums over up to two thousand rows, in chunks of 64: tens of roundings that mostly cancel.
const TOLERANCE: f64 = 5e-6;

#[test]
fn adds_at_ragged_sizes() {
    for (rows, width) in [(1, 1), (3, 5), (64, 64), (67, 37), (200, 96)] {
        let case = Case::new(vec![Tensor::normal(1, &[rows, width]), Tensor::normal(2, &[width])]).tolerance(TOLERANCE);
        check_op(&case, |graph, leaves| Ok(vec![add_bias(graph, leaves[0], leaves[1])?]));
    }
}

#[test]
fn sums_rows_of_a_whole_batch() {
    // 197 tokens of 10 images, and a last chunk of two rows.
    let (rows, width) = (1970, 130);
    let case = Case::new(vec![Tensor::uniform(3, &[rows, width], 0.0, 1.0)]).tolerance(TOLERANCE);
    check_kernel(&case, |graph, leaves| Ok(vec![graph.push_one(ColumnSum { rows, width }, leaves)?]));
}

#[test]
fn rejects_a_bias_of_another_width() {
    let mut graph = Graph::new();
    let x = graph.leaf(Place::new(Region::Params, 0), [4, 8]);
    let bias = graph.leaf(Place::new(Region::Params, 64), [7]);
    let error = add_bias(&mut graph, x, bias).expect_err("widths differ");
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(error.to_string().contains("[7]") && error.to_string().contains("[4, 8]"), "{error}");
}
