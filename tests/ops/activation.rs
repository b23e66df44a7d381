//! GELU and ReLU: adjoint, kernels, and their values where they are easily got wrong.

use vitrine::ops::activation::{Backward, Kind, activation};

use crate::support::case::Setup;
use crate::support::origin::FromCpu64;
use crate::support::{Case, Tensor, check_adjoint_kernels, check_kernel, check_op};

/// erf to 2e-7, times x of up to 3 in the forward pass and φ(x)'s exponential in the backward pass.
const TOLERANCE: f64 = 2e-6;

#[test]
fn agree_at_ragged_sizes() {
    for len in [1, 63, 64, 1001] {
        for kind in [Kind::Gelu, Kind::Relu] {
            // Away from ReLU's kink, where it has no derivative to compare with.
            let x = Tensor::normal(len as u64, &[len]).map(|value| 1.5 * value + 0.01_f32.copysign(value));
            let case = Case::new(vec![x]).tolerance(TOLERANCE);
            check_op(&case, |graph, leaves| Ok(vec![activation(graph, leaves[0], kind)?]));
        }
    }
}

#[test]
fn large_arguments_saturate() {
    // Here exp(−x²/2) underflows and erf is 1 or −1.
    let x = Tensor::new(&[8], vec![-1e15, -300.0, -40.0, -6.0, 0.0, 6.0, 12.0, 20.0]);
    for kind in [Kind::Gelu, Kind::Relu] {
        let case = Case::new(vec![x.clone()]).tolerance(TOLERANCE);
        check_kernel(&case, |graph, leaves| Ok(vec![activation(graph, leaves[0], kind)?]));
        check_adjoint_kernels(&case, |graph, leaves| Ok(vec![activation(graph, leaves[0], kind)?]));
    }
}

#[test]
fn gelu_and_its_slope_come_from_one_pass() {
    for len in [1, 63, 64, 40_001] {
        let [d_y, x] = [1, 2].map(|seed| Tensor::normal(seed + len as u64, &[len]));
        let case = Case::new(vec![d_y, x]).tolerance(TOLERANCE);
        check_kernel(&case, |graph, leaves| graph.push(Backward { len, kind: Kind::Gelu, again: true }, leaves));
    }
}

#[test]
fn gelu_is_the_exact_one() {
    // x·Φ(x) from tables of the normal distribution; the tanh approximation is 1.5e-4 off at 1.
    let (x, expected) = ([1.0, 2.0, -1.0], [0.841_344_746, 1.954_499_736, -0.158_655_254]);
    let case = Case::new(vec![Tensor::new(&[3], x.to_vec())]);
    let setup = Setup::new(&case, &|graph, leaves| Ok(vec![activation(graph, leaves[0], Kind::Gelu)?]));
    for (got, expected) in FromCpu64::run(&setup).result(0).iter().zip(expected) {
        assert!((got - expected).abs() < 1e-9, "{got} is not {expected}");
    }
}
