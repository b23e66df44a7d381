//! Global gradient norm, clip factor, non-finite flag.

use vitrine::gpu::GpuMachine;
use vitrine::graph::launch::Tier;
use vitrine::graph::machine::Machine;
use vitrine::graph::place::SLOT_LEN;
use vitrine::graph::plan::Plan;
use vitrine::graph::{Graph, Place, Region, Scalars};
use vitrine::optim::norm::Norm;
use vitrine::platform::Wait as _;

use super::{LEN, Runner, assert_close};
use crate::support::adapter::adapter;
use crate::support::{Case, Tensor, check_kernel};

fn scalars(clip_norm: f32, report: u32) -> Scalars {
    Scalars { clip_norm, report, ring_slot: 1, ..Default::default() }
}

fn runner(len: usize, adaptive: bool) -> Runner {
    Runner::new(
        Norm { len, adaptive, halts: false, scaled: false },
        &[(Region::Grads, len), (Region::Params, len), (Region::Norm, 4), (Region::Ring, 3 * SLOT_LEN)],
    )
}

#[test]
fn measures_clips_and_reports() {
    let mut runner = runner(2, false);
    runner.set(Region::Grads, &[3.0, -4.0]);
    runner.step(scalars(0.0, 0));
    assert_close(&runner.get(Region::Norm), &[5.0, 1.0, 0.0, 0.0]);
    assert_eq!(runner.get(Region::Ring), vec![0.0; 3 * SLOT_LEN], "a pass that does not report");
    runner.step(scalars(2.0, 1));
    assert_close(&runner.get(Region::Norm), &[5.0, 2.0 / (5.0 + 1e-6), 0.0, 0.0]);
    let mut ring = vec![0.0; 3 * SLOT_LEN];
    ring[SLOT_LEN + 6] = 5.0;
    assert_close(&runner.get(Region::Ring), &ring);
    runner.step(scalars(50.0, 1));
    assert_close(&runner.get(Region::Norm)[..2], &[5.0, 1.0]);
}

#[test]
fn asam_weighs_by_the_parameters() {
    let mut runner = runner(2, true);
    runner.set(Region::Grads, &[3.0, 2.0]);
    runner.set(Region::Params, &[-1.0, 2.0]);
    runner.step(scalars(0.0, 0));
    assert_close(&runner.get(Region::Norm)[..1], &[5.0]);
}

#[test]
fn asam_reports_the_norm_of_the_gradients_themselves() {
    let mut runner = runner(2, true);
    runner.set(Region::Grads, &[3.0, -4.0]);
    runner.set(Region::Params, &[0.125, 0.0]);
    runner.step(scalars(0.0, 1));
    assert_close(&runner.get(Region::Norm)[..1], &[0.375]);
    assert_close(&runner.get(Region::Ring)[SLOT_LEN + 6..][..1], &[5.0]);
}

#[test]
fn any_non_finite_gradient_raises_the_flag_and_the_sticky_flag_stays() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 63, LEN - 1] {
            let mut runner = runner(LEN, false);
            let mut g = Tensor::normal(1, &[LEN]).data;
            let finite = g.clone();
            g[place] = bad;
            runner.set(Region::Grads, &g);
            runner.step(scalars(1.0, 1));
            assert_eq!(runner.get(Region::Norm)[2..], [1.0, 1.0], "{bad} at {place}");
            assert_eq!(runner.get(Region::Ring)[SLOT_LEN + 7], 1.0);
            runner.set(Region::Grads, &finite);
            runner.step(scalars(1.0, 1));
            assert_eq!(runner.get(Region::Norm)[2..], [0.0, 1.0]);
            assert_eq!(runner.get(Region::Ring)[SLOT_LEN + 7], 0.0);
        }
    }
}

#[test]
fn a_run_that_halts_keeps_the_flag_up() {
    let regions = [(Region::Grads, 2), (Region::Params, 2), (Region::Norm, 4), (Region::Ring, 3 * SLOT_LEN)];
    let mut runner = Runner::new(Norm { len: 2, adaptive: false, halts: true, scaled: false }, &regions);
    for (gradient, flags, reported) in [(1.0, [0.0, 0.0], 0.0), (f32::NAN, [1.0, 1.0], 1.0), (1.0, [1.0, 1.0], 0.0)] {
        runner.set(Region::Grads, &[gradient, 2.0]);
        runner.step(scalars(1.0, 1));
        assert_eq!(runner.get(Region::Norm)[2..], flags, "{gradient}");
        assert_eq!(runner.get(Region::Ring)[SLOT_LEN + 7], reported, "{gradient}");
    }
}

#[test]
fn kernels_agree() {
    // Lengths within one chunk, over several chunks, and over several folds of chunks.
    for (len, adaptive, halts, clip) in [(LEN, false, true, 1.0), (5000, true, false, 0.0), (70_001, false, false, 3.0)] {
        let case = Case::new(vec![Tensor::normal(1, &[len]), Tensor::normal(2, &[len])])
            .state(Tensor::new(&[4], vec![7.0, 7.0, 7.0, 1.0]))
            .state(Tensor::normal(3, &[3 * SLOT_LEN]))
            .scalars(scalars(clip, 1));
        check_kernel(&case, |graph, leaves| {
            graph.push(Norm { len, adaptive, halts, scaled: false }, leaves)?;
            Ok(vec![])
        });
    }
}

#[test]
fn kernels_see_non_finite_gradients() {
    let Some(gpu) = adapter() else { return };
    let regions = [(Region::Grads, LEN), (Region::Params, LEN), (Region::Norm, 4), (Region::Ring, 3 * SLOT_LEN)];
    for tier in [Tier::Plain, Tier::Tiled] {
        let mut machine = GpuMachine::new(&gpu, &regions, Some(tier)).expect("a machine");
        let mut graph = Graph::new();
        let leaves: Vec<_> = regions.iter().map(|(region, len)| graph.leaf(Place::new(*region, 0), [*len])).collect();
        graph.push(Norm { len: LEN, adaptive: false, halts: false, scaled: false }, &leaves).expect("the lengths fit");
        let plan = machine.load(Plan::new("check", &graph, &machine.layout()).expect("a plan")).expect("it loads");
        // The largest finite number is not one of them, though its square overflows.
        for (bad, flag) in [(f32::NAN, 1.0), (f32::INFINITY, 1.0), (f32::NEG_INFINITY, 1.0), (f32::MAX, 0.0)] {
            let mut gradients = Tensor::normal(1, &[LEN]).data;
            gradients[100] = bad;
            machine.upload(Place::new(Region::Grads, 0), &gradients).expect("the gradients fit");
            machine.upload(Place::new(Region::Norm, 0), &[0.0; 4]).expect("the norm fits");
            machine.run(plan, &scalars(0.0, 1)).expect("it runs");
            let norm = machine.download(Place::new(Region::Norm, 0), 4).wait().expect("the norm can be read");
            assert_eq!(norm[2..], [flag, flag], "{bad}");
            let ring = machine.download(Place::new(Region::Ring, 0), 3 * SLOT_LEN).wait().expect("the ring can be read");
            assert_eq!(ring[SLOT_LEN + 7], flag, "{bad}");
        }
    }
}
