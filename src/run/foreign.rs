//! Runs of other programs: the scalars of an event file as our events.
//!
//! What a series means is read from the words of its tag: `Loss/train`, `train_loss`, `val/acc1`,
//! `lr`, `grad_norm`, `similarity/03_block_1`. Where several tags fit, the one with the fewest words
//! is taken. Steps that count from 0 are moved by one, since ours count from 1; accuracies in
//! percent become shares. A number that was not recorded is 0 in a step (learning rate, norm,
//! speed) and NaN in an evaluation.
//!
//! The crash detector reads the steps as it reads ours. Such a file does not say how many classes there
//! are, so the loss of a guess is taken from the first losses; whether a run is *stuck*, which is
//! about nothing but that level, is not judged.

use std::collections::{BTreeMap, BTreeSet};

use super::alarm::Alarm;
use super::crash::Detector;
use super::event::{Eval, Event, Probe, Started, StepStat};
use super::line;
use super::number;
use super::tfevents::Scalar;
use crate::config::experiment::CrashConfig;

/// What a series holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Training loss.
    Loss,
    /// Learning rate.
    Lr,
    /// Global gradient norm.
    GradNorm,
    /// Images per second.
    Speed,
    /// Epochs, fractional.
    Epoch,
    /// Accuracy of the training batch.
    Accuracy,
    /// Loss of the evaluation.
    EvalLoss,
    /// Top-1 of the evaluation.
    Top1,
    /// Top-5 of the evaluation.
    Top5,
    /// Token similarity of this layer.
    Similarity(usize),
}

/// Words that say "of the evaluation".
const EVAL_WORDS: [&str; 6] = ["eval", "evaluation", "val", "valid", "validation", "test"];

/// The role of a tag by its words; none for a series we have no place for.
pub fn role_of(tag: &str) -> Option<Role> {
    let tag = tag.to_ascii_lowercase();
    let words: Vec<&str> = tag.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let has = |word: &str| words.contains(&word);
    let has_any = |some: &[&str]| some.iter().any(|word| has(word));
    let is_eval = has_any(&EVAL_WORDS);
    if has_any(&["similarity", "cossim"]) {
        let layer = words.iter().find_map(|word| word.parse().ok());
        return layer.filter(|&layer| layer < MAX_LAYERS).map(Role::Similarity);
    }
    if has("lr") || has("learning") && has("rate") {
        return Some(Role::Lr);
    }
    if has("grad") || has("gradient") || has("gradients") {
        // `grad_norm/stem` is the norm of a part.
        return (words.last() == Some(&"norm")).then_some(Role::GradNorm);
    }
    if has("images") && has("sec") || has("throughput") {
        return Some(Role::Speed);
    }
    if has("loss") {
        return Some(if is_eval { Role::EvalLoss } else { Role::Loss });
    }
    if has_any(&["top5", "acc5", "accuracy5"]) || has("top") && has("5") {
        return Some(Role::Top5);
    }
    if has_any(&["top1", "acc1"]) || has("top") && has("1") {
        return Some(if has("train") { Role::Accuracy } else { Role::Top1 });
    }
    if has_any(&["acc", "accuracy"]) {
        return Some(if is_eval { Role::Top1 } else { Role::Accuracy });
    }
    (words.last() == Some(&"epoch")).then_some(Role::Epoch)
}

/// Layers that a series' number may name.
const MAX_LAYERS: usize = 1000;
/// First losses whose median is taken for that of a guess.
const NUM_FIRST: usize = 5;
/// Classes at most that a first loss may stand for; larger losses are of something else.
const MAX_CLASSES: usize = 100_000;

/// A series by step.
type Series = BTreeMap<u64, f64>;

/// The events of a run with these scalars, in an order that replays; `name` is for people. Empty when
/// no series has a place.
pub fn events_from_scalars(name: &str, scalars: &[Scalar]) -> Vec<Event> {
    let series = SeriesByRole::new(scalars);
    let of = |role: Role| series.by_role.get(&role);
    let mut events = Vec::new();
    if let Some(losses) = of(Role::Loss) {
        let clock = clock_of(scalars, &series);
        let last = |role: Role, step: u64| of(role).and_then(|series| series.range(..=step).next_back()).map(|(_, &value)| value);
        for (&step, &loss) in losses {
            let stat = StepStat {
                step,
                epoch: last(Role::Epoch, step).unwrap_or(0.0),
                loss,
                lr: last(Role::Lr, step).unwrap_or(0.0),
                grad_norm: last(Role::GradNorm, step).unwrap_or(0.0),
                images_per_sec: last(Role::Speed, step).unwrap_or(0.0),
                wall_secs: clock.get(&step).copied(),
                non_finite: !number::is_finite(loss),
                accuracy: of(Role::Accuracy).and_then(|series| series.get(&step)).copied(),
                ..StepStat::default()
            };
            events.push(Event::Step(stat));
        }
        let alarms = alarms(&events);
        events.extend(alarms.into_iter().map(Event::Alarm));
    }
    events.extend(evals(of(Role::EvalLoss), of(Role::Top1), of(Role::Top5)));
    events.extend(probes(&series.by_role));
    if let Some(last_step) = events.iter().map(Event::step).max() {
        let started = Started { name: name.to_string(), total_steps: last_step, ..Started::default() };
        events.push(Event::Started(started));
    }
    line::sort_for_replay(&mut events);
    events
}

