//! Gradients of micro-batches.

use vitrine::graph::{Region, Scalars};
use vitrine::optim::accumulate::Accumulate;

use super::{LEN, Runner, assert_close, widened};
use crate::support::{Case, Tensor, check_kernel};

fn scalars(micro: u32) -> Scalars {
    Scalars { micro, ..Default::default() }
}

#[test]
fn the_first_micro_batch_clears_and_the_others_add() {
    let mut runner = Runner::new(Accumulate { len: LEN }, &[(Region::MicroGrads, LEN), (Region::Grads, LEN)]);
    runner.set(Region::Grads, &[f32::NAN; LEN]);
    let mut total = vec![0.0; LEN];
    for micro in 0..3 {
        let part = Tensor::normal(u64::from(micro), &[LEN]).data;
        runner.set(Region::MicroGrads, &part);
        runner.step(scalars(micro));
        total.iter_mut().zip(widened(&part)).for_each(|(total, part)| *total += part);
        assert_close(&runner.get(Region::Grads), &total);
    }
}

#[test]
fn kernels_agree() {
    for micro in [0, 1] {
        let case = Case::new(vec![Tensor::normal(1, &[LEN])]).state(Tensor::normal(2, &[LEN])).scalars(scalars(micro));
        check_kernel(&case, |graph, leaves| {
            graph.push(Accumulate { len: LEN }, leaves)?;
            Ok(vec![])
        });
    }
}
