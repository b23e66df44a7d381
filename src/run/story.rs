//! The story of a crash: which parameter group's gradients left their usual size first, and how many steps
//! before the event. A pure function of a run's state, the same for a terminal and for the dashboard.
//!
//! A group's usual size is the median of its gradient norm over [`USUAL_STEPS`] steps that end
//! [`WATCH_STEPS`] before the event (or in the middle of what there is). Its onset is the first later step
//! from which on the norm stays outside what is usual: more than [`MIN_RATIO`] times it, or less than a part
//! of it, by more than [`MIN_DEVIATIONS`] robust deviations of its logarithm; or is not finite.

use serde::Serialize;

use super::alarm::{Alarm, AlarmKind};
use super::event::StepStat;
use super::number::{is_finite, short};
use super::state::RunState;
use super::window::Window;

/// Steps before the event in which an onset is looked for.
pub const WATCH_STEPS: usize = 200;
/// Steps that say what is usual.
const USUAL_STEPS: usize = 128;
/// Fewer steps than this say nothing.
const MIN_USUAL_STEPS: usize = 8;
/// Least factor between a norm and its usual size.
pub(super) const MIN_RATIO: f64 = 3.0;
/// Least distance in robust deviations of the logarithm.
pub(super) const MIN_DEVIATIONS: f64 = 5.0;
/// An onset counts if so many of the next steps are outside as well …
const STAY_STEPS: usize = 5;
/// … but for one.
const STAY_MISSES: usize = 1;

/// How a crash came about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Story {
    /// The fatal alarm.
    pub kind: AlarmKind,
    /// Its step, t0.
    pub step: u64,
    /// First op with a non-finite result, where the run has looked for it.
    pub first_op: Option<String>,
    /// Groups whose gradients left their usual size, the first one first.
    pub cascade: Vec<Onset>,
    /// Groups that stayed usual up to the event.
    pub calm: Vec<String>,
    /// Steps from the state in `checkpoints/pre-crash.safetensors` to the event.
    pub snapshot_steps_before: Option<u64>,
    /// Why there is no cascade, where there is none.
    pub missing: Option<&'static str>,
}

/// Where one group's gradients left their usual size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Onset {
    /// `patch_embed`, `blocks.3.attn`, `head`.
    pub group: String,
    /// The step.
    pub step: u64,
    /// Steps from there to the event.
    pub steps_before: u64,
    /// The norm at that step.
    #[serde(with = "super::number")]
    pub norm: f64,
    /// Its usual size.
    pub usual: f64,
    /// The norm furthest from it up to the event.
    #[serde(with = "super::number")]
    pub worst: f64,
}

impl Story {
    /// The story of a run's first fatal alarm; none of a run without one.
    pub fn of(state: &RunState) -> Option<Self> {
        let alarm = state.alarms.iter().find(|alarm| alarm.is_fatal())?;
        let steps: Vec<&StepStat> = state.steps.iter().filter(|stat| stat.step <= alarm.step).collect();
        let names = &state.standing.started.groups;
        let watched = WATCH_STEPS.min(steps.len() / 2);
        let (before, after) = steps.split_at(steps.len() - watched);
        let usual = &before[before.len().saturating_sub(USUAL_STEPS)..];
        let mut story = Self {
            kind: alarm.kind,
            step: alarm.step,
            first_op: first_op(alarm),
            cascade: Vec::new(),
            calm: Vec::new(),
            snapshot_steps_before: snapshot_step(state).map(|step| alarm.step.saturating_sub(step)),
            missing: None,
        };
        if names.is_empty() {
            story.missing = Some("the run has recorded no gradient norms per group");
        } else if usual.len() < MIN_USUAL_STEPS {
            story.missing = Some("too few steps lie before the event to say what was usual");
        } else {
            for (group_ix, name) in names.iter().enumerate() {
                match onset(name, group_ix, usual, after, alarm.step) {
                    Some(onset) => story.cascade.push(onset),
                    None => story.calm.push(name.clone()),
                }
            }
            // Of equals the one nearer the stem comes first: the order of the names.
            story.cascade.sort_by_key(|onset| onset.step);
        }
        Some(story)
    }

