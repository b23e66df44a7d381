//! Runs for TensorBoard: our events as records of an event file.
//!
//! Tags: `train/{loss,lr,grad_norm,images_per_sec,accuracy,modal_frac,epoch}`,
//! `eval/{loss,top1,top5}`, `similarity/00_stem`, `similarity/01_position`,
//! `similarity/02_block_0` …, `grad_norm/GROUP`, the text `events` with alarms and what else is worth
//! a line, and the config as hyperparameters, whose status is our verdict: a run that crashed or is
//! stuck is a failure.

use super::alarm::Verdict;
use super::event::{Event, Status, StepStat};
use super::number::is_finite;
use super::read::Recorded;
use super::tfevents::{self, At, Outcome, Setting};
use crate::platform::calendar;

/// Series of a step: tag and value.
type Series = (&'static str, fn(&StepStat) -> Option<f64>);

const STEP_SERIES: [Series; 8] = [
    ("train/loss", |stat| Some(stat.loss)),
    ("train/lr", |stat| Some(stat.lr)),
    ("train/grad_norm", |stat| Some(stat.grad_norm)),
    ("train/images_per_sec", |stat| Some(stat.images_per_sec)),
    ("train/epoch", |stat| Some(stat.epoch)),
    ("train/accuracy", |stat| stat.accuracy),
    ("train/modal_frac", |stat| stat.modal_frac),
    ("train/loss_scale", |stat| stat.loss_scale),
];

/// Turns events into records.
#[derive(Clone, Debug, Default)]
pub struct Scribe {
    config_toml: String,
    groups: Vec<String>,
}

impl Scribe {
    /// For a run with this config.
    pub fn new(config_toml: &str) -> Self {
        Self { config_toml: config_toml.to_string(), groups: Vec::new() }
    }

    /// The records of an event that was told at `wall_secs` since 1970; empty for those without any.
    pub fn apply(&mut self, event: &Event, wall_secs: f64) -> Vec<u8> {
        let at = At { step: event.step() as i64, wall_secs };
        match event {
            Event::Started(started) => {
                self.groups.clone_from(&started.groups);
                let settings = settings_from_toml(&self.config_toml);
                [tfevents::settings(at, &settings), tfevents::text("events", at, &event.why())].concat()
            }
            Event::Resumed(resumed) => {
                // What stands at the checkpoint's step still counts.
                let restart = tfevents::restart(At { step: resumed.step as i64 + 1, wall_secs });
                [restart, tfevents::text("events", at, &event.why())].concat()
            }
            Event::Step(stat) => self.step(stat, at),
            Event::Eval(eval) => tfevents::scalars(at, &[("eval/loss", eval.loss), ("eval/top1", eval.top1), ("eval/top5", eval.top5)]),
            Event::Probe(probe) => {
                let layers: Vec<(String, f64)> = probe.cossim.iter().enumerate().map(|(ix, &value)| (layer_tag(ix), value)).collect();
                tfevents::scalars(at, &layers)
            }
            Event::Alarm(alarm) => tfevents::text("events", at, &format!("**{}**: {}", alarm.kind.name(), alarm.why)),
            Event::LrChanged(_) | Event::DeviceLost(_) | Event::Unreadable(_) | Event::Overflow(_) => {
                tfevents::text("events", at, &event.why())
            }
            Event::Checkpoint(_) => Vec::new(),
            Event::Ended(ended) => {
                let is_failure = ended.status == Status::Crashed || ended.verdict >= Verdict::Stuck;
                let outcome = tfevents::outcome(at, if is_failure { Outcome::Failure } else { Outcome::Success });
                [tfevents::text("events", at, &event.why()), outcome].concat()
            }
        }
    }

    fn step(&self, stat: &StepStat, at: At) -> Vec<u8> {
        let own = STEP_SERIES.iter().filter_map(|(tag, value)| Some((tag.to_string(), value(stat)?)));
        let groups = self.groups.iter().zip(&stat.groups).map(|(group, &norm)| (format!("grad_norm/{group}"), norm));
        tfevents::scalars(at, &own.chain(groups).collect::<Vec<_>>())
    }
}

/// A whole recorded run as one event file. Times are reckoned from its id and its speed, as a run
/// folder holds no times of its own.
pub fn file_from_run(run: &Recorded) -> Vec<u8> {
    let mut wall_secs = started_secs(run);
    let batch = batch_of(&run.config_toml);
    let mut scribe = Scribe::new(&run.config_toml);
    let mut bytes = tfevents::version(wall_secs);
    for event in &run.events {
        if let Event::Step(stat) = event
            && is_finite(stat.images_per_sec)
            && stat.images_per_sec > 0.0
        {
            wall_secs += batch / stat.images_per_sec;
        }
        bytes.extend(scribe.apply(event, wall_secs));
    }
    bytes
}

/// Name of an event file: TensorBoard sorts a run's files by it.
pub fn file_name(wall_secs: f64) -> String {
    format!("events.out.tfevents.{:010}.vitrine", wall_secs as u64)
}

/// The second in the name of an event file.
pub fn secs_of(file_name: &str) -> Option<u64> {
    file_name.strip_prefix("events.out.tfevents.")?.split('.').next()?.parse().ok()
}

/// Seconds since 1970 at which a run began, by its id; 0 for an id without a time.
pub fn started_secs(run: &Recorded) -> f64 {
    let stamp: String = run.header.meta.id.chars().take("20260509-073045".len()).collect();
    calendar::secs_from_stamp(&stamp).unwrap_or(0) as f64
}

fn batch_of(config_toml: &str) -> f64 {
    let config: toml::Table = config_toml.parse().unwrap_or_default();
    let batch = config.get("train").and_then(|train| train.get("batch")).and_then(toml::Value::as_integer);
    batch.unwrap_or(0) as f64
}

/// Tag of a layer's similarity; the digits keep the layers in order on the page.
fn layer_tag(layer_ix: usize) -> String {
    match layer_ix {
        0 => "similarity/00_stem".to_string(),
        1 => "similarity/01_position".to_string(),
        _ => format!("similarity/{layer_ix:02}_block_{}", layer_ix - 2),
    }
}

/// The config as hyperparameters `section.key`.
fn settings_from_toml(config_toml: &str) -> Vec<(String, Setting)> {
    let config: toml::Table = config_toml.parse().unwrap_or_default();
    let mut settings = Vec::new();
    for (section, table) in &config {
        for (key, value) in table.as_table().into_iter().flatten() {
            let setting = match value {
                toml::Value::Integer(value) => Setting::Number(*value as f64),
                toml::Value::Float(value) => Setting::Number(*value),
                toml::Value::Boolean(value) => Setting::Flag(*value),
                toml::Value::String(value) => Setting::Words(value.clone()),
                other => Setting::Words(other.to_string()),
            };
            settings.push((format!("{section}.{key}"), setting));
        }
    }
    settings
}
