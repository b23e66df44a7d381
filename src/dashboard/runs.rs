//! The runs the screens know: the list, and what is open with its series.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::host::{Order, Origin, RunHead, RunKey};
use super::series::Curve;
use super::view::XAxis;
use crate::config::Experiment;
use crate::run::alarm::Verdict;
use crate::run::event::{Event, Status, StepStat};
use crate::run::probe::ProbeFile;
use crate::run::state::RunState;

/// What a chart may show of a run's steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Training loss.
    Loss,
    /// Share of the batch predicted right.
    Accuracy,
    /// Learning rate.
    Lr,
    /// Global gradient norm.
    GradNorm,
    /// Gradient norm of the first parameter group, which is the stem.
    StemNorm,
    /// Images a second.
    Speed,
}

impl Metric {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Loss, Self::Accuracy, Self::Lr, Self::GradNorm, Self::StemNorm, Self::Speed];

    /// The title of its chart, with the unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::Loss => "Training loss",
            Self::Accuracy => "Accuracy, %",
            Self::Lr => "Learning rate",
            Self::GradNorm => "Gradient norm",
            Self::StemNorm => "Gradient norm, stem",
            Self::Speed => "Images per second",
        }
    }

    /// The word in file names and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::Lr => "lr",
            Self::GradNorm => "grad_norm",
            Self::StemNorm => "grad_norm_stem",
            Self::Speed => "images_per_sec",
        }
    }

    /// Whether it stays above 0 and spans orders of magnitude.
    pub fn may_be_log(self) -> bool {
        matches!(self, Self::Loss | Self::GradNorm | Self::StemNorm | Self::Lr)
    }

    /// Whether it is drawn logarithmically unasked.
    pub fn is_norm(self) -> bool {
        matches!(self, Self::GradNorm | Self::StemNorm)
    }

    /// Its number at a step.
    pub fn of(self, stat: &StepStat) -> f64 {
        match self {
            Self::Loss => stat.loss,
            Self::Accuracy => stat.accuracy.map_or(f64::NAN, |share| 100.0 * share),
            Self::Lr => stat.lr,
            Self::GradNorm => stat.grad_norm,
            Self::StemNorm => stat.groups.first().copied().unwrap_or(f64::NAN),
            Self::Speed => stat.images_per_sec,
        }
    }
}

/// A probe file, asked for once.
#[derive(Clone, Debug)]
pub enum ProbeState {
    /// On its way.
    Loading,
    /// Its content.
    Ready(Arc<ProbeFile>),
    /// Why there is none.
    Failed(String),
}

impl ProbeState {
    /// Of the bytes of a file, or of the reason why there are none.
    pub fn of(answer: Result<Vec<u8>, String>, run: &RunKey, step: u64) -> Self {
        let path = PathBuf::from(format!("{run}, probe of step {step}"));
        let parsed = answer.and_then(|bytes| ProbeFile::from_bytes(&bytes, &path).map_err(|error| error.to_string()));
        parsed.map_or_else(Self::Failed, |probe| Self::Ready(Arc::new(probe)))
    }
}

/// An open run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What the list says of it.
    pub head: RunHead,
    /// Its state: a fold of its events.
    pub state: RunState,
    /// Its config; none if this version cannot read it, or nobody recorded one.
    pub experiment: Option<Experiment>,
    /// Probe files by step.
    pub probes: BTreeMap<u64, ProbeState>,
    /// Whether it was asked to wait.
    pub is_paused: bool,
    /// Every event that is no step, in the order in which it happened.
    pub notes: Vec<Event>,
    curves: Vec<Curve>,
    steps: Vec<u64>,
    wall_secs: Vec<f64>,
    epochs: Vec<f64>,
    smoothing: f64,
}

impl Run {
    /// A run with these events.
    pub fn new(head: RunHead, events: &[Event], smoothing: f64) -> Self {
        // An empty text would be the config of all defaults.
        let experiment = (!head.config_toml.is_empty()).then(|| Experiment::from_toml(&head.config_toml).ok()).flatten();
        let mut run = Self {
            head,
            state: RunState::default(),
            experiment,
            probes: BTreeMap::new(),
            is_paused: false,
            notes: Vec::new(),
            curves: Vec::new(),
            steps: Vec::new(),
            wall_secs: Vec::new(),
            epochs: Vec::new(),
            smoothing,
        };
        run.rebuild();
        run.extend(events);
        run
    }

