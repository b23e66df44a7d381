//! What gave way in which order before an alarm, as a table. Pure functions of a run.

use super::runs::Run;
use super::words;
use crate::run::alarm::Alarm;
use crate::run::event::StepStat;
use crate::run::number::{is_finite, short};
use crate::run::story::{Onset, Story, WATCH_STEPS};

/// A number of the whole network is out of the ordinary from so many times its median before the event.
const OUTSIZE: f64 = 3.0;

/// One line: when, and what left the ordinary.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Steps before the event; 0 is the event.
    pub steps_before: u64,
    /// What left the ordinary, with its numbers.
    pub what: String,
}

/// How an alarm came about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cascade {
    /// What happened, the first first.
    pub stages: Vec<Stage>,
    /// What did not, or why nothing is known.
    pub notes: Vec<String>,
    /// Steps from the kept state to the event, where there is one.
    pub snapshot_steps_before: Option<u64>,
}

/// The way to `alarm`: gradient norms by group, norm and loss of the whole network, alarms.
pub fn cascade(run: &Run, alarm: &Alarm) -> Cascade {
    let story = Story::of(&run.state).filter(|story| story.step == alarm.step);
    let mut cascade = Cascade::default();
    if let Some(story) = &story {
        cascade.stages.extend(story.cascade.iter().map(stage_of));
        cascade.snapshot_steps_before = story.snapshot_steps_before;
        if let Some(why) = story.missing {
            cascade.notes.push(words::sentence(why));
        } else if story.cascade.is_empty() {
            cascade.notes.push("Every group's gradients stayed near their usual size".to_string());
        } else if !story.calm.is_empty() {
            cascade.notes.push(format!("Usual to the end: {}", story.calm.join(", ")));
        }
    }
    let first_step = alarm.step.saturating_sub(WATCH_STEPS as u64);
    let window: Vec<_> = run.state.steps.iter().filter(|stat| (first_step..=alarm.step).contains(&stat.step)).collect();
    cascade.stages.extend(outsize(&window, "gradient norm of the whole network", alarm, |stat| stat.grad_norm));
    cascade.stages.extend(outsize(&window, "loss", alarm, |stat| stat.loss));
    for earlier in run.state.alarms.iter().filter(|earlier| (first_step..=alarm.step).contains(&earlier.step)) {
        let first = earlier.first.as_ref().map_or(String::new(), |first| format!(", first in {first}"));
        let what = format!("{}{first}", words::alarm(earlier.kind));
        cascade.stages.push(Stage { steps_before: alarm.step - earlier.step, what });
    }
    cascade.stages.sort_by_key(|stage| std::cmp::Reverse(stage.steps_before));
    cascade
}

fn stage_of(onset: &Onset) -> Stage {
    let ratio = |norm: f64| {
        let ratio = norm / onset.usual;
        match ratio {
            ratio if !is_finite(ratio) => short(norm),
            ratio if ratio >= 1.0 => format!("{} × its usual {}", short((10.0 * ratio).round() / 10.0), short(onset.usual)),
            ratio => format!("1/{} of its usual {}", short((10.0 / ratio).round() / 10.0), short(onset.usual)),
        }
    };
    Stage { steps_before: onset.steps_before, what: format!("{}: gradient norm {}", onset.group, ratio(onset.norm)) }
}

/// The first step of the later half at which a number is far above its median in the earlier half.
fn outsize(window: &[&StepStat], name: &str, alarm: &Alarm, value: fn(&StepStat) -> f64) -> Option<Stage> {
    let (before, after) = window.split_at(window.len() / 2);
    let mut calm: Vec<f64> = before.iter().map(|stat| value(stat)).filter(|&value| is_finite(value)).collect();
    calm.sort_by(f64::total_cmp);
    let median = *calm.get(calm.len() / 2)?;
    let is_out = |stat: &&&StepStat| !is_finite(value(stat)) || value(stat) > OUTSIZE * median.max(1e-12);
    let stat = after.iter().find(is_out)?;
    let what = format!("{name} {}, {} in the calm before", short(value(stat)), short(median));
    Some(Stage { steps_before: alarm.step - stat.step, what })
}
