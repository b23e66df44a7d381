//! AdamW.

use vitrine::graph::{Region, Scalars};
use vitrine::optim::adamw::AdamW;

use super::{DECAYED, FLAGGED, LEN, NORM, Runner, assert_close, widened};
use crate::support::{Case, Tensor, check_kernel};

const OP: AdamW = AdamW { len: LEN, decayed_len: DECAYED, betas: [0.9, 0.999], eps: 1e-8 };

fn scalars(step: i32) -> Scalars {
    Scalars {
        lr: 0.01 / step as f32,
        weight_decay: 0.05,
        bias_correction1: (1.0 - 0.9f64.powi(step)) as f32,
        bias_correction2: (1.0 - 0.999f64.powi(step)) as f32,
        ..Default::default()
    }
}

fn runner() -> Runner {
    let mut runner = Runner::new(
        OP,
        &[(Region::Grads, LEN), (Region::Norm, 4), (Region::Params, LEN), (Region::Momentum, LEN), (Region::Variance, LEN)],
    );
    runner.set(Region::Params, &Tensor::normal(1, &[LEN]).data);
    runner
}

#[test]
fn is_the_formula_step_after_step() {
    let mut runner = runner();
    let mut p = runner.get(Region::Params);
    let (mut m, mut v) = (vec![0.0; LEN], vec![0.0; LEN]);
    for step in 1..=6 {
        let g = Tensor::normal(step as u64 + 10, &[LEN]).data;
        let now = scalars(step);
        runner.set(Region::Grads, &g);
        runner.set(Region::Norm, &NORM);
        runner.step(now);
        let (lr, decay) = (f64::from(now.lr), f64::from(now.weight_decay));
        for (ix, g) in widened(&g).into_iter().enumerate() {
            let g = 0.25 * g;
            if ix < DECAYED {
                p[ix] *= 1.0 - lr * decay;
            }
            m[ix] = 0.9 * m[ix] + 0.1 * g;
            v[ix] = 0.999 * v[ix] + 0.001 * g * g;
            let m_hat = m[ix] / f64::from(now.bias_correction1);
            let v_hat: f64 = v[ix] / f64::from(now.bias_correction2);
            p[ix] -= lr * m_hat / (v_hat.sqrt() + 1e-8);
        }
        assert_close(&runner.get(Region::Params), &p);
        assert_close(&runner.get(Region::Momentum), &m);
        assert_close(&runner.get(Region::Variance), &v);
    }
}

#[test]
fn a_flagged_step_changes_nothing() {
    let mut runner = runner();
    let mut g = Tensor::normal(2, &[LEN]).data;
    runner.set(Region::Grads, &g);
    runner.set(Region::Norm, &NORM);
    runner.step(scalars(1));
    let before = [Region::Params, Region::Momentum, Region::Variance].map(|region| runner.get(region));
    g[7] = f32::NAN;
    runner.set(Region::Grads, &g);
    runner.set(Region::Norm, &FLAGGED);
    runner.step(scalars(2));
    assert_eq!(before, [Region::Params, Region::Momentum, Region::Variance].map(|region| runner.get(region)));
}

#[test]
fn kernels_agree() {
    for norm in [NORM, FLAGGED] {
        let case = Case::new(vec![Tensor::normal(1, &[LEN]), Tensor::new(&[4], norm.to_vec())])
            .state(Tensor::normal(2, &[LEN]))
            .state(Tensor::normal(3, &[LEN]))
            .state(Tensor::uniform(4, &[LEN], 0.1, 2.0))
            .scalars(scalars(3));
        check_kernel(&case, |graph, leaves| {
            graph.push(OP, leaves)?;
            Ok(vec![])
        });
    }
}
