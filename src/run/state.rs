//! The state of a run: a pure fold of its events. Replaying a recorded run gives the live state.

use serde::{Deserialize, Serialize};

use super::alarm::{Alarm, AlarmKind, Crash, Verdict};
use super::event::{Checkpoint, Eval, Event, LrChanged, Probe, Started, Status, StepStat};
use super::number;

/// The best evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Share predicted right, 0..1.
    #[serde(with = "number")]
    pub top1: f64,
    /// Steps made before it.
    pub step: u64,
}

/// Where a run stands: the latest of everything. Its size does not grow with the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// What the run is.
    pub started: Started,
    /// Running, or how it ended.
    pub status: Status,
    /// The verdict so far.
    pub verdict: Verdict,
    /// The first fatal alarm.
    pub crash: Option<Crash>,
    /// The best evaluation; the earlier one of two equals.
    pub best: Option<Best>,
    /// Numbers of the last step.
    pub step: Option<StepStat>,
    /// The last evaluation.
    pub eval: Option<Eval>,
    /// The last probe.
    pub probe: Option<Probe>,
    /// Steps skipped because gradients were beyond the range of f16.
    pub skipped_steps: u64,
}

impl Standing {
    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Started(started) => {
                self.started = started.clone();
                self.status = Status::Running;
            }
            Event::Resumed(_) => self.status = Status::Running,
            Event::Step(stat) => {
                self.skipped_steps += u64::from(stat.skipped);
                self.step = Some(stat.clone());
            }
            Event::Eval(eval) => {
                let is_better = self.best.is_none_or(|best| eval.top1 > best.top1);
                if number::is_finite(eval.top1) && is_better {
                    self.best = Some(Best { top1: eval.top1, step: eval.step });
                }
                self.eval = Some(eval.clone());
            }
            Event::Probe(probe) => self.probe = Some(probe.clone()),
            Event::Checkpoint(_) | Event::LrChanged(_) | Event::DeviceLost(_) | Event::Unreadable(_) | Event::Overflow(_) => {}
            Event::Alarm(alarm) => {
                self.verdict = self.verdict.with(alarm.kind);
                if alarm.is_fatal() {
                    self.crash.get_or_insert(Crash { kind: alarm.kind, step: alarm.step });
                }
            }
            Event::Ended(ended) => {
                self.status = ended.status;
                self.verdict = ended.verdict;
                self.crash = ended.crash;
            }
        }
    }

    /// Steps made so far.
    pub fn num_steps(&self) -> u64 {
        self.step.as_ref().map_or(self.started.step, |stat| stat.step)
    }

    /// The loss of the uniform guess, L* = ln K; none before the run has started.
    pub fn chance_loss(&self) -> Option<f64> {
        (self.started.num_classes > 1).then(|| (self.started.num_classes as f64).ln())
    }
}

/// Everything a screen shows of a run: where it stands, and all series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunState {
    /// The latest of everything.
    pub standing: Standing,
    /// Every step.
    pub steps: Vec<StepStat>,
    /// Every evaluation.
    pub evals: Vec<Eval>,
    /// Every probe.
    pub probes: Vec<Probe>,
    /// Every alarm.
    pub alarms: Vec<Alarm>,
    /// Every checkpoint.
    pub checkpoints: Vec<Checkpoint>,
    /// Every change of the learning rate by hand.
    pub lr_changes: Vec<LrChanged>,
}

impl RunState {
    /// The state after `events`.
    pub fn from_events<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) {
        if let Event::Resumed(resumed) = event {
            self.go_back(resumed.step);
        }
        self.standing.apply(event);
        match event {
            Event::Step(stat) => self.steps.push(stat.clone()),
            Event::Eval(eval) => self.evals.push(eval.clone()),
            Event::Probe(probe) => self.probes.push(probe.clone()),
            Event::Alarm(alarm) => self.alarms.push(alarm.clone()),
            Event::Checkpoint(checkpoint) => self.checkpoints.push(checkpoint.clone()),
            Event::LrChanged(change) => self.lr_changes.push(change.clone()),
            Event::Started(_) | Event::Resumed(_) | Event::DeviceLost(_) | Event::Unreadable(_) | Event::Overflow(_) | Event::Ended(_) => {}
        }
    }

    /// Forgets what came after `step`, and what only the end had shown.
    fn go_back(&mut self, step: u64) {
        self.steps.retain(|stat| stat.step <= step);
        self.evals.retain(|eval| eval.step <= step);
        self.probes.retain(|probe| probe.step <= step);
        self.alarms.retain(|alarm| alarm.step <= step && alarm.kind != AlarmKind::Stuck);
        self.checkpoints.retain(|checkpoint| checkpoint.step <= step);
        self.lr_changes.retain(|change| change.step <= step);
        let mut standing = Standing { started: self.standing.started.clone(), ..Standing::default() };
        standing.step = self.steps.last().cloned();
        standing.skipped_steps = self.steps.iter().filter(|stat| stat.skipped).count() as u64;
        standing.probe = self.probes.last().cloned();
        for eval in &self.evals {
            standing.apply(&Event::Eval(eval.clone()));
        }
        for alarm in &self.alarms {
            standing.apply(&Event::Alarm(alarm.clone()));
        }
        self.standing = standing;
    }
}
