//! Differentiation of graphs of several ops, against central differences in f64.

use vitrine::error::Result;
use vitrine::graph::adjoint::differentiate;
use vitrine::graph::fuse::fuse;
use vitrine::graph::{Graph, Place, Region, Value};
use vitrine::ops::activation::{Kind, activation};
use vitrine::ops::cross_entropy::cross_entropy;
use vitrine::ops::elementwise::add;
use vitrine::ops::layernorm::layernorm;
use vitrine::ops::matmul::{Form, linear, matmul};

use crate::support::{Case, Tensor, check_gradient};

/// Norm, two linear layers around a GELU, and a path around them: a feed-forward block.
fn block(graph: &mut Graph, leaves: &[Value]) -> Result<Value> {
    let [x, gamma, beta, w1, b1, w2, b2] = leaves else { panic!("seven leaves") };
    let normed = layernorm(graph, *x, *gamma, *beta, 1e-6)?;
    let wide = linear(graph, normed, *w1, Some(*b1))?;
    let active = activation(graph, wide, Kind::Gelu)?;
    let narrow = linear(graph, active, *w2, Some(*b2))?;
    add(graph, *x, narrow)
}

fn block_case() -> Case {
    let sides: [&[usize]; 7] = [&[6, 5], &[5], &[5], &[9, 5], &[9], &[5, 9], &[5]];
    Case::new(sides.iter().enumerate().map(|(ix, sides)| Tensor::normal(ix as u64, sides).map(|value| 0.5 * value)).collect())
}

#[test]
fn a_feed_forward_block() {
    check_gradient(&block_case(), |graph, leaves| Ok(vec![block(graph, leaves)?]));
}

#[test]
fn shared_weights_sum_their_gradients() {
    // The same block twice in a row: every parameter is reached along two paths.
    check_gradient(&block_case(), |graph, leaves| {
        let mut leaves = leaves.to_vec();
        leaves[0] = block(graph, &leaves)?;
        Ok(vec![block(graph, &leaves)?])
    });
}

#[test]
fn a_product_of_a_value_with_itself() {
    let case = Case::new(vec![Tensor::normal(1, &[4, 7])]);
    check_gradient(&case, |graph, leaves| Ok(vec![matmul(graph, Form::Nt, leaves[0], leaves[0])?]));
}

#[test]
fn several_outputs_add_up() {
    let case = Case::new(vec![Tensor::normal(1, &[4, 6]), Tensor::normal(2, &[5, 6])]);
    check_gradient(&case, |graph, leaves| {
        let y = matmul(graph, Form::Nt, leaves[0], leaves[1])?;
        Ok(vec![y, activation(graph, y, Kind::Gelu)?])
    });
}

/// The loss of a linear layer on images.
struct Classifier {
    images: Value,
    weight: Value,
    unused: Value,
    loss: Value,
}

fn classifier(graph: &mut Graph) -> Classifier {
    let mut leaf = |region, sides: [usize; 2]| graph.leaf(Place::new(region, 0), sides);
    let (images, targets) = (leaf(Region::Images, [8, 12]), leaf(Region::Targets, [8, 3]));
    let (weight, unused) = (leaf(Region::Params, [3, 12]), leaf(Region::Ema, [3, 12]));
    let logits = matmul(graph, Form::Nt, images, weight).expect("shapes fit");
    let loss = cross_entropy(graph, logits, targets, None).expect("shapes fit");
    Classifier { images, weight, unused, loss }
}

#[test]
fn a_leaf_the_loss_does_not_depend_on_has_no_gradient() {
    let mut graph = Graph::new();
    let Classifier { weight, unused, loss, .. } = classifier(&mut graph);
    let gradients = differentiate(&mut graph, loss, &[weight, unused], add).expect("differentiable");
    assert!(gradients[0].is_some() && gradients[1].is_none(), "{gradients:?}");
}

#[test]
fn gradients_nobody_asked_for_cost_nothing() {
    let num_products = |of_images: bool| {
        let mut graph = Graph::new();
        let Classifier { images, weight, loss, .. } = classifier(&mut graph);
        let wrt = if of_images { vec![weight, images] } else { vec![weight] };
        let gradients = differentiate(&mut graph, loss, &wrt, add).expect("differentiable");
        for (ix, gradient) in gradients.into_iter().flatten().enumerate() {
            graph.store(gradient, Place::new(Region::Grads, ix * 128));
        }
        graph.store(loss, Place::new(Region::Logits, 0));
        fuse(&graph).nodes.iter().filter(|node| node.op.name().starts_with("matmul")).count()
    };
    assert_eq!((num_products(false), num_products(true)), (2, 3));
}

#[test]
fn nodes_of_the_backward_pass_say_what_they_belong_to() {
    let mut graph = Graph::new();
    let Classifier { weight, loss, .. } = graph.scoped("model", classifier);
    let forward_len = graph.nodes.len();
    differentiate(&mut graph, loss, &[weight], add).expect("differentiable");
    assert!(graph.nodes.len() > forward_len);
    assert!(graph.nodes[forward_len..].iter().all(|node| node.label == "model'"), "{:?}", graph.nodes.last());
}
