//! Events: the only way out of a running session.
//!
//! Plain data, the same for live, recorded and imported runs. Steps count from 1: step s is the
//! s-th optimiser step, and a checkpoint at s holds the state after it. Events of one kind come in
//! order of their steps; a step's numbers are read back late, so a `Step` may follow an `Eval` or a
//! `Checkpoint` of a later step.

use serde::{Deserialize, Serialize};

use super::alarm::{Alarm, Crash, Level, Verdict};
use super::number;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The session begins, or begins again after [`Event::Resumed`].
    Started(Started),
    /// The recorded run goes on from a checkpoint.
    Resumed(Resumed),
    /// One optimiser step.
    Step(StepStat),
    /// An evaluation on the test images.
    Eval(Eval),
    /// A probe of the fixed batch.
    Probe(Probe),
    /// A checkpoint was written.
    Checkpoint(Checkpoint),
    /// The learning rate was changed by hand.
    LrChanged(LrChanged),
    /// The device was lost; the session makes a new one and goes on from a snapshot.
    DeviceLost(DeviceLost),
    /// An image could not be read; another took its place.
    Unreadable(Unreadable),
    /// Gradients were beyond the range of f16: the step was skipped, and the loss scale falls.
    Overflow(Overflow),
    /// The session is over.
    Ended(Ended),
    /// The crash detector speaks; its own `type` field names the kind.
    #[serde(untagged)]
    Alarm(Alarm),
}

/// What a run is, as far as a screen needs it before the first step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// Steps already made: 0, or the step of the checkpoint.
    pub step: u64,
    /// Name given by the user.
    pub name: String,
    /// Trainable numbers.
    pub params: u64,
    /// Device and adapter, e.g. `cpu (8 threads)`.
    pub device: String,
    /// Classes K; ln K is the loss of the uniform guess.
    pub num_classes: usize,
    /// Steps of the whole schedule.
    pub total_steps: u64,
    /// Steps of one epoch.
    pub steps_per_epoch: u64,
    /// Steps of the warm-up.
    pub warmup_steps: u64,
    /// Names of the parameter groups whose gradient norms each step has, from stem to head.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What a person should know: why this device, which files were left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A run that goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resumed {
    /// Step of the checkpoint.
    pub step: u64,
    /// Recorded steps after it, which were cut off.
    pub cut_steps: u64,
}

/// The numbers of one optimiser step, before its update.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepStat {
    /// Counts from 1.
    pub step: u64,
    /// Epochs done before this step, fractional.
    #[serde(with = "number")]
    pub epoch: f64,
    /// Training loss of the batch.
    #[serde(with = "number")]
    pub loss: f64,
    /// Learning rate of the update.
    #[serde(with = "number")]
    pub lr: f64,
    /// Global L2 norm of the gradients, before clipping.
    #[serde(with = "number")]
    pub grad_norm: f64,
    /// Training speed.
    #[serde(with = "number")]
    pub images_per_sec: f64,
    /// Seconds since the run's first step, where only the clock of another program is known; else the speed says it.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub wall_secs: Option<f64>,
    /// Share of the time that was spent waiting for images, 0..1.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub data_wait: Option<f64>,
    /// The device met a non-finite loss, gradient or parameter.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub non_finite: bool,
    /// With mixed precision: what the gradients were multiplied by.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    /// The gradients were beyond the range of f16, so that the step changed nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skipped: bool,
    /// Share of the batch's predictions that the most frequent class takes, 0..1.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub modal_frac: Option<f64>,
    /// Share of the batch predicted right, 0..1.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// L2 norm of the gradients of each group of [`Started::groups`], to four digits.
    #[serde(default, with = "number::list", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<f64>,
}

/// An evaluation on the test images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Eval {
    /// Steps made before it.
    pub step: u64,
    /// Mean cross-entropy.
    #[serde(with = "number")]
    pub loss: f64,
    /// Share predicted right, 0..1.
    #[serde(with = "number")]
    pub top1: f64,
    /// Share with the right class among the five likeliest, 0..1.
    #[serde(with = "number")]
    pub top5: f64,
}

/// A probe of the fixed batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Steps made before it.
    pub step: u64,
    /// Mean cosine similarity of the patch tokens: stem output, after position embedding, each block.
    #[serde(with = "number::list")]
    pub cossim: Vec<f64>,
    /// How far the last update moved each group of [`Started::groups`]: its L2 norm over that of the weights, to
    /// four digits. Empty before the first step and in files that do not say it.
    #[serde(default, with = "number::list", skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<f64>,
}

