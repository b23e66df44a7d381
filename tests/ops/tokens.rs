//! Token sequences: adjoints, kernels, and where each token goes.

use vitrine::error::{Error, Result};
use vitrine::graph::{Graph, Place, Region, Value};
use vitrine::ops::tokens::{embed, take_first};

use crate::support::case::Setup;
use crate::support::origin::FromCpu64;
use crate::support::{Case, Tensor, check_adjoint_kernels, check_kernel, check_op};

/// One addition forward, a sum over at most 33 images backward.
const TOLERANCE: f64 = 2e-6;

fn case(images: usize, patches: usize, width: usize) -> Case {
    let sides = [vec![images, patches, width], vec![1, 1, width], vec![1, patches + 1, width]];
    Case::new((1..).zip(sides).map(|(seed, sides)| Tensor::normal(seed, &sides)).collect()).tolerance(TOLERANCE)
}

fn embedded(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    Ok(vec![embed(graph, leaves[0], leaves[1], leaves[2])?])
}

fn first(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    Ok(vec![take_first(graph, leaves[0])?])
}

#[test]
fn agree_at_ragged_sizes() {
    for (images, patches, width) in [(1, 1, 1), (2, 3, 5), (5, 7, 30)] {
        check_op(&case(images, patches, width), embedded);
        check_op(&case(images, patches, width), first);
    }
}

#[test]
fn agree_at_the_size_of_a_small_vit() {
    check_kernel(&case(33, 64, 64), embedded);
    check_adjoint_kernels(&case(33, 64, 64), embedded);
    check_adjoint_kernels(&case(33, 64, 64), first);
}

#[test]
fn the_class_token_stands_first() {
    let case = case(2, 3, 4);
    let [x, cls, pos] = [0, 1, 2].map(|input: usize| case.inputs[input].data.clone());
    let y = FromCpu64::run(&Setup::new(&case, &embedded));
    for image in 0..2 {
        for token in 0..4 {
            for column in 0..4 {
                let own = if token == 0 { cls[column] } else { x[(image * 3 + token - 1) * 4 + column] };
                let expected = f64::from(own) + f64::from(pos[token * 4 + column]);
                assert_eq!(y.result(0)[(image * 4 + token) * 4 + column], expected, "image {image}, token {token}, column {column}");
            }
        }
    }
    let taken = FromCpu64::run(&Setup::new(&case, &first));
    for image in 0..2 {
        let expected: Vec<f64> = x[image * 12..image * 12 + 4].iter().map(|value| f64::from(*value)).collect();
        assert_eq!(&taken.result(0)[image * 4..image * 4 + 4], &expected);
    }
}

#[test]
fn rejects_positions_for_another_number_of_tokens() {
    let mut graph = Graph::new();
    let leaf = |graph: &mut Graph, sides: [usize; 3]| graph.leaf(Place::new(Region::Params, 0), sides);
    let (x, cls, pos) = (leaf(&mut graph, [2, 64, 8]), leaf(&mut graph, [1, 1, 8]), leaf(&mut graph, [1, 50, 8]));
    let error = embed(&mut graph, x, cls, pos).expect_err("64 patches and a class token are not 50 tokens");
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(error.to_string().contains("[1, 50, 8]") && error.to_string().contains("[1, 65, 8]"), "{error}");
}
