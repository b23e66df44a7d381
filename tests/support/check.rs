//! Kernels and the cpu device against the f64 definition.

use vitrine::error::Result;
use vitrine::gpu::{Gpu, GpuMachine};
use vitrine::graph::launch::Tier;
use vitrine::graph::{Graph, Value};

use super::adapter::{adapter, skipped};
use super::case::{Case, Setup};
use super::origin::{FromCpu32, FromCpu64, FromGpu, Measured, compare};

/// Runs a case on every device and demands agreement with the f64 definition.
pub fn check_kernel(case: &Case, build: impl Fn(&mut Graph, &[Value]) -> Result<Vec<Value>>) {
    let setup = Setup::new(case, &build);
    let oracle = FromCpu64::run(&setup);
    agree("cpu f32", &FromCpu32::run(&setup), &oracle, case.tolerance);
    let Some(gpu) = adapter() else { return };
    for tier in Tier::ALL {
        for gpu in ways_of(&gpu, case.half) {
            check_tier(&gpu, tier, &setup, &oracle, case.tolerance);
        }
    }
}

/// The adapter, and where numbers of 16 bits matter also as one that cannot read them natively.
fn ways_of(gpu: &Gpu, half: bool) -> Vec<Gpu> {
    let mut packed = gpu.clone();
    packed.has_f16 = false;
    match (half, gpu.has_f16) {
        (false, _) => vec![gpu.clone()],
        (true, true) => vec![gpu.clone(), packed],
        (true, false) => {
            skipped("the adapter has no shader-f16: numbers of 16 bits are only read as words");
            vec![packed]
        }
    }
}

fn check_tier(gpu: &Gpu, tier: Tier, setup: &Setup, oracle: &FromCpu64, tolerance: f64) {
    let mut machine = GpuMachine::new(gpu, &setup.region_lens, Some(tier)).expect("a machine for the case");
    let plan = FromGpu::load(&mut machine, setup);
    let first = FromGpu::run(&mut machine, plan, setup);
    let device = format!("{tier:?} kernels, {}", if gpu.has_f16 { "f16" } else { "no f16" });
    agree(&device, &first, oracle, tolerance);
    let second = FromGpu::run(&mut machine, plan, setup);
    assert!(first.same_bits(&second), "{device}: two runs differ");
}

/// Demands agreement, and that the same comparison finds a bent value in each result.
fn agree(device: &str, got: &dyn Measured, oracle: &FromCpu64, tolerance: f64) {
    compare(got, oracle, tolerance).unwrap_or_else(|why| panic!("{device}: {why}"));
    for ix in 0..oracle.len() {
        let bent = compare(got, &oracle.bent(ix, tolerance), tolerance);
        assert!(bent.is_err(), "{device}: result {ix} passes with a value bent by ten tolerances");
    }
}
