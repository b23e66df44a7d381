//! Cross-entropy: its built-in seed, kernels in both tiers, and losses known by hand.

use vitrine::cpu::machine::CpuMachine;
use vitrine::error::{Error, Result};
use vitrine::graph::adjoint::differentiate;
use vitrine::graph::machine::Machine;
use vitrine::graph::{Graph, Place, Region, Scalars, Value};
use vitrine::ops::cross_entropy::cross_entropy;
use vitrine::ops::elementwise::add;

use crate::support::case::Setup;
use crate::support::origin::FromCpu64;
use crate::support::{Case, Tensor, check_kernel};

/// exp and log of a few units, and a sum over the classes: some tens of ulp.
const TOLERANCE: f64 = 1e-5;

/// Soft targets whose rows do not sum to one, so that their mass matters.
fn case(rows: usize, classes: usize, valid: usize) -> Case {
    let logits = Tensor::normal(1, &[rows, classes]).map(|value| 3.0 * value);
    let scalars = Scalars { loss_scale: 0.25, valid: valid as f32, ..Default::default() };
    Case::new(vec![logits, Tensor::uniform(2, &[rows, classes], 0.0, 0.4)]).scalars(scalars).tolerance(TOLERANCE)
}

fn loss(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    Ok(vec![cross_entropy(graph, leaves[0], leaves[1], None)?])
}

fn d_logits(graph: &mut Graph, leaves: &[Value]) -> Result<Vec<Value>> {
    let loss = cross_entropy(graph, leaves[0], leaves[1], None)?;
    Ok(differentiate(graph, loss, &leaves[..1], add)?.into_iter().flatten().collect())
}

#[test]
fn kernels_agree() {
    for (rows, classes) in [(1, 1), (3, 5), (70, 10), (33, 1000)] {
        check_kernel(&case(rows, classes, rows), loss);
        check_kernel(&case(rows, classes, rows), d_logits);
    }
}

#[test]
fn padding_rows_have_no_loss() {
    check_kernel(&case(9, 10, 6), loss);
    let losses = FromCpu64::run(&Setup::new(&case(9, 10, 6), &loss));
    assert!(losses.result(0)[..6].iter().all(|loss| *loss > 0.0), "{:?}", losses.result(0));
    assert_eq!(&losses.result(0)[6..], &[0.0; 3]);
}

/// Mean loss with one logit moved, in f64.
fn mean_loss(case: &Case, moved: usize, step: f64) -> f64 {
    let setup = Setup::new(case, &loss);
    let mut machine = CpuMachine::<f64>::new(&setup.region_lens);
    let plan = setup.load(&mut machine).expect("the plan loads");
    setup.set(&mut machine).expect("the inputs fit");
    machine.region_mut(Region::Params)[setup.leaf_place(0).offset + moved] += step;
    machine.run(plan, &case.scalars).expect("the definition runs");
    let (place, rows) = setup.results[0];
    machine.region(place.region)[place.offset..place.offset + rows].iter().sum::<f64>() / rows as f64
}

#[test]
fn the_seed_is_the_scaled_gradient_of_the_mean() {
    let case = case(4, 7, 4);
    let adjoint = FromCpu64::run(&Setup::new(&case, &d_logits));
    for (moved, d) in adjoint.result(0).iter().enumerate() {
        // Truncation of 1e-8 and rounding of 1e-16/1e-4.
        let difference = (mean_loss(&case, moved, 1e-4) - mean_loss(&case, moved, -1e-4)) / 2e-4;
        let expected = difference * f64::from(case.scalars.loss_scale);
        assert!((d - expected).abs() < 1e-8, "logit {moved}: {d} is not {expected}");
    }
}

#[test]
fn uniform_logits_lose_ln_k() {
    let one_hot = Tensor::new(&[2, 10], (0..20).map(|ix| if ix % 11 == 0 { 1.0 } else { 0.0 }).collect());
    let case = Case { inputs: vec![Tensor::new(&[2, 10], vec![2.5; 20]), one_hot], ..case(2, 10, 2) };
    let losses = FromCpu64::run(&Setup::new(&case, &loss));
    for loss in losses.result(0) {
        assert!((loss - 10f64.ln()).abs() < 1e-12, "{loss}");
    }
}

#[test]
fn large_logits_do_not_overflow() {
    let mut case = case(5, 10, 5);
    case.inputs[0] = Tensor::normal(3, &[5, 10]).map(|value| 1e4 * value);
    check_kernel(&case, loss);
    check_kernel(&case, d_logits);
}

#[test]
fn rejects_targets_of_another_shape() {
    let mut graph = Graph::new();
    let logits = graph.leaf(Place::new(Region::Logits, 0), [4, 10]);
    let targets = graph.leaf(Place::new(Region::Targets, 0), [4, 9]);
    let error = cross_entropy(&mut graph, logits, targets, None).expect_err("shapes differ");
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert!(error.to_string().contains("[4, 10]") && error.to_string().contains("[4, 9]"), "{error}");
}
