//! Token similarity: kernels, and the O(n·d) form against the paper's double sum.

use vitrine::error::{Error, Result};
use vitrine::graph::{Graph, Place, Region, Value};
use vitrine::metric::similarity::similarity;

use crate::support::case::Setup;
use crate::support::origin::FromCpu64;
use crate::support::{Case, Tensor, check_kernel};

/// n² − n products are summed to 1e-6 of n², and divided by n(n − 1).
const TOLERANCE: f64 = 1e-5;

fn case(sides: [usize; 3]) -> Case {
    // A common part, so that similarities do not average to about zero.
    Case::new(vec![Tensor::normal(1, &sides).map(|value| value + 0.5)]).tolerance(TOLERANCE)
}

fn cosine(skip: usize) -> impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>> {
    move |graph, leaves| Ok(vec![similarity(graph, leaves[0], skip)?])
}

fn of_tokens(sides: [usize; 3], data: Vec<f32>, skip: usize) -> Vec<f64> {
    FromCpu64::run(&Setup::new(&Case::new(vec![Tensor::new(&sides, data)]), &cosine(skip))).result(0).to_vec()
}

#[test]
fn kernels_agree() {
    for (sides, skip) in [([1, 2, 1], 0), ([3, 5, 7], 1), ([9, 65, 64], 1), ([2, 196, 48], 0)] {
        check_kernel(&case(sides), cosine(skip));
    }
}

/// Equation (5) of the paper as it stands.
fn double_sum(tokens: &[Vec<f64>]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut sum = 0.0;
    for (i, a) in tokens.iter().enumerate() {
        for (j, b) in tokens.iter().enumerate() {
            if i != j {
                sum += dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt());
            }
        }
    }
    sum / (tokens.len() * (tokens.len() - 1)) as f64
}

#[test]
fn is_the_mean_over_all_pairs_without_the_class_token() {
    let case = case([2, 6, 5]);
    let got = FromCpu64::run(&Setup::new(&case, &cosine(1)));
    for (image_ix, image) in case.inputs[0].data.chunks(30).enumerate() {
        let tokens: Vec<Vec<f64>> = image[5..].chunks(5).map(|token| token.iter().map(|value| f64::from(*value)).collect()).collect();
        let expected = double_sum(&tokens);
        assert!((got.result(0)[image_ix] - expected).abs() < 1e-12, "{} is not {expected}", got.result(0)[image_ix]);
    }
}

#[test]
fn is_known_for_simple_tokens() {
    let close = |got: Vec<f64>, expected: f64| assert!((got[0] - expected).abs() < 1e-12, "{got:?} is not {expected}");
    close(of_tokens([1, 3, 2], vec![1.0, 2.0, 2.0, 4.0, 0.5, 1.0], 0), 1.0);
    close(of_tokens([1, 2, 2], vec![1.0, 2.0, -3.0, -6.0], 0), -1.0);
    close(of_tokens([1, 2, 2], vec![1.0, 0.0, 0.0, 5.0], 0), 0.0);
    // The class token would make it −1/3.
    close(of_tokens([1, 3, 2], vec![-9.0, 0.0, 1.0, 0.0, 2.0, 0.0], 1), 1.0);
}

#[test]
fn tokens_of_zeros_are_similar_to_none() {
    // A ReLU after the projection may leave them; two of three pairs then count nothing.
    let tokens = [1, 3, 2];
    let data = vec![0.0, 0.0, 1.0, 1.0, 2.0, 2.0];
    let got = of_tokens(tokens, data.clone(), 0);
    assert!((got[0] - 1.0 / 3.0).abs() < 1e-12, "{got:?}");
    check_kernel(&Case::new(vec![Tensor::new(&tokens, data)]), cosine(0));
}

#[test]
fn refuses_a_single_token() {
    let mut graph = Graph::new();
    let x = graph.leaf(Place::new(Region::Params, 0), [2, 2, 8]);
    let error = similarity(&mut graph, x, 1).expect_err("one token has no pair");
    assert!(matches!(error, Error::Shape { .. }) && error.to_string().contains("[2, 2, 8]"), "{error}");
}