    /// Takes the next events, and brings what the list says of the run up to date.
    pub fn extend(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.apply(event));
        if !events.is_empty() {
            self.head.meta.update(&self.state.standing);
        }
    }

    fn apply(&mut self, event: &Event) {
        self.state.apply(event);
        match event {
            Event::Step(stat) => self.add(stat),
            Event::Resumed(resumed) => {
                self.notes.retain(|note| note.step() <= resumed.step && !matches!(note, Event::Ended(_)));
                self.notes.push(event.clone());
                self.rebuild();
            }
            Event::Probe(_) => {}
            _ => self.notes.push(event.clone()),
        }
    }

    fn rebuild(&mut self) {
        self.curves = vec![Curve::new(self.smoothing); Metric::ALL.len()];
        self.steps.clear();
        self.wall_secs.clear();
        self.epochs.clear();
        for stat in std::mem::take(&mut self.state.steps) {
            self.add(&stat);
            self.state.steps.push(stat);
        }
    }

    fn add(&mut self, stat: &StepStat) {
        for metric in Metric::ALL {
            self.curves[metric as usize].push(metric.of(stat));
        }
        self.steps.push(stat.step);
        self.epochs.push(stat.epoch);
        let batch = self.experiment.as_ref().map_or(1, |experiment| experiment.train.batch);
        let step_secs = if stat.images_per_sec > 0.0 { batch as f64 / stat.images_per_sec } else { 0.0 };
        let by_speed = self.wall_secs.last().copied().unwrap_or(0.0) + step_secs;
        self.wall_secs.push(stat.wall_secs.unwrap_or(by_speed));
    }

    /// The curve of a metric.
    pub fn curve(&self, metric: Metric) -> &Curve {
        &self.curves[metric as usize]
    }

    /// Points of a metric that are not finite, with the number. Accuracy and the norms of groups are
    /// absent in runs of other programs, which is no crash.
    pub fn broken(&self, metric: Metric) -> &[(usize, f64)] {
        let is_absent = match metric {
            Metric::Accuracy => true,
            Metric::StemNorm => self.state.standing.started.groups.is_empty(),
            _ => false,
        };
        if is_absent { &[] } else { self.curve(metric).raw.broken() }
    }

    /// Smooths every curve with this weight of the past.
    pub fn set_smoothing(&mut self, weight: f64) {
        if weight != self.smoothing {
            self.smoothing = weight;
            self.curves.iter_mut().for_each(|curve| curve.set_weight(weight));
        }
    }

    /// Recorded steps.
    pub fn num_points(&self) -> usize {
        self.steps.len()
    }

    /// The step of a point.
    pub fn step_at(&self, ix: usize) -> u64 {
        self.steps[ix]
    }

    /// Where the axis has the point `ix`.
    pub fn x_at(&self, axis: XAxis, ix: usize) -> f64 {
        match axis {
            XAxis::Wall => self.wall_secs[ix],
            _ => self.x_of_step(axis, self.steps[ix]),
        }
    }

    /// Whether the run says where its steps lie on this axis: that of another program may not know its epochs or images.
    pub fn has_axis(&self, axis: XAxis) -> bool {
        match axis {
            XAxis::Step => true,
            XAxis::Epoch => self.state.standing.started.steps_per_epoch > 0 || self.epochs.last().is_some_and(|&epoch| epoch > 0.0),
            XAxis::Images => self.experiment.is_some(),
            XAxis::Wall => self.num_points() < 2 || self.wall_secs.last().is_some_and(|&secs| secs > 0.0),
        }
    }

    /// Where the axis has a step.
    pub fn x_of_step(&self, axis: XAxis, step: u64) -> f64 {
        match axis {
            XAxis::Step => step as f64,
            XAxis::Epoch => match self.state.standing.started.steps_per_epoch {
                0 => self.point_near(step).map_or(0.0, |ix| self.epochs[ix]),
                steps_per_epoch => step as f64 / steps_per_epoch as f64,
            },
            XAxis::Images => step as f64 * self.experiment.as_ref().map_or(1, |experiment| experiment.train.batch) as f64,
            XAxis::Wall => self.point_near(step).map_or(0.0, |ix| self.wall_secs[ix]),
        }
    }

    /// The step at a place of the axis.
    pub fn step_of_x(&self, axis: XAxis, x: f64) -> u64 {
        let range = self.points_between(axis, f64::NEG_INFINITY, x);
        match self.num_points() {
            0 => 0,
            count => self.steps[range.end.clamp(1, count) - 1],
        }
    }

    /// Points whose place on the axis lies between `low` and `high`, and one more on each side.
    pub fn points_between(&self, axis: XAxis, low: f64, high: f64) -> Range<usize> {
        let count = self.num_points();
        let first_above = |bound: f64| {
            let (mut below, mut above) = (0, count);
            while below < above {
                let middle = (below + above) / 2;
                if self.x_at(axis, middle) < bound { below = middle + 1 } else { above = middle }
            }
            below
        };
        first_above(low).saturating_sub(1)..(first_above(high) + 1).min(count)
    }

    /// The points of the steps from the first to the last of `steps`.
    pub fn points_of_steps(&self, (first, last): (u64, u64)) -> Range<usize> {
        self.steps.partition_point(|&step| step < first)..self.steps.partition_point(|&step| step <= last)
    }

    /// The point of a step, or of the last one before it.
    pub fn point_near(&self, step: u64) -> Option<usize> {
        let after = self.steps.partition_point(|&known| known <= step);
        (self.num_points() > 0).then(|| after.saturating_sub(1))
    }

    /// The numbers of a step, or of the last one before it.
    pub fn stat_near(&self, step: u64) -> Option<&StepStat> {
        self.point_near(step).map(|ix| &self.state.steps[ix])
    }

    /// The last step recorded.
    pub fn last_step(&self) -> u64 {
        self.steps.last().copied().unwrap_or(self.state.standing.started.step)
    }

    /// The verdict so far.
    pub fn verdict(&self) -> Verdict {
        self.state.standing.verdict
    }

    /// Whether steps are being made, as far as its events say.
    pub fn is_running(&self) -> bool {
        self.head.is_live && self.state.standing.status == Status::Running
    }

    /// Whether it is a training of these screens, which does as it is told.
    pub fn takes_commands(&self) -> bool {
        self.is_running() && self.head.origin == Origin::Trained
    }

    /// Whether its folder lies here, with checkpoints perhaps.
    pub fn is_kept_here(&self) -> bool {
        matches!(self.head.origin, Origin::Kept | Origin::Trained)
    }

    /// Whether a training can go on from the state before its crash.
    pub fn has_pre_crash(&self) -> bool {
        self.head.origin == Origin::Trained || self.head.has_pre_crash
    }

    /// Name for people.
    pub fn name(&self) -> &str {
        &self.head.meta.name
    }

    /// The probe at a step, or the last one before it, or the first.
    pub fn probe_step_near(&self, step: u64) -> Option<u64> {
        let before = self.state.probes.iter().rev().find(|probe| probe.step <= step);
        before.or(self.state.probes.first()).map(|probe| probe.step)
    }

    /// The steps of all probes, the one at `step` or the last before it first, then earlier ones, then later ones.
    pub fn probe_steps_from(&self, step: u64) -> Vec<u64> {
        let (before, after): (Vec<u64>, Vec<u64>) = self.state.probes.iter().map(|probe| probe.step).partition(|&known| known <= step);
        before.into_iter().rev().chain(after).collect()
    }
}

