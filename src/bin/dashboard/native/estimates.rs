//! What trainings would take on this machine: one thread, one open device, and only the latest question counts.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use vitrine::config::Experiment;
use vitrine::dashboard::host::{Estimate, Notice};
use vitrine::error::Result;
use vitrine::platform::Wait as _;
use vitrine::train::device::Device;
use vitrine::train::session::DeviceChoice;

use super::host::Voice;
use super::pace::{self, Pace};

/// A question is worked on when none has followed it for so long: people type.
const SETTLE: Duration = Duration::from_millis(150);

/// What the thread is told.
pub enum Told {
    /// What would this take?
    Asked(Box<Experiment>),
    /// The doctor has timed this device: arithmetic a second.
    Timed(f64),
}

/// Starts the thread; it ends with the window.
pub fn start(voice: &Voice, runs_dir: PathBuf) -> Sender<Told> {
    let (sender, told) = mpsc::channel();
    voice.spawn("estimates", move |voice| {
        let mut estimates = Estimates { runs_dir, device: None, pace: Pace::default() };
        estimates.answer_all(voice, &told);
        Ok(())
    });
    sender
}

struct Estimates {
    runs_dir: PathBuf,
    /// Open from the first question on.
    device: Option<Device>,
    pace: Pace,
}

impl Estimates {
    fn answer_all(&mut self, voice: &Voice, told: &Receiver<Told>) {
        let mut latest = None;
        loop {
            if latest.is_none() {
                let Ok(first) = told.recv() else { return };
                latest = self.hear(first);
            }
            while let Ok(next) = told.recv_timeout(SETTLE) {
                latest = self.hear(next).or(latest);
            }
            let Some(experiment) = latest.take() else { continue };
            let answer = self.estimate(&experiment).map_err(|error| error.to_string());
            latest = told.try_iter().filter_map(|next| self.hear(next)).last();
            if latest.is_none() {
                voice.tell(Notice::Estimate(answer));
            }
        }
    }

    fn hear(&mut self, told: Told) -> Option<Box<Experiment>> {
        match told {
            Told::Asked(experiment) => Some(experiment),
            Told::Timed(flops_per_sec) => {
                self.pace.timed = Some(flops_per_sec);
                None
            }
        }
    }

    fn estimate(&mut self, experiment: &Experiment) -> Result<Estimate> {
        let device = match self.device.take().filter(|device| !device.is_lost()) {
            Some(device) => device,
            None => Device::open(DeviceChoice::Auto, None).wait()?.0,
        };
        let flops_per_sec = self.pace.flops_per_sec(&self.runs_dir, &device);
        let outcome = pace::estimate(experiment, &device, flops_per_sec);
        self.device = Some(device);
        outcome
    }
}
