//! Attention: adjoint, kernels in both tiers, and the definition against attention written out.

use vitrine::cpu::machine::CpuMachine;
use vitrine::error::{Error, Result};
use vitrine::graph::machine::Machine;
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Scalars, Value};
use vitrine::ops::attention::attention;

use crate::support::{Case, Tensor, check_adjoint_kernels, check_kernel, check_op};

/// Scores are sums over the head width, and an error of a score is a relative error of a weight:
/// some tens of ulp at scores of a few units.
const TOLERANCE: f64 = 2e-5;

fn case(images: usize, tokens: usize, heads: usize, head_width: usize) -> Case {
    Case::new(vec![Tensor::normal(1, &[images * tokens, 3 * heads * head_width])]).tolerance(TOLERANCE)
}

fn attend(tokens: usize, heads: usize) -> impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>> {
    move |graph, leaves| Ok(vec![attention(graph, leaves[0], tokens, heads)?])
}

#[test]
fn agrees_at_ragged_sizes() {
    for (images, tokens, heads, head_width) in [(1, 1, 1, 1), (2, 3, 2, 5), (1, 33, 3, 8), (3, 17, 1, 30)] {
        let case = case(images, tokens, heads, head_width);
        if tokens == 1 {
            // One token attends to itself whatever its query and key are: their gradients are 0.
            check_kernel(&case, attend(tokens, heads));
        } else {
            check_op(&case, attend(tokens, heads));
        }
    }
}

#[test]
fn agrees_at_the_sizes_of_vits() {
    for (images, tokens, heads, head_width) in [(3, 65, 2, 32), (1, 197, 2, 64)] {
        check_kernel(&case(images, tokens, heads, head_width), attend(tokens, heads));
        check_adjoint_kernels(&case(images, tokens, heads, head_width), attend(tokens, heads));
    }
}

#[test]
fn agrees_at_the_widest_head_and_over_several_blocks_of_rows() {
    for (images, tokens, heads, head_width) in [(1, 20, 1, 128), (1, 300, 1, 6)] {
        check_kernel(&case(images, tokens, heads, head_width), attend(tokens, heads));
        check_adjoint_kernels(&case(images, tokens, heads, head_width), attend(tokens, heads));
    }
}

/// Every size of a shared tile, with more rows than the smallest takes.
#[test]
fn every_tuned_tile_agrees() {
    for candidate in 0..5 {
        let case = case(1, 70, 2, 20).candidate(candidate);
        check_kernel(&case, attend(70, 2));
        check_adjoint_kernels(&case, attend(70, 2));
    }
}

#[test]
fn large_scores_do_not_overflow() {
    // Scores reach ±400: far beyond what exp takes without its maximum. The products that make them
    // round by 1e-5, and that much the weights are off.
    let large = Case { inputs: vec![Tensor::normal(4, &[40, 3 * 16]).map(|value| value * 10.0)], ..case(1, 40, 1, 16) };
    check_kernel(&large.tolerance(5e-4), attend(40, 1));
}

#[test]
fn is_softmax_of_scaled_products_times_values() {
    let (images, tokens, heads, head_width) = (2, 7, 3, 4);
    let qkv = case(images, tokens, heads, head_width).inputs[0].data.clone();
    let width = heads * head_width;
    let mut graph = Graph::new();
    let leaf = graph.leaf(Place::new(Region::Params, 0), [images, tokens, 3 * width]);
    let out = attention(&mut graph, leaf, tokens, heads).expect("shapes fit");
    assert_eq!(graph.shape(out).sides(), [images, tokens, width]);
    graph.store(out, Place::new(Region::Logits, 0));
    let mut machine = CpuMachine::<f64>::new(&[(Region::Params, qkv.len()), (Region::Logits, qkv.len() / 3)]);
    let plan = machine.load(Plan::new("attention", &graph, &Layout::processor()).expect("it plans")).expect("it loads");
    machine.upload(Place::new(Region::Params, 0), &qkv).expect("it fits");
    machine.run(plan, &Scalars::default()).expect("it runs");
    let at = |image: usize, token: usize, which: usize, head: usize, column: usize| {
        f64::from(qkv[(image * tokens + token) * 3 * width + which * width + head * head_width + column])
    };
    for image in 0..images {
        for head in 0..heads {
            for query in 0..tokens {
                let score = |key: usize| {
                    let products = (0..head_width).map(|column| at(image, query, 0, head, column) * at(image, key, 1, head, column));
                    (products.sum::<f64>() / (head_width as f64).sqrt()).exp()
                };
                let sum: f64 = (0..tokens).map(score).sum();
                for column in 0..head_width {
                    let expected: f64 = (0..tokens).map(|key| score(key) / sum * at(image, key, 2, head, column)).sum();
                    let got = machine.region(Region::Logits)[(image * tokens + query) * width + head * head_width + column];
                    assert!((got - expected).abs() < 1e-12, "image {image} head {head} query {query}: {got} is not {expected}");
                }
            }
        }
    }
}

fn refusal(width: usize, tokens: usize, heads: usize) -> String {
    let mut graph = Graph::new();
    let qkv = graph.leaf(Place::new(Region::Params, 0), [6, 3 * width]);
    let error = attention(&mut graph, qkv, tokens, heads).expect_err("it does not fit");
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    error.to_string()
}

#[test]
fn names_the_numbers_that_do_not_fit() {
    let heads = refusal(100, 3, 3);
    assert!(heads.contains("100") && heads.contains("3 heads") && heads.contains("try 1 or 2 or 4 or 5"), "{heads}");
    let wide = refusal(258, 3, 2);
    assert!(wide.contains("129") && wide.contains("128") && wide.contains("at least 3 heads"), "{wide}");
    let tokens = refusal(8, 4, 2);
    assert!(tokens.contains("6 rows") && tokens.contains("4 tokens"), "{tokens}");
}
