//! Update rules: each against a plain loop over several steps, and its kernels against the definition.

mod accumulate;
mod adamw;
mod ema;
mod group_norms;
mod loss_scale;
mod norm;
mod sam;
mod sgd;

use vitrine::cpu::machine::CpuMachine;
use vitrine::graph::machine::{Machine, PlanId};
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Op, Place, Region, Scalars};

/// Elements: two tasks' worth of no particular length would be slow in f64; this is ragged for every kernel.
const LEN: usize = 137;
/// Elements that are decayed.
const DECAYED: usize = 75;

/// A finite step: norm 5, clip factor 0.25, no flags.
const NORM: [f32; 4] = [5.0, 0.25, 0.0, 0.0];
/// A step with a gradient that is not finite.
const FLAGGED: [f32; 4] = [5.0, 1.0, 1.0, 1.0];

/// One op on regions of its own, in f64.
struct Runner {
    machine: CpuMachine<f64>,
    plan: PlanId,
}

impl Runner {
    /// `op` with one region for each of its inputs, in order.
    fn new(op: impl Op, inputs: &[(Region, usize)]) -> Self {
        let mut graph = Graph::new();
        let leaves: Vec<_> = inputs.iter().map(|(region, len)| graph.leaf(Place::new(*region, 0), [*len])).collect();
        graph.push(op, &leaves).expect("the lengths fit");
        let mut machine = CpuMachine::new(inputs);
        let plan = machine.load(Plan::new("check", &graph, &Layout::processor()).expect("a plan")).expect("it loads");
        Self { machine, plan }
    }

    fn set(&mut self, region: Region, words: &[f32]) {
        self.machine.upload(Place::new(region, 0), words).expect("the words fit");
    }

    fn get(&self, region: Region) -> Vec<f64> {
        self.machine.region(region).to_vec()
    }

    fn step(&mut self, scalars: Scalars) {
        self.machine.run(self.plan, &scalars).expect("it runs");
    }
}

fn widened(words: &[f32]) -> Vec<f64> {
    words.iter().map(|word| f64::from(*word)).collect()
}

fn assert_close(got: &[f64], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    for (ix, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!((got - expected).abs() <= 1e-12 * (1.0 + expected.abs()), "element {ix}: {got:e} instead of {expected:e}");
    }
}