    /// A line for each group, then the event.
    pub fn lines(&self) -> Vec<String> {
        let width = self.cascade.iter().map(|onset| onset.group.chars().count()).max().unwrap_or(0);
        let mut lines: Vec<String> = self.cascade.iter().map(|onset| onset.line(width)).collect();
        let place = self.first_op.as_ref().map_or(String::new(), |op| format!(", first in {op}"));
        lines.push(format!("t0     {} at step {}{place}", self.kind.name(), self.step));
        lines.extend(self.missing.map(|why| format!("no cascade: {why}")));
        if !self.calm.is_empty() && !self.cascade.is_empty() {
            lines.push(format!("usual to the end: {}", self.calm.join(", ")));
        } else if self.cascade.is_empty() && self.missing.is_none() {
            lines.push("every group's gradients stayed near their usual size".to_string());
        }
        if let Some(steps) = self.snapshot_steps_before {
            lines.push(format!("checkpoints/pre-crash.safetensors holds the state {steps} steps before the event"));
        }
        lines
    }
}

impl Onset {
    fn line(&self, width: usize) -> String {
        let change = |norm: f64| match norm / self.usual {
            ratio if !is_finite(ratio) => short(norm),
            ratio if ratio >= 1.0 => format!("{} ×", short2(ratio)),
            ratio => format!("1/{} of", short2(1.0 / ratio)),
        };
        let Self { group, steps_before, norm, usual, worst, .. } = self;
        let later = if change(*worst) == change(*norm) { String::new() } else { format!(", then {}", change(*worst)) };
        format!("t−{steps_before:<4} {group:width$}  gradient norm {} its usual {}{later}", change(*norm), short(*usual))
    }
}

/// Two digits for a factor.
fn short2(ratio: f64) -> String {
    if ratio < 10.0 { format!("{ratio:.1}") } else { short(ratio.round()) }
}

fn first_op(alarm: &Alarm) -> Option<String> {
    alarm.first.clone().filter(|_| alarm.kind == AlarmKind::NonFinite)
}

/// The step of the state in the pre-crash checkpoint.
fn snapshot_step(state: &RunState) -> Option<u64> {
    let is_snapshot = |path: &str| path.ends_with("pre-crash.safetensors");
    let checkpoint = state.checkpoints.iter().rev().find(|checkpoint| is_snapshot(&checkpoint.path))?;
    Some(checkpoint.state_step.unwrap_or(checkpoint.step))
}

fn onset(name: &str, group_ix: usize, usual: &[&StepStat], watched: &[&StepStat], event_step: u64) -> Option<Onset> {
    let norm = |stat: &StepStat| stat.groups.get(group_ix).copied();
    let mut logs = Window::new(usual.len());
    usual.iter().filter_map(|stat| norm(stat)).filter(|norm| is_finite(*norm) && *norm > 0.0).for_each(|norm| logs.push(norm.ln()));
    let centre = logs.median(MIN_USUAL_STEPS)?;
    let limit = MIN_RATIO.ln().max(MIN_DEVIATIONS * logs.sigma(centre));
    let distance = |norm: f64| if is_finite(norm) && norm > 0.0 { (norm.ln() - centre).abs() } else { f64::INFINITY };
    let norms: Vec<(u64, f64)> = watched.iter().filter_map(|stat| Some((stat.step, norm(stat)?))).collect();
    let stays = |from: usize| {
        let next = &norms[from..(from + STAY_STEPS).min(norms.len())];
        next.iter().filter(|(_, norm)| distance(*norm) <= limit).count() <= STAY_MISSES.min(next.len() - 1)
    };
    let first_ix = (0..norms.len()).find(|ix| distance(norms[*ix].1) > limit && stays(*ix))?;
    let (step, first) = norms[first_ix];
    let worst = norms[first_ix..].iter().map(|(_, norm)| *norm).max_by(|a, b| distance(*a).total_cmp(&distance(*b)))?;
    Some(Onset { group: name.to_string(), step, steps_before: event_step - step, norm: first, usual: centre.exp(), worst })
}
