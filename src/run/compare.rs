//! Runs side by side: how they went, and only the settings in which they differ.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::alarm::Crash;
use super::meta::RunMeta;
use super::number::{self, short};
use super::read::Recorded;
use super::report::{aligned, glyph, grouped, layer_name, percent, verdict_text};
use super::state::{Best, RunState};

/// What a run's column says where a run has no such key or number.
const NONE: &str = "–";

/// A comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// How each run went.
    pub runs: Vec<Column>,
    /// Settings in which they differ: for each key the value of each run, null where a run has none.
    pub differs: BTreeMap<String, Vec<Option<serde_json::Value>>>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Its id.
    pub id: String,
    /// Its status for people.
    pub status: String,
    /// Its verdict.
    pub verdict: String,
    /// The first crash.
    pub crash: Option<Crash>,
    /// The best evaluation.
    pub best: Option<Best>,
    /// Steps made.
    pub steps: u64,
    /// Training loss of the last step.
    #[serde(with = "number::option")]
    pub loss: Option<f64>,
    /// Loss of the last evaluation.
    #[serde(with = "number::option")]
    pub eval_loss: Option<f64>,
    /// Trainable numbers.
    pub params: u64,
    /// Device and adapter.
    pub device: String,
    /// Hash of the images.
    pub data_hash: String,
    /// Token similarity per layer of the last probe.
    #[serde(with = "number::list")]
    pub similarity: Vec<f64>,
    #[serde(skip)]
    verdict_text: String,
}

impl Column {
    fn new(run: &Recorded) -> Self {
        let state = RunState::from_events(&run.events);
        let mut meta: RunMeta = run.header.meta.clone();
        // A killed run has later numbers in its series than in its run.json.
        meta.update(&state.standing);
        Self {
            verdict_text: format!("{} {}", glyph(meta.verdict), verdict_text(&meta)),
            id: meta.id,
            status: run.header.status_text().to_string(),
            verdict: meta.verdict.name().to_string(),
            crash: meta.crash,
            best: meta.best,
            steps: meta.last.step,
            loss: meta.last.loss,
            eval_loss: meta.last.eval_loss,
            params: meta.params,
            device: meta.device,
            data_hash: meta.data.hash,
            similarity: meta.last.cossim,
        }
    }
}

/// Compares runs, in the order given.
pub fn compare(runs: &[Recorded]) -> Comparison {
    let configs: Vec<BTreeMap<String, toml::Value>> = runs.iter().map(|run| settings(&run.config_toml)).collect();
    let keys: BTreeSet<&String> = configs.iter().flat_map(BTreeMap::keys).collect();
    let mut differs = BTreeMap::new();
    for key in keys {
        let values: Vec<Option<&toml::Value>> = configs.iter().map(|config| config.get(key)).collect();
        if values.windows(2).any(|pair| pair[0] != pair[1]) {
            differs.insert(key.clone(), values.into_iter().map(|value| value.map(json)).collect());
        }
    }
    Comparison { runs: runs.iter().map(Column::new).collect(), differs }
}

/// The keys of a config as `section.key`.
fn settings(config_toml: &str) -> BTreeMap<String, toml::Value> {
    let config: toml::Table = config_toml.parse().unwrap_or_default();
    let mut settings = BTreeMap::new();
    for (section, value) in config {
        match value {
            toml::Value::Table(table) => settings.extend(table.into_iter().map(|(key, value)| (format!("{section}.{key}"), value))),
            value => {
                settings.insert(section, value);
            }
        }
    }
    settings
}

fn json(value: &toml::Value) -> serde_json::Value {
    match value {
        toml::Value::Float(value) => number::word(*value).map_or_else(|| (*value).into(), Into::into),
        toml::Value::Array(values) => values.iter().map(json).collect(),
        other => serde_json::to_value(other).unwrap_or_else(|_| other.to_string().into()),
    }
}

impl Comparison {
    /// A table with a column for each run; of what all have in common, only how they went.
    pub fn text(&self) -> String {
        let mut rows: Vec<Vec<String>> = Vec::new();
        self.push(&mut rows, "run", |run| run.id.clone());
        self.push(&mut rows, "verdict", |run| run.verdict_text.clone());
        self.push(&mut rows, "status", |run| format!("{}, {} steps", run.status, run.steps));
        self.push(&mut rows, "best top-1", |run| {
            run.best.map_or(NONE.to_string(), |best| format!("{} at step {}", percent(best.top1), best.step))
        });
        self.push(&mut rows, "first crash", |run| run.crash.map_or(NONE.to_string(), |crash| format!("step {}", crash.step)));
        self.push(&mut rows, "train loss", |run| run.loss.map_or(NONE.to_string(), short));
        self.push(&mut rows, "test loss", |run| run.eval_loss.map_or(NONE.to_string(), short));
        for (title, column) in [
            ("parameters", (|run| grouped(run.params)) as fn(&Column) -> String),
            ("device", |run| run.device.clone()),
            ("images", |run| run.data_hash.clone()),
        ] {
            if self.runs.windows(2).any(|pair| column(&pair[0]) != column(&pair[1])) {
                self.push(&mut rows, title, column);
            }
        }
        let num_layers = self.runs.iter().map(|run| run.similarity.len()).max().unwrap_or(0);
        for layer_ix in 0..num_layers {
            let title = format!("{}{}", if layer_ix == 0 { "similarity  " } else { "            " }, layer_name(layer_ix));
            self.push(&mut rows, &title, |run| run.similarity.get(layer_ix).map_or(NONE.to_string(), |&value| short(value)));
        }
        let settings = self.differs.iter().map(|(key, values)| {
            let texts = values.iter().map(|value| value.as_ref().map_or(NONE.to_string(), plain));
            std::iter::once(key.clone()).chain(texts).collect()
        });
        let num_before = rows.len();
        rows.extend(settings);
        let table = aligned(&rows);
        let mut lines: Vec<&str> = table.lines().collect();
        let heading = if self.differs.is_empty() { "\nthe settings are the same" } else { "\nsettings that differ" };
        lines.insert(num_before, heading);
        lines.join("\n") + "\n"
    }

    fn push(&self, rows: &mut Vec<Vec<String>>, title: &str, cell: impl Fn(&Column) -> String) {
        rows.push(std::iter::once(title.to_string()).chain(self.runs.iter().map(cell)).collect());
    }
}

/// A value without the quotes of JSON.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
