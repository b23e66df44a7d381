//! Alarms of the crash detector, and the verdict they add up to (architecture, section 8).

use serde::{Deserialize, Serialize};

use super::number;

/// A finding of the crash detector.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// Step it was found at.
    pub step: u64,
    /// What was found.
    #[serde(rename = "type")]
    pub kind: AlarmKind,
    /// How bad it is.
    pub level: Level,
    /// One sentence with the numbers.
    pub why: String,
    /// What to try next.
    pub hint: String,
    /// Loss of the step.
    #[serde(with = "number")]
    pub loss: f64,
    /// Gradient norm of the step.
    #[serde(with = "number")]
    pub grad_norm: f64,
    /// First op with a non-finite result, or first parameter group with an outsize gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
}

/// Kinds of alarm (architecture, section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// Loss, gradients or parameters are not finite.
    NonFinite,
    /// The run had learned and lost much of it for good.
    Diverged,
    /// It fell back to the uniform guess, or to one class.
    Collapsed,
    /// It never learned.
    Stuck,
    /// The loss jumped.
    LossSpike,
    /// The gradient norm jumped.
    GradExplosion,
}

impl Alarm {
    /// Whether it ends the run, unless the run is told to go on.
    pub fn is_fatal(&self) -> bool {
        self.level == Level::Fatal
    }
}

impl AlarmKind {
    /// The name in run files.
    pub fn name(self) -> &'static str {
        match self {
            Self::NonFinite => "non_finite",
            Self::Diverged => "diverged",
            Self::Collapsed => "collapsed",
            Self::Stuck => "stuck",
            Self::LossSpike => "loss_spike",
            Self::GradExplosion => "grad_explosion",
        }
    }

    /// Fatal kinds end a run, unless it is told to go on.
    pub fn level(self) -> Level {
        match self {
            Self::NonFinite | Self::Diverged | Self::Collapsed => Level::Fatal,
            Self::Stuck | Self::LossSpike | Self::GradExplosion => Level::Warn,
        }
    }
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The run has crashed.
    Fatal,
    /// Something to look at.
    Warn,
    /// For the record.
    Info,
}

impl Level {
    /// The name in run files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fatal => "fatal",
            Self::Warn => "warn",
            Self::Info => "info",
        }
    }
}

/// What became of the training, from best to worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to report.
    #[default]
    Healthy,
    /// A spike it recovered from.
    Unstable,
    /// It never learned.
    Stuck,
    /// A fatal alarm.
    Crashed,
}

impl Verdict {
    /// The name in run files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unstable => "unstable",
            Self::Stuck => "stuck",
            Self::Crashed => "crashed",
        }
    }

    /// The verdict once `alarm` is known as well: the worse of the two.
    pub fn with(self, alarm: AlarmKind) -> Self {
        self.max(match alarm {
            AlarmKind::Stuck => Self::Stuck,
            kind if kind.level() == Level::Fatal => Self::Crashed,
            _ => Self::Unstable,
        })
    }
}

/// The alarm that ended the training, or would have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: AlarmKind,
    /// Its step.
    pub step: u64,
}
