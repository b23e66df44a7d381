//! The fixed probe batch of a session, and when it is looked at in full.

use std::sync::Arc;

use super::groups::groups;
use super::{ProbeImages, Prober};
use crate::augment::pictures::Pictures;
use crate::config::Experiment;
use crate::data::Dataset;
use crate::data::loader::Loader;
use crate::error::{Error, Result};
use crate::run::probe::{Maps, ProbeFile};
use crate::train::device::Device;
use crate::train::step::Trainer;

/// Full probes of a run at most, where `probe.maps_every` leaves it open: they are for looking at one
/// after the other, and their files must not outgrow the checkpoints.
const MAPS_OF_A_RUN: u64 = 12;

/// The probe batch of a session.
pub struct FixedBatch {
    /// [probe.images, S, S, 3], padded.
    padded: Pictures,
    probed: ProbeImages,
    device: Device,
    every: u64,
    maps_every: u64,
    num_shown: usize,
    /// Made when it is first needed.
    prober: Option<Prober>,
}

impl FixedBatch {
    /// The first test images, for a session of `total_steps` on `device`.
    pub fn new(test: Arc<Dataset>, experiment: &Experiment, device: &Device, total_steps: u64) -> Result<Self> {
        let loader = Loader::evaluation(test, experiment, experiment.probe.images.max(1))?;
        Ok(Self {
            padded: loader.batch(0)?.pictures,
            probed: ProbeImages::of_test(&loader, experiment)?,
            device: device.clone(),
            every: experiment.probe.every as u64,
            maps_every: maps_every(experiment, total_steps),
            num_shown: experiment.probe.maps,
            prober: None,
        })
    }

    /// Whether a probe is due after `step` steps. Step 0 shows the initial weights.
    pub fn is_due(&self, step: u64) -> bool {
        self.every > 0 && step.is_multiple_of(self.every)
    }

    /// The probe after `step` steps, the last of them at learning rate `lr`; with maps when they are
    /// due, and always at the end of a run.
    pub async fn probe(&mut self, trainer: &mut Trainer, step: u64, lr: f64, is_end: bool) -> Result<ProbeFile> {
        let cossim = trainer.probe(&self.padded, self.probed.labels.len()).await?.into_iter().map(|value| value as f32).collect();
        let is_due = is_end || self.maps_every > 0 && step.is_multiple_of(self.maps_every);
        let maps = if is_due && self.num_shown > 0 { Some(self.maps(trainer, step, lr).await?) } else { None };
        Ok(ProbeFile { cossim, maps })
    }

    async fn maps(&mut self, trainer: &mut Trainer, step: u64, lr: f64) -> Result<Maps> {
        if self.prober.is_none() {
            self.prober = Some(open(&trainer.experiment, &self.device)?);
        }
        let prober = self.prober.as_mut().expect("it has just been made");
        prober.take_from(trainer.machine.as_mut()).await?;
        let (_, mut maps) = prober.look(step, &self.probed, self.num_shown).await?;
        // Before the first step there is neither gradient nor update.
        if step > 0 {
            maps.groups = groups(trainer, step, lr).await?;
        }
        Ok(maps)
    }
}

/// A prober on the device, or on the processor where the device has no room left beside the training.
fn open(experiment: &Experiment, device: &Device) -> Result<Prober> {
    match Prober::new(experiment, device) {
        Err(Error::Device { .. }) => Prober::new(experiment, &Device::Cpu),
        outcome => outcome,
    }
}

/// Steps between probes with maps in a run of `total_steps`; 0: at its end only.
pub fn maps_every(experiment: &Experiment, total_steps: u64) -> u64 {
    let every = experiment.probe.every as u64;
    match experiment.probe.maps_every as u64 {
        0 if every == 0 => 0,
        0 => total_steps.div_ceil(MAPS_OF_A_RUN).next_multiple_of(every),
        asked => asked,
    }
}
