//! The session: commands → batch → step → collect late numbers → probes → events → due? evaluate,
//! checkpoint → done.

use std::path::PathBuf;

use crate::config::Resolved;
use crate::run::alarm::{Crash, Verdict};
use crate::run::event::Status;

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A GPU adapter, software or not.
    Gpu,
}

/// What a run begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Initial weights.
    #[default]
    Fresh,
    /// Weights of a file.
    Weights(PathBuf),
    /// The last checkpoint of a run folder; the run goes on in it.
    Resume(PathBuf),
}

/// Everything a session needs.
#[derive(Clone, Debug)]
pub struct Request {
    /// The checked experiment. On resume: that of the run folder.
    pub resolved: Resolved,
    /// Name for people.
    pub name: String,
    /// Where run folders are made.
    pub runs_dir: PathBuf,
    /// Stop after so many optimiser steps in all, with a checkpoint; the schedule stays that of the full length.
    pub max_steps: Option<u64>,
    /// What the run begins with.
    pub start: Start,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Part of the adapter's name.
    pub adapter: Option<String>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The run folder.
    pub run_dir: PathBuf,
    /// How it ended.
    pub status: Status,
    /// What the detector says.
    pub verdict: Verdict,
    /// The first fatal alarm.
    pub crash: Option<Crash>,
    /// Last evaluation: loss, top-1, top-5 (0..1).
    pub evaluated: Option<[f64; 3]>,
    /// Token similarity per layer at the end.
    pub similarity: Vec<f64>,
}