/// All runs the screens know.
#[derive(Debug, Default)]
pub struct Runs {
    /// The list, oldest first; none as long as it was not read.
    pub heads: Option<Vec<RunHead>>,
    /// What is wrong with unreadable runs.
    pub unreadable: Vec<String>,
    open: BTreeMap<RunKey, Run>,
    failed: BTreeMap<RunKey, String>,
    asked: Vec<RunKey>,
    /// What trainings that have not begun were to be.
    orders: BTreeMap<RunKey, Order>,
    slots: Vec<Option<RunKey>>,
}

impl Runs {
    /// An open run.
    pub fn get(&self, key: &RunKey) -> Option<&Run> {
        self.open.get(key)
    }

    /// An open run, to change it.
    pub fn get_mut(&mut self, key: &RunKey) -> Option<&mut Run> {
        self.open.get_mut(key)
    }

    /// All open runs.
    pub fn open(&self) -> impl Iterator<Item = &Run> {
        self.open.values()
    }

    /// All open runs, to change them.
    pub fn open_mut(&mut self) -> impl Iterator<Item = &mut Run> {
        self.open.values_mut()
    }

    /// Why a run cannot be shown.
    pub fn failure(&self, key: &RunKey) -> Option<&str> {
        self.failed.get(key).map(String::as_str)
    }

