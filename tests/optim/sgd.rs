//! SGD with momentum.

use vitrine::graph::{Region, Scalars};
use vitrine::optim::sgd::Sgd;

use super::{DECAYED, FLAGGED, LEN, NORM, Runner, assert_close, widened};
use crate::support::{Case, Tensor, check_kernel};

const OP: Sgd = Sgd { len: LEN, decayed_len: DECAYED, momentum: 0.9 };

fn scalars(step: u64) -> Scalars {
    Scalars { lr: 0.1 / step as f32, weight_decay: 0.01, ..Default::default() }
}

#[test]
fn is_the_formula_step_after_step() {
    let mut runner = Runner::new(OP, &[(Region::Grads, LEN), (Region::Norm, 4), (Region::Params, LEN), (Region::Momentum, LEN)]);
    runner.set(Region::Params, &Tensor::normal(1, &[LEN]).data);
    let mut p = runner.get(Region::Params);
    let mut buffer: Vec<Option<f64>> = vec![None; LEN];
    for step in 1..=5 {
        let g = Tensor::normal(step + 10, &[LEN]).data;
        let now = scalars(step);
        runner.set(Region::Grads, &g);
        runner.set(Region::Norm, if step == 4 { &FLAGGED } else { &NORM });
        runner.step(now);
        for (ix, g) in widened(&g).into_iter().enumerate() {
            if step == 4 {
                continue;
            }
            let decay = if ix < DECAYED { f64::from(now.weight_decay) } else { 0.0 };
            let g = 0.25 * g + decay * p[ix];
            // PyTorch: the first buffer is the gradient itself.
            let next = buffer[ix].map_or(g, |buffer| 0.9 * buffer + g);
            buffer[ix] = Some(next);
            p[ix] -= f64::from(now.lr) * next;
        }
        assert_close(&runner.get(Region::Params), &p);
    }
}

#[test]
fn kernels_agree() {
    for norm in [NORM, FLAGGED] {
        let case = Case::new(vec![Tensor::normal(1, &[LEN]), Tensor::new(&[4], norm.to_vec())])
            .state(Tensor::normal(2, &[LEN]))
            .state(Tensor::normal(3, &[LEN]))
            .scalars(scalars(2));
        check_kernel(&case, |graph, leaves| {
            graph.push(OP, leaves)?;
            Ok(vec![])
        });
    }
}
