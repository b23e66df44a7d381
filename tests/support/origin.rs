//! Results that know where they come from: only a device's result can be held against the oracle's.

use vitrine::cpu::machine::CpuMachine;
use vitrine::gpu::GpuMachine;
use vitrine::graph::Place;
use vitrine::graph::machine::{Machine, PlanId};
use vitrine::graph::plan::Plan;
use vitrine::platform::Wait as _;

use super::case::{GUARD, Setup};

/// Results of the f64 definition.
#[derive(Clone, Debug)]
pub struct FromCpu64(Vec<Vec<f64>>);

/// Results of the f32 cpu device.
#[derive(Clone, Debug)]
pub struct FromCpu32(Vec<Vec<f32>>);

/// Results of kernels on the adapter.
#[derive(Clone, Debug)]
pub struct FromGpu(Vec<Vec<f32>>);

/// A device under test.
pub trait Measured {
    /// One result.
    fn result(&self, ix: usize) -> &[f32];
}

impl Measured for FromCpu32 {
    fn result(&self, ix: usize) -> &[f32] {
        &self.0[ix]
    }
}

impl Measured for FromGpu {
    fn result(&self, ix: usize) -> &[f32] {
        &self.0[ix]
    }
}

impl FromCpu64 {
    /// Runs the f64 definition of a setup.
    pub fn run(setup: &Setup) -> Self {
        let mut machine = CpuMachine::<f64>::new(&setup.region_lens);
        let plan = setup.load(&mut machine).expect("the oracle's plan loads");
        setup.run(&mut machine, plan).expect("the oracle runs");
        let read = |(place, len): &(Place, usize)| machine.region(place.region)[place.offset..place.offset + len].to_vec();
        Self(setup.results.iter().map(read).collect())
    }

    /// Number of results.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// One result.
    pub fn result(&self, ix: usize) -> &[f64] {
        &self.0[ix]
    }

    /// Root mean square of one result.
    fn rms(&self, ix: usize) -> f64 {
        (self.0[ix].iter().map(|value| value * value).sum::<f64>() / self.0[ix].len() as f64).sqrt()
    }

    /// The same with the middle element of one result off by ten tolerances.
    pub fn bent(&self, ix: usize, tolerance: f64) -> Self {
        let mut bent = self.clone();
        let element = bent.0[ix].len() / 2;
        bent.0[ix][element] += 10.0 * allowed(tolerance, self.0[ix][element], self.rms(ix));
        bent
    }
}

impl FromCpu32 {
    /// Runs the cpu device.
    pub fn run(setup: &Setup) -> Self {
        let mut machine = CpuMachine::<f32>::new(&setup.region_lens);
        let plan = setup.load(&mut machine).expect("the cpu plan loads");
        setup.run(&mut machine, plan).expect("the cpu device runs");
        check_guards(&mut machine, setup, "cpu f32");
        Self(read_results(&mut machine, setup))
    }
}

impl FromGpu {
    /// Plans and loads a setup; run it with [`FromGpu::run`].
    pub fn load(machine: &mut GpuMachine, setup: &Setup) -> PlanId {
        let plan = Plan::new("check", &setup.graph, &setup.layout(machine)).expect("the graph can be planned for the adapter");
        machine.load(plan).expect("the adapter takes the plan")
    }

    /// Runs the kernels of a loaded setup on poisoned memory.
    pub fn run(machine: &mut GpuMachine, plan: PlanId, setup: &Setup) -> Self {
        machine.poison_arenas();
        setup.run(machine, plan).expect("the adapter runs the plan");
        let results = Self(read_results(machine, setup));
        let device = machine.describe();
        check_guards(machine, setup, &device);
        results
    }

    /// Whether every bit is the same.
    pub fn same_bits(&self, other: &Self) -> bool {
        let bits = |results: &Self| results.0.iter().flatten().map(|value| value.to_bits()).collect::<Vec<_>>();
        bits(self) == bits(other)
    }
}

fn read_results(machine: &mut dyn Machine, setup: &Setup) -> Vec<Vec<f32>> {
    let read = |(place, len): &(Place, usize)| machine.download(*place, *len).wait().expect("results can be read back");
    setup.results.iter().map(read).collect()
}

/// Guard zones must hold the NaN they were filled with.
fn check_guards(machine: &mut dyn Machine, setup: &Setup, device: &str) {
    for (region, len) in &setup.guarded {
        for offset in [0, GUARD + len] {
            let zone = machine.download(Place::new(*region, offset), GUARD).wait().expect("guard zones can be read back");
            let touched = zone.iter().position(|word| !word.is_nan());
            assert!(touched.is_none(), "{device}: word {} of the output in {region:?} ({len} words) was written", {
                (offset + touched.unwrap_or(0)) as isize - GUARD as isize
            });
        }
    }
}

/// Largest allowed difference from an oracle value in a result of this root mean square.
fn allowed(tolerance: f64, value: f64, rms: f64) -> f64 {
    (tolerance * (value.abs() + rms)).max(1e-30)
}

/// Whether a device agrees with the oracle; if not, where it is worst.
pub fn compare(got: &dyn Measured, oracle: &FromCpu64, tolerance: f64) -> Result<(), String> {
    for ix in 0..oracle.len() {
        let (got, expected) = (got.result(ix), oracle.result(ix));
        let rms = oracle.rms(ix);
        let mut worst = (0.0, 0);
        for (element, (got, expected)) in got.iter().zip(expected).enumerate() {
            let error = (f64::from(*got) - expected).abs() / allowed(tolerance, *expected, rms);
            // A NaN where the oracle has a number is as wrong as can be.
            let error = if error.is_finite() { error } else { f64::INFINITY };
            if error > worst.0 {
                worst = (error, element);
            }
        }
        let (error, element) = worst;
        if error > 1.0 {
            let (got, expected) = (got[element], expected[element]);
            return Err(format!("result {ix}, element {element}: {got:e}, oracle {expected:e}, {error:.1} tolerances of {tolerance:e}"));
        }
    }
    Ok(())
}
