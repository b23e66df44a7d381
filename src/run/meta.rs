//! `run.json`: what a run is and where it stands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alarm::{Crash, Verdict};
use super::event::Status;
use super::number;
use super::state::{Best, Standing};

/// The format of run folders that this version writes.
pub const SCHEMA: u32 = 1;

/// The contents of `run.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunMeta {
    /// Format of the folder, [`SCHEMA`].
    pub schema: u32,
    /// Name of the folder: UTC time of creation and the run's name.
    pub id: String,
    /// Name given by the user.
    pub name: String,
    /// Running, or how it ended.
    pub status: Status,
    /// The verdict so far.
    pub verdict: Verdict,
    /// The first fatal alarm.
    pub crash: Option<Crash>,
    /// The best evaluation.
    pub best: Option<Best>,
    /// The last numbers; final once the run has ended.
    #[serde(rename = "final")]
    pub last: Final,
    /// Trainable numbers.
    pub params: u64,
    /// Device and adapter.
    pub device: String,
    /// Versions of what computed it.
    pub versions: BTreeMap<String, String>,
    /// Decides every random draw.
    pub seed: u64,
    /// The images.
    pub data: DataMark,
    /// The run it was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
}

/// Where a forked run comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parent {
    /// Id of the run.
    pub run: String,
    /// The checkpoint: `pre-crash`, `last`, `previous` or `best`.
    pub checkpoint: String,
    /// Step of the checkpoint; what was recorded up to it is a copy.
    pub step: u64,
}

/// Which images a run has seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataMark {
    /// `data.kind` of the config.
    pub kind: String,
    /// Hash of the images and labels.
    pub hash: String,
}

/// The last numbers of a run, as far as there are any.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Final {
    /// Steps made.
    pub step: u64,
    /// Training loss of the last step.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// With mixed precision: the loss scale of the last step.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<f64>,
    /// Steps skipped because gradients were beyond the range of f16.
    #[serde(default, skip_serializing_if = "is_none")]
    pub skipped_steps: u64,
    /// Mean cross-entropy of the last evaluation.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub eval_loss: Option<f64>,
    /// Top-1 of the last evaluation, 0..1.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub top1: Option<f64>,
    /// Top-5 of the last evaluation, 0..1.
    #[serde(default, with = "number::option", skip_serializing_if = "Option::is_none")]
    pub top5: Option<f64>,
    /// Token similarity per layer of the last probe.
    #[serde(default, with = "number::list", skip_serializing_if = "Vec::is_empty")]
    pub cossim: Vec<f64>,
}

fn is_none(count: &u64) -> bool {
    *count == 0
}

impl RunMeta {
    /// The status for people: a run that calls itself running while nobody writes it was killed.
    pub fn status_text(&self, is_live: bool) -> &'static str {
        match self.status {
            Status::Running if !is_live => "killed",
            status => status.name(),
        }
    }

    /// Brings everything that changes up to date.
    pub fn update(&mut self, standing: &Standing) {
        self.status = standing.status;
        self.verdict = standing.verdict;
        self.crash = standing.crash;
        self.best = standing.best;
        self.last = Final {
            step: standing.num_steps(),
            loss: standing.step.as_ref().map(|stat| stat.loss),
            loss_scale: standing.step.as_ref().and_then(|stat| stat.loss_scale),
            skipped_steps: standing.skipped_steps,
            eval_loss: standing.eval.as_ref().map(|eval| eval.loss),
            top1: standing.eval.as_ref().map(|eval| eval.top1),
            top5: standing.eval.as_ref().map(|eval| eval.top5),
            cossim: standing.probe.as_ref().map_or(Vec::new(), |probe| probe.cossim.clone()),
        };
    }
}
