//! Running average.

use vitrine::graph::{Region, Scalars};
use vitrine::optim::ema::Ema;

use super::{LEN, Runner, assert_close, widened};
use crate::support::{Case, Tensor, check_kernel};

fn scalars() -> Scalars {
    Scalars { ema_decay: 0.9, ..Default::default() }
}

#[test]
fn is_the_formula_step_after_step() {
    let mut runner = Runner::new(Ema { len: LEN }, &[(Region::Params, LEN), (Region::Ema, LEN)]);
    let decay = f64::from(0.9f32);
    let mut mean = vec![0.0; LEN];
    for step in 0..4 {
        let p = Tensor::normal(step, &[LEN]).data;
        runner.set(Region::Params, &p);
        runner.step(scalars());
        mean.iter_mut().zip(widened(&p)).for_each(|(mean, p)| *mean = decay * *mean + (1.0 - decay) * p);
        // 1 − d is taken in f32, as on the devices.
        for (got, expected) in runner.get(Region::Ema).iter().zip(&mean) {
            assert!((got - expected).abs() < 1e-6, "{got} instead of {expected}");
        }
    }
    assert_close(&runner.get(Region::Params), &widened(&Tensor::normal(3, &[LEN]).data));
}

#[test]
fn kernels_agree() {
    let case = Case::new(vec![Tensor::normal(1, &[LEN])]).state(Tensor::normal(2, &[LEN])).scalars(scalars());
    check_kernel(&case, |graph, leaves| {
        graph.push(Ema { len: LEN }, leaves)?;
        Ok(vec![])
    });
}