/// What the crash detector finds in these steps.
fn alarms(steps: &[Event]) -> Vec<Alarm> {
    let stats: Vec<&StepStat> = steps.iter().filter_map(|event| if let Event::Step(stat) = event { Some(stat) } else { None }).collect();
    let mut first: Vec<f64> = stats.iter().map(|stat| stat.loss).filter(|&loss| number::is_finite(loss)).take(NUM_FIRST).collect();
    first.sort_by(f64::total_cmp);
    // ln K is the loss of a guess among K classes.
    let guess = first.get(first.len() / 2).map_or(0.0, |loss| loss.exp());
    let num_classes = (guess.round() as usize).clamp(2, MAX_CLASSES);
    let mut detector = Detector::new(&CrashConfig::default(), num_classes, 0, 0);
    stats.into_iter().flat_map(|stat| detector.observe(stat)).collect()
}

/// Seconds from the first loss to each of them, by the clock of the program that wrote them, on our steps.
fn clock_of(scalars: &[Scalar], series: &SeriesByRole) -> Series {
    let own = scalars.iter().filter(|scalar| series.tags.get(&Role::Loss) == Some(&scalar.tag));
    let at: Series = own.map(|scalar| (series.step_of(scalar), scalar.at.wall_secs)).collect();
    let first_secs = at.values().copied().find(|secs| secs.is_finite()).unwrap_or(0.0);
    // A clock that was set back would draw a curve backwards.
    let mut latest: f64 = 0.0;
    at.into_iter()
        .map(|(step, secs)| {
            latest = latest.max(if secs.is_finite() { secs - first_secs } else { 0.0 });
            (step, latest)
        })
        .collect()
}

/// The series that have a role, on our steps.
struct SeriesByRole {
    by_role: BTreeMap<Role, Series>,
    /// The tag that each role was read from.
    tags: BTreeMap<Role, String>,
    /// Added to the file's steps.
    shift: u64,
}

impl SeriesByRole {
    fn new(scalars: &[Scalar]) -> Self {
        let mut tags: BTreeMap<Role, String> = BTreeMap::new();
        let size = |tag: &str| (tag.split(|letter: char| !letter.is_ascii_alphanumeric()).count(), tag.to_string());
        for scalar in scalars {
            if let Some(role) = role_of(&scalar.tag) {
                let tag = tags.entry(role).or_insert_with(|| scalar.tag.clone());
                if size(&scalar.tag) < size(tag) {
                    tag.clone_from(&scalar.tag);
                }
            }
        }
        let first_loss = scalars.iter().filter(|scalar| tags.get(&Role::Loss) == Some(&scalar.tag)).map(|scalar| scalar.at.step).min();
        let mut series = Self { by_role: BTreeMap::new(), tags, shift: u64::from(first_loss == Some(0)) };
        for (&role, tag) in &series.tags {
            let own = scalars.iter().filter(|scalar| scalar.tag == *tag);
            let mut values: Series = own.map(|scalar| (series.step_of(scalar), scalar.value)).collect();
            let is_percent = matches!(role, Role::Accuracy | Role::Top1 | Role::Top5) && values.values().any(|&value| value > 1.0);
            if is_percent {
                values.values_mut().for_each(|value| *value /= 100.0);
            }
            series.by_role.insert(role, values);
        }
        series
    }

    fn step_of(&self, scalar: &Scalar) -> u64 {
        u64::try_from(scalar.at.step).unwrap_or(0) + self.shift
    }
}

fn evals(loss: Option<&Series>, top1: Option<&Series>, top5: Option<&Series>) -> Vec<Event> {
    let steps: BTreeSet<u64> = [loss, top1].into_iter().flatten().flat_map(Series::keys).copied().collect();
    let at = |series: Option<&Series>, step: u64| series.and_then(|series| series.get(&step)).copied().unwrap_or(f64::NAN);
    steps.into_iter().map(|step| Event::Eval(Eval { step, loss: at(loss, step), top1: at(top1, step), top5: at(top5, step) })).collect()
}

fn probes(series: &BTreeMap<Role, Series>) -> Vec<Event> {
    let mut by_step: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for (role, values) in series {
        let &Role::Similarity(layer) = role else { continue };
        for (&step, &value) in values {
            let cossim = by_step.entry(step).or_default();
            cossim.resize(cossim.len().max(layer + 1), f64::NAN);
            cossim[layer] = value;
        }
    }
    by_step.into_iter().map(|(step, cossim)| Event::Probe(Probe { step, cossim, updates: Vec::new() })).collect()
}
