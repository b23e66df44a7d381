//! What a training would take, and how long: the arithmetic of a step, and how much of it this device does in a second.

use std::path::Path;

use vitrine::config::Experiment;
use vitrine::dashboard::host::Estimate;
use vitrine::data::{self, loader::Loader};
use vitrine::error::Result;
use vitrine::run::event::Event;
use vitrine::run::read::{self, RunHeader};
use vitrine::schedule::Schedule;
use vitrine::train::device::Device;
use vitrine::train::step;

use super::checkup::timed_training;

/// Steps whose speed counts: the last ones of a run, without the first, in which kernels are compiled.
const NUM_STEPS: usize = 100;
/// Runs looked into, the newest first.
const NUM_RUNS: usize = 3;

/// How much arithmetic a device does in a second, as far as anything has shown it.
#[derive(Debug, Default)]
pub struct Pace {
    /// By the doctor's timings.
    pub timed: Option<f64>,
    /// By the newest run, with its id: reading one takes a while.
    of_run: Option<(String, f64)>,
}

impl Pace {
    /// By the newest run of this folder that `device` trained; without one, by the doctor's timings.
    pub fn flops_per_sec(&mut self, runs_dir: &Path, device: &Device) -> Option<f64> {
        let listing = read::list(runs_dir).unwrap_or_default();
        let is_own = |run: &&RunHeader| run.meta.last.step > 0 && is_on(&run.meta.device, device);
        let found = listing.runs.iter().rev().filter(is_own).take(NUM_RUNS).find_map(|run| match &self.of_run {
            Some((id, flops)) if *id == run.meta.id => Some((id.clone(), *flops)),
            _ => Some((run.meta.id.clone(), flops_of(run, device)?)),
        });
        self.of_run = found.or(self.of_run.take());
        self.of_run.as_ref().map(|(_, flops)| *flops).or(self.timed)
    }
}

/// Whether a run's device, as it describes itself, is this one.
fn is_on(described: &str, device: &Device) -> bool {
    match device {
        Device::Cpu => described.starts_with("cpu"),
        Device::Gpu(gpu, _) => described.starts_with(&gpu.info.name),
    }
}

fn flops_of(run: &RunHeader, device: &Device) -> Option<f64> {
    let recorded = read::read_run(&run.path).ok()?;
    let experiment = Experiment::from_toml(&recorded.config_toml).ok()?;
    let speed = |event: &Event| match event {
        Event::Step(stat) if stat.step > 1 && stat.images_per_sec > 0.0 => Some(stat.images_per_sec),
        _ => None,
    };
    let mut speeds: Vec<f64> = recorded.events.iter().rev().filter_map(speed).take(NUM_STEPS).collect();
    speeds.sort_by(f64::total_cmp);
    let images_per_sec = *speeds.get(speeds.len() / 2)?;
    let (estimate, _) = step::estimate(&experiment, device).ok()?;
    Some(images_per_sec * estimate.step_flops / experiment.train.batch as f64)
}

/// Arithmetic a second by the doctor's timings of one pass.
pub fn of_timings(op_millis: &[(String, f64)]) -> Option<f64> {
    let secs = 1e-3 * op_millis.iter().map(|(_, millis)| millis).sum::<f64>();
    let (estimate, _) = step::estimate(&timed_training().ok()?.experiment, &Device::Cpu).ok()?;
    (secs > 0.0).then(|| estimate.step_flops / secs)
}

/// What an experiment would take on `device`.
///
/// # Errors
///
/// Where the data cannot be opened, or nothing of it fits the device.
pub fn estimate(experiment: &Experiment, device: &Device, flops_per_sec: Option<f64>) -> Result<Estimate> {
    let split = data::open(&experiment.data, &experiment.model)?;
    let steps_per_epoch = Loader::new(split.train, experiment)?.steps_per_epoch();
    let total_steps = Schedule::new(experiment, steps_per_epoch).total_steps();
    let (estimate, _) = step::estimate(experiment, device)?;
    Ok(Estimate {
        params: estimate.params as u64,
        total_steps,
        memory_bytes: (estimate.arena_bytes + estimate.region_bytes) as u64,
        step_flops: estimate.step_flops,
        secs: flops_per_sec.map(|flops| total_steps as f64 * estimate.step_flops / flops),
    })
}
