//! The loss scale of mixed precision.

use vitrine::graph::place::SLOT_LEN;
use vitrine::graph::{Region, Scalars};
use vitrine::optim::loss_scale::{LEAST, MOST, OVERFLOW, SCALE_LEN, Unscale, Update};

use super::{LEN, Runner, assert_close, widened};
use crate::support::{Case, Tensor, check_kernel};

fn runner(every: usize, scale: f32) -> Runner {
    let regions = [(Region::Norm, 4), (Region::LossScale, SCALE_LEN), (Region::Ring, 2 * SLOT_LEN)];
    let mut runner = Runner::new(Update { every }, &regions);
    runner.set(Region::LossScale, &[scale, 0.0, 0.0, 0.0]);
    runner
}

/// A step with this flag; the scale after it.
fn step(runner: &mut Runner, flag: f32) -> f64 {
    runner.set(Region::Norm, &[1.0, 1.0, flag, 0.0]);
    runner.step(Scalars { ring_slot: 1, report: 1, ..Default::default() });
    runner.get(Region::LossScale)[0]
}

#[test]
fn doubles_after_enough_good_steps_and_halves_on_overflow() {
    let mut runner = runner(3, 8.0);
    let scales: Vec<f64> = [0.0, 0.0, 0.0, 0.0, OVERFLOW, 0.0, 0.0, 0.0].map(|flag| step(&mut runner, flag)).to_vec();
    assert_eq!(scales, [8.0, 8.0, 16.0, 16.0, 8.0, 8.0, 8.0, 16.0]);
    assert_eq!(runner.get(Region::LossScale)[1..3], [0.0, 1.0], "good steps in a row, skipped steps in all");
}

#[test]
fn says_in_the_ring_what_a_step_had_and_that_it_was_skipped() {
    let mut runner = runner(10, 64.0);
    step(&mut runner, OVERFLOW);
    let ring = runner.get(Region::Ring);
    assert_eq!(ring[SLOT_LEN + 7..SLOT_LEN + 9], [f64::from(OVERFLOW), 64.0]);
    step(&mut runner, 0.0);
    assert_eq!(runner.get(Region::Ring)[SLOT_LEN + 8], 32.0);
    assert_eq!(runner.get(Region::Ring)[..SLOT_LEN], [0.0; SLOT_LEN], "another slot");
}

#[test]
fn keeps_within_its_bounds() {
    let mut low = runner(1, LEAST);
    assert_eq!(step(&mut low, OVERFLOW), f64::from(LEAST));
    let mut high = runner(1, MOST);
    assert_eq!(step(&mut high, 0.0), f64::from(MOST));
}

#[test]
fn a_crash_is_no_overflow() {
    let mut runner = runner(1, 64.0);
    assert_eq!(step(&mut runner, 1.0), 64.0);
    assert_eq!(runner.get(Region::LossScale)[1..], [0.0; 3]);
}

#[test]
fn unscaling_divides() {
    let mut runner = Runner::new(Unscale { len: LEN }, &[(Region::LossScale, SCALE_LEN), (Region::Grads, LEN)]);
    let g = Tensor::normal(1, &[LEN]).data;
    runner.set(Region::Grads, &g);
    runner.set(Region::LossScale, &[1024.0, 0.0, 0.0, 0.0]);
    runner.step(Scalars::default());
    let expected: Vec<f64> = widened(&g).iter().map(|g| g / 1024.0).collect();
    assert_close(&runner.get(Region::Grads), &expected);
}

#[test]
fn kernels_agree() {
    let unscale = Case::new(vec![Tensor::new(&[SCALE_LEN], vec![256.0, 0.0, 0.0, 0.0])]).state(Tensor::normal(1, &[LEN]));
    check_kernel(&unscale, |graph, leaves| {
        graph.push(Unscale { len: LEN }, leaves)?;
        Ok(vec![])
    });
    let scalars = Scalars { ring_slot: 1, ..Default::default() };
    for (flag, good) in [(0.0, 2.0), (0.0, 6.0), (OVERFLOW, 3.0), (1.0, 3.0)] {
        let case = Case::new(vec![Tensor::new(&[4], vec![5.0, 1.0, flag, 0.0])])
            .state(Tensor::new(&[SCALE_LEN], vec![256.0, good, 2.0, 0.0]))
            .state(Tensor::normal(3, &[2 * SLOT_LEN]))
            .scalars(scalars);
        check_kernel(&case, |graph, leaves| {
            graph.push(Update { every: 7 }, leaves)?;
            Ok(vec![])
        });
    }
}
