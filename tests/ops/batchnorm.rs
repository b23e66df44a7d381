//! Batch normalisation: statistics by hand, adjoints, the folded ReLU, kernels in both tiers.

use vitrine::cpu::machine::CpuMachine;
use vitrine::error::{Error, Result};
use vitrine::graph::machine::Machine;
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Scalars, Value};
use vitrine::ops::activation::{Kind, activation};
use vitrine::ops::batchnorm::{EPS, Params, batchnorm, batchnorm_evaluate};

use crate::support::{Case, Tensor, check_gradient, check_kernel, check_op};

/// f32 moments of a few thousand rows, then a division by the deviation.
const TOLERANCE: f64 = 2e-5;

fn scalars(bn_momentum: f32) -> Scalars {
    Scalars { bn_momentum, ..Default::default() }
}

fn case(sides: &[usize]) -> Case {
    let width = sides[sides.len() - 1];
    let x = Tensor::normal(1, sides).map(|value| 2.0 * value + 0.5);
    Case::new(vec![x, Tensor::uniform(2, &[width], -1.5, 1.5), Tensor::normal(3, &[width])])
        .state(Tensor::normal(4, &[width]))
        .state(Tensor::uniform(5, &[width], 0.5, 2.0))
        .scalars(scalars(0.1))
        .tolerance(TOLERANCE)
}

fn params(leaves: &[Value]) -> Params {
    Params { gamma: leaves[1], beta: leaves[2], running_mean: leaves[3], running_var: leaves[4] }
}

fn normalised(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    Ok(vec![batchnorm(graph, leaves[0], params(leaves))?])
}

fn scaled_relu(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    let y = batchnorm(graph, leaves[0], params(leaves))?;
    Ok(vec![activation(graph, y, Kind::Relu)?])
}

fn evaluated(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    let y = batchnorm_evaluate(graph, leaves[0], params(leaves))?;
    let relu = activation(graph, y, Kind::Relu)?;
    let y = batchnorm_evaluate(graph, relu, params(leaves))?;
    Ok(vec![relu, y])
}

#[test]
fn agrees_at_ragged_sizes() {
    for sides in [[5, 1, 3], [3, 23, 5], [2, 300, 37]] {
        check_op(&case(&sides), normalised);
        check_op(&case(&sides), scaled_relu);
    }
}

#[test]
fn agrees_at_the_size_of_a_stem() {
    let sides = [4, 28, 28, 64];
    check_kernel(&case(&sides), normalised);
    check_kernel(&case(&sides), scaled_relu);
    check_kernel(&case(&sides), evaluated);
}

#[test]
fn a_mean_far_from_zero_costs_no_accuracy() {
    // The mean is 1000 deviations: sums of squares would lose six of seven digits. What is left is
    // the rounding of x itself, 2⁻¹⁴ of a deviation.
    let far = Tensor::normal(1, &[2000, 6]).map(|value| value + 1000.0);
    let mut case = case(&[2000, 6]).tolerance(1e-4);
    case.inputs[0] = far;
    check_kernel(&case, normalised);
    check_gradient(&case, normalised);
}

/// Runs training once in f64 on 4 × 2 values; the running mean, then the running variance.
fn running(x: &[f32; 8], momentum: f32) -> Vec<f64> {
    let mut graph = Graph::new();
    let x_leaf = graph.leaf(Place::new(Region::Images, 0), [4, 2]);
    let mut leaf = |region, offset| graph.leaf(Place::new(region, offset), [2]);
    let params = Params {
        gamma: leaf(Region::Params, 0),
        beta: leaf(Region::Params, 2),
        running_mean: leaf(Region::Stats, 0),
        running_var: leaf(Region::Stats, 2),
    };
    batchnorm(&mut graph, x_leaf, params).expect("the widths fit");
    let mut machine = CpuMachine::<f64>::new(&[(Region::Images, 8), (Region::Params, 4), (Region::Stats, 4)]);
    let plan = machine.load(Plan::new("check", &graph, &Layout::processor()).expect("a plan")).expect("it loads");
    machine.upload(Place::new(Region::Images, 0), x).expect("x fits");
    machine.upload(Place::new(Region::Stats, 0), &[10.0, 20.0, 1.0, 2.0]).expect("the statistics fit");
    machine.run(plan, &scalars(momentum)).expect("it runs");
    machine.region(Region::Stats).to_vec()
}