/// A checkpoint on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Steps made before it.
    pub step: u64,
    /// File, relative to the run folder.
    pub path: String,
    /// Step of the state in it, where that is an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_step: Option<u64>,
}

/// The learning rate was changed by hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LrChanged {
    /// Steps made before it.
    pub step: u64,
    /// The new learning rate.
    #[serde(with = "number")]
    pub lr: f64,
}

/// The device was lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceLost {
    /// Step of the snapshot that the session goes on from.
    pub step: u64,
    /// Steps made when it was noticed.
    pub lost_at_step: u64,
    /// What the driver says.
    pub what: String,
}

/// An image that could not be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Steps made when it was found.
    pub step: u64,
    /// Which file, and what is wrong with it.
    pub what: String,
}

/// A step that was skipped for gradients beyond the range of f16.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overflow {
    /// The step.
    pub step: u64,
    /// Its loss scale.
    #[serde(with = "number")]
    pub loss_scale: f64,
}

/// The session is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Steps made.
    pub step: u64,
    /// How it ended.
    pub status: Status,
    /// What the detector makes of the whole run.
    pub verdict: Verdict,
    /// The first fatal alarm.
    pub crash: Option<Crash>,
    /// What stopped a training that could not go on; its status is [`Status::Interrupted`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Steps are being made.
    #[default]
    Running,
    /// It came to its planned end.
    Finished,
    /// A fatal alarm ended it.
    Crashed,
    /// It was stopped before its planned end.
    Interrupted,
}

impl Status {
    /// The name in run files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Crashed => "crashed",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Event {
    /// The step an event belongs to.
    pub fn step(&self) -> u64 {
        match self {
            Self::Started(event) => event.step,
            Self::Resumed(event) => event.step,
            Self::Step(event) => event.step,
            Self::Eval(event) => event.step,
            Self::Probe(event) => event.step,
            Self::Checkpoint(event) => event.step,
            Self::LrChanged(event) => event.step,
            Self::Unreadable(event) => event.step,
            Self::Overflow(event) => event.step,
            Self::DeviceLost(event) => event.step,
            Self::Ended(event) => event.step,
            Self::Alarm(event) => event.step,
        }
    }

    /// How bad it is; most events are for the record.
    pub fn level(&self) -> Level {
        match self {
            Self::Alarm(alarm) => alarm.level,
            Self::DeviceLost(_) | Self::Unreadable(_) | Self::Ended(Ended { error: Some(_), .. }) => Level::Warn,
            _ => Level::Info,
        }
    }

    /// One sentence for people.
    pub fn why(&self) -> String {
        match self {
            Self::Started(event) => {
                format!("training starts on {}: {} parameters, {} steps", event.device, event.params, event.total_steps)
            }
            Self::Resumed(event) => {
                let cut = if event.cut_steps > 0 { format!("; {} later steps cut off", event.cut_steps) } else { String::new() };
                format!("goes on from step {}{cut}", event.step)
            }
            Self::Step(event) => format!("loss {}", number::short(event.loss)),
            Self::Eval(event) => {
                format!("top-1 {:.1} %, loss {}", 100.0 * event.top1, number::short(event.loss))
            }
            Self::Probe(event) => format!("similarity of {} layers", event.cossim.len()),
            Self::Checkpoint(event) => {
                let state = event.state_step.map_or(String::new(), |step| format!(", the state of step {step}"));
                format!("checkpoint written to {}{state}", event.path)
            }
            Self::LrChanged(event) => {
                format!("learning rate set to {} by hand", number::short(event.lr))
            }
            Self::DeviceLost(event) => {
                format!("at step {} {}; goes on from the snapshot of step {}", event.lost_at_step, event.what, event.step)
            }
            Self::Unreadable(event) => format!("image skipped: {}", event.what),
            Self::Overflow(event) => {
                let scale = number::short(event.loss_scale);
                format!("gradients beyond the range of f16 at a loss scale of {scale}: the step is skipped, and the scale falls")
            }
            Self::Ended(event) => {
                let error = event.error.as_ref().map_or(String::new(), |error| format!(" by an error: {error}"));
                format!("{}{error}; the run is {}", event.status.name(), event.verdict.name())
            }
            Self::Alarm(alarm) => alarm.why.clone(),
        }
    }
}