    /// What the list, or the open run, says of a run.
    pub fn head(&self, key: &RunKey) -> Option<&RunHead> {
        let listed = || self.heads.iter().flatten().find(|head| head.key == *key);
        self.open.get(key).map(|run| &run.head).or_else(listed)
    }

    /// Every run, open or listed, oldest first; trainings of these screens last.
    pub fn all_heads(&self) -> Vec<&RunHead> {
        let listed: Vec<&RunHead> = self.heads.iter().flatten().collect();
        let is_listed = |key: &RunKey| listed.iter().any(|head| head.key == *key);
        let others = self.open.values().map(|run| &run.head).filter(|head| !is_listed(&head.key));
        listed.iter().map(|head| self.open.get(&head.key).map_or(*head, |run| &run.head)).chain(others).collect()
    }

    /// Takes a run with all its events.
    pub fn insert(&mut self, run: Run) {
        self.failed.remove(&run.head.key);
        self.orders.remove(&run.head.key);
        self.open.insert(run.head.key.clone(), run);
    }

    /// Knows nothing of a run any more.
    pub fn forget(&mut self, key: &RunKey) {
        self.open.remove(key);
        self.failed.remove(key);
        self.asked.retain(|asked| asked != key);
        self.heads.iter_mut().for_each(|heads| heads.retain(|head| head.key != *key));
    }

    /// Knows a run under another name from now on.
    pub fn rename(&mut self, old: &RunKey, new: &RunKey) {
        if let Some(mut run) = self.open.remove(old) {
            run.head.key.clone_from(new);
            self.open.insert(new.clone(), run);
        }
        for key in self.asked.iter_mut().chain(self.slots.iter_mut().flatten()) {
            if key == old {
                key.clone_from(new);
            }
        }
    }

    /// Keeps the order of a training until it begins.
    pub fn note_order(&mut self, key: &RunKey, order: Order) {
        self.orders.insert(key.clone(), order);
    }

    /// The order of a training that never began, for another try.
    pub fn take_order(&mut self, key: &RunKey) -> Option<Order> {
        self.orders.remove(key)
    }

    /// Keeps the reason why a run cannot be shown, or why it ended; it gets no further events.
    pub fn fail(&mut self, key: &RunKey, reason: String) {
        if let Some(run) = self.open.get_mut(key) {
            run.head.is_live = false;
        }
        self.failed.insert(key.clone(), reason);
    }

    /// Forgets why a run could not be shown, so that it is tried again.
    pub fn forgive(&mut self, key: &RunKey) {
        self.failed.remove(key);
        self.asked.retain(|asked| asked != key);
    }

    /// Whether a run is on its way.
    pub fn is_asked_for(&self, key: &RunKey) -> bool {
        self.asked.contains(key)
    }

    /// Keeps in mind which runs are on their way.
    pub fn note_asked(&mut self, keys: &[RunKey]) {
        self.asked = keys.to_vec();
    }

    /// Gives every selected run a colour that stays its own while it is selected.
    pub fn assign_slots(&mut self, selected: &[RunKey]) {
        for slot in &mut self.slots {
            if slot.as_ref().is_some_and(|key| !selected.contains(key)) {
                *slot = None;
            }
        }
        for key in selected {
            if self.slots.iter().flatten().any(|taken| taken == key) {
                continue;
            }
            match self.slots.iter_mut().find(|slot| slot.is_none()) {
                Some(free) => *free = Some(key.clone()),
                None => self.slots.push(Some(key.clone())),
            }
        }
    }

    /// The place of a selected run in the row of colours.
    pub fn slot(&self, key: &RunKey) -> usize {
        self.slots.iter().position(|slot| slot.as_ref() == Some(key)).unwrap_or(0)
    }
}