#[test]
fn moves_the_running_statistics_towards_the_unbiased_batch_statistics() {
    // Columns 1 2 3 6 and 0 0 0 8: means 3 and 2, unbiased variances 14/3 and 16.
    let x = [1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 6.0, 8.0];
    let expected = [10.0 + 0.5 * (3.0 - 10.0), 20.0 + 0.5 * (2.0 - 20.0), 1.0 + 0.5 * (14.0 / 3.0 - 1.0), 2.0 + 0.5 * (16.0 - 2.0)];
    for (got, expected) in running(&x, 0.5).iter().zip(expected) {
        assert!((got - expected).abs() < 1e-12, "{got} instead of {expected}");
    }
    assert_eq!(running(&x, 0.0), [10.0, 20.0, 1.0, 2.0], "momentum 0 leaves them alone");
}

#[test]
fn non_finite_batch_statistics_stay_out_of_the_running_ones() {
    let x = [1.0, 0.0, f32::NAN, 0.0, 3.0, 0.0, 6.0, 8.0];
    let got = running(&x, 0.5);
    assert_eq!((got[0], got[2]), (10.0, 1.0), "the column with the NaN");
    assert_eq!((got[1], got[3]), (11.0, 9.0), "the other column moves");
}

#[test]
fn evaluation_uses_the_running_statistics() {
    let mut case = case(&[3, 2]);
    case.inputs[0] = Tensor::new(&[1, 2], vec![4.0, -1.0]);
    check_kernel(&case, |graph, leaves| Ok(vec![batchnorm_evaluate(graph, leaves[0], params(leaves))?]));
    assert_eq!(EPS, 1e-5, "PyTorch's default");
}

#[test]
fn the_relu_costs_no_op_of_its_own() {
    let mut graph = Graph::new();
    let mut leaf = |region, offset, sides: [usize; 2]| graph.leaf(Place::new(region, offset), sides);
    let x = leaf(Region::Images, 0, [16, 4]);
    let d_y = leaf(Region::Targets, 0, [16, 4]);
    let [gamma, beta] = [0, 4].map(|offset| leaf(Region::Params, offset, [1, 4]));
    let [mean, var] = [0, 4].map(|offset| leaf(Region::Stats, offset, [1, 4]));
    let y = scaled_relu(&mut graph, &[x, gamma, beta, mean, var]).expect("the widths fit")[0];
    let mut d = Some(d_y);
    for node in graph.nodes.clone().iter().rev() {
        d = node.op.adjoint(&mut graph, node, &[d]).expect("both have a derivative")[0];
    }
    graph.store(y, Place::new(Region::Logits, 0));
    graph.store(d.expect("x has a gradient"), Place::new(Region::Grads, 0));
    let plan = Plan::new("check", &graph, &Layout::processor()).expect("a plan");
    let names: Vec<&str> = plan.steps.iter().map(|step| step.op.name()).collect();
    assert_eq!(names, ["batchnorm.forward", "batchnorm.backward"]);
}

#[test]
fn rejects_a_single_row_in_training() {
    let mut graph = Graph::new();
    let x = graph.leaf(Place::new(Region::Images, 0), [1, 4]);
    let vector = graph.leaf(Place::new(Region::Stats, 0), [4]);
    let params = Params { gamma: vector, beta: vector, running_mean: vector, running_var: vector };
    let error = batchnorm(&mut graph, x, params).expect_err("one value has no variance");
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    let wide = graph.leaf(Place::new(Region::Images, 0), [3, 5]);
    let error = batchnorm(&mut graph, wide, params).expect_err("widths differ");
    assert!(error.to_string().contains("[3, 5]"), "{error}");
}
