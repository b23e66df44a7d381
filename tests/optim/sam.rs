//! Sharpness-aware minimisation.

use vitrine::graph::{Region, Scalars};
use vitrine::optim::sam::{Ascend, Restore};

use super::{FLAGGED, LEN, NORM, Runner, assert_close, widened};
use crate::support::{Case, Tensor, check_kernel};

fn scalars() -> Scalars {
    Scalars { sam_rho: 0.05, ..Default::default() }
}

#[test]
fn goes_up_the_slope_and_comes_back_to_the_bit() {
    for adaptive in [false, true] {
        let mut ascend = Runner::new(
            Ascend { len: LEN, adaptive },
            &[(Region::Grads, LEN), (Region::Norm, 4), (Region::Params, LEN), (Region::Backup, LEN)],
        );
        let (g, p) = (Tensor::normal(1, &[LEN]).data, Tensor::normal(2, &[LEN]).data);
        ascend.set(Region::Grads, &g);
        ascend.set(Region::Norm, &NORM);
        ascend.set(Region::Params, &p);
        ascend.step(scalars());
        let factor = f64::from(0.05f32) / (5.0 + 1e-12);
        let weight = |p: f64| if adaptive { p * p } else { 1.0 };
        let expected: Vec<f64> = widened(&p).iter().zip(widened(&g)).map(|(p, g)| p + factor * weight(*p) * g).collect();
        assert_close(&ascend.get(Region::Params), &expected);
        assert_eq!(ascend.get(Region::Backup), widened(&p));

        let mut restore = Runner::new(Restore { len: LEN }, &[(Region::Backup, LEN), (Region::Params, LEN)]);
        restore.set(Region::Backup, &p);
        restore.step(scalars());
        assert_eq!(restore.get(Region::Params), widened(&p));
    }
}

#[test]
fn stays_where_it_is_when_a_gradient_is_not_finite() {
    let mut ascend = Runner::new(
        Ascend { len: LEN, adaptive: false },
        &[(Region::Grads, LEN), (Region::Norm, 4), (Region::Params, LEN), (Region::Backup, LEN)],
    );
    let p = Tensor::normal(2, &[LEN]).data;
    ascend.set(Region::Grads, &[f32::INFINITY; LEN]);
    ascend.set(Region::Norm, &FLAGGED);
    ascend.set(Region::Params, &p);
    ascend.step(scalars());
    assert_eq!(ascend.get(Region::Params), widened(&p));
    assert_eq!(ascend.get(Region::Backup), widened(&p), "what is restored later must be saved in any case");
}

#[test]
fn kernels_agree() {
    for (norm, adaptive) in [(NORM, false), (NORM, true), (FLAGGED, false)] {
        let case = Case::new(vec![Tensor::normal(1, &[LEN]), Tensor::new(&[4], norm.to_vec())])
            .state(Tensor::normal(2, &[LEN]))
            .state(Tensor::normal(3, &[LEN]))
            .scalars(scalars());
        check_kernel(&case, |graph, leaves| {
            graph.push(Ascend { len: LEN, adaptive }, leaves)?;
            Ok(vec![])
        });
    }
    let case = Case::new(vec![Tensor::normal(1, &[LEN])]).state(Tensor::normal(2, &[LEN]));
    check_kernel(&case, |graph, leaves| {
        graph.push(Restore { len: LEN }, leaves)?;
        Ok(vec![])
    });
}
