//! Commands: the only way into a running session.

use serde::{Deserialize, Serialize};

use super::number;

/// What a person asks of a running session; obeyed between two steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Wait after the step under way.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Make one step, then wait.
    Step,
    /// Write a checkpoint and end.
    Stop,
    /// Write a checkpoint and go on.
    Checkpoint,
    /// Lose the device as a reset of its driver would, to try out that the run goes on.
    LoseDevice,
    /// Replace the schedule by this constant learning rate.
    SetLr(#[serde(with = "number")] f64),
}
