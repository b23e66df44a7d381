//! Drop-path: adjoint, kernel with the same draws as the definition, and the draws themselves.

use vitrine::graph::{Graph, Scalars, Value};
use vitrine::ops::drop_path::{DropPath, drop_path};

use crate::support::case::Setup;
use crate::support::origin::FromCpu64;
use crate::support::{Case, Tensor, check_op};

const DROP_FRAC: f64 = 0.3;

/// One product: 1e-6 is several ulp, and a single wrong draw is off by the whole value.
fn case(samples: usize, sample_len: usize, scalars: Scalars) -> Case {
    Case::new(vec![Tensor::normal(1, &[samples, 1, sample_len])]).scalars(scalars).tolerance(1e-6)
}

fn scalars(seed: u32, step: u32, draw: u32) -> Scalars {
    Scalars { seed, step, draw, ..Default::default() }
}

fn dropped(branch_ix: u32) -> impl Fn(&mut Graph, &[Value]) -> vitrine::error::Result<Vec<Value>> {
    move |graph, leaves| Ok(vec![drop_path(graph, leaves[0], DROP_FRAC, branch_ix)?])
}

#[test]
fn agrees_at_every_counter() {
    for (seed, step, draw, branch_ix) in [(0, 0, 0, 0), (0x9E37_79B9, 70_000, 3, 23), (u32::MAX, u32::MAX, 255, 4095)] {
        check_op(&case(37, 5, scalars(seed, step, draw)), dropped(branch_ix));
    }
    check_op(&case(130, 64, scalars(7, 1, 0)), dropped(2));
}

fn factors(branch_ix: u32, scalars: &Scalars) -> Vec<f64> {
    let op = DropPath { batch: 4096, sample_len: 1, drop_frac: DROP_FRAC, branch_ix };
    (0..4096).map(|sample| op.factor(scalars, sample)).collect()
}

#[test]
fn drops_the_given_fraction_and_keeps_the_mean() {
    let factors = factors(5, &scalars(1, 2, 0));
    let num_dropped = factors.iter().filter(|factor| **factor == 0.0).count();
    // Binomial: a deviation of 0.0072, so 0.03 is four of them.
    assert!((num_dropped as f64 / 4096.0 - DROP_FRAC).abs() < 0.03, "{num_dropped} of 4096");
    assert!(factors.iter().all(|factor| *factor == 0.0 || *factor == 1.0 / (1.0 - DROP_FRAC)));
}

#[test]
fn every_counter_has_draws_of_its_own() {
    let start = factors(5, &scalars(1, 2, 0));
    let others =
        [factors(6, &scalars(1, 2, 0)), factors(5, &scalars(2, 2, 0)), factors(5, &scalars(1, 3, 0)), factors(5, &scalars(1, 2, 1))];
    for (ix, other) in others.iter().enumerate() {
        let equal = start.iter().zip(other).filter(|(a, b)| a == b).count();
        // Independent draws agree in 0.7² + 0.3² = 58 % of the samples, give or take 0.8 %.
        assert!((equal as f64 / 4096.0 - 0.58).abs() < 0.04, "other {ix}: {equal} of 4096 draws are equal");
    }
    assert_eq!(start, factors(5, &scalars(1, 2, 0)));
}

#[test]
fn a_sample_is_kept_or_dropped_as_a_whole() {
    let case = case(64, 9, scalars(3, 1, 0));
    let y = FromCpu64::run(&Setup::new(&case, &dropped(1)));
    for (x, y) in case.inputs[0].data.chunks(9).zip(y.result(0).chunks(9)) {
        let num_zero = y.iter().filter(|value| **value == 0.0).count();
        assert!(num_zero == 0 || num_zero == 9, "{y:?} from {x:?}");
    }
}
