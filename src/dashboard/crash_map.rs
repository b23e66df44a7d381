//! Runs sorted into a map: learning rate × warm-up for each stem, and for each setting of everything else. Pure functions.

use std::collections::BTreeMap;

use super::host::{RunHead, RunKey};
use super::parsed;

/// Runs of one stem, learning rate and warm-up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The runs, one for each seed.
    pub runs: Vec<RunKey>,
    /// How many of them crashed.
    pub num_crashed: usize,
    /// Their best top-1, as far as they have one.
    pub top1s: Vec<f64>,
}

impl Cell {
    /// Share of the runs that crashed.
    pub fn crash_frac(&self) -> f64 {
        self.num_crashed as f64 / self.runs.len().max(1) as f64
    }

    /// Mean of the best top-1.
    pub fn mean_top1(&self) -> Option<f64> {
        (!self.top1s.is_empty()).then(|| self.top1s.iter().sum::<f64>() / self.top1s.len() as f64)
    }
}

/// The map of one stem, with everything but learning rate, warm-up and seed alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrashMap {
    /// The stem in the paper's notation.
    pub stem: String,
    /// What tells it from the stem's other maps: `model.depth 6, train.batch 64`; empty where there is no other.
    pub setting: String,
    /// Learning rates after warm-up, ascending.
    pub lrs: Vec<f64>,
    /// Warm-ups in epochs, ascending.
    pub warmups: Vec<f64>,
    /// One row a learning rate, one column a warm-up.
    pub cells: Vec<Vec<Cell>>,
}

/// What a map leaves open, and the stem, which names it.
const OPEN_KEYS: [&str; 4] = ["model.stem", "optim.lr", "schedule.warmup_epochs", "train.seed"];
/// Words of a setting at most.
const MAX_WORDS: usize = 4;

/// A run with its place: learning rate, warm-up.
type Placed<'a> = (f64, f64, &'a RunHead);

/// Runs of one stem and one setting of everything else.
#[derive(Default)]
struct Setting<'a> {
    values: BTreeMap<String, String>,
    runs: Vec<Placed<'a>>,
}

/// The maps of all stems, in alphabetical order. Runs whose config cannot be read are left out, and
/// so are those that are still under way.
pub fn maps(heads: &[&RunHead]) -> Vec<CrashMap> {
    let mut by_stem: BTreeMap<String, Vec<Setting>> = BTreeMap::new();
    for head in heads.iter().filter(|head| !head.is_live) {
        let parsed = parsed::config(&head.config_toml);
        let Some(experiment) = &parsed.experiment else { continue };
        let mut values = parsed.values.clone();
        values.retain(|key, _| !OPEN_KEYS.contains(&key.as_str()));
        let placed = (experiment.optim.peak_lr(experiment.train.batch), experiment.schedule.warmup_epochs, *head);
        let settings = by_stem.entry(experiment.model.stem.clone()).or_default();
        match settings.iter_mut().find(|setting| setting.values == values) {
            Some(setting) => setting.runs.push(placed),
            None => settings.push(Setting { values, runs: vec![placed] }),
        }
    }
    let maps_of = |(stem, settings): (String, Vec<Setting>)| -> Vec<CrashMap> {
        settings.iter().map(|setting| map(stem.clone(), words(setting, &settings), &setting.runs)).collect()
    };
    by_stem.into_iter().flat_map(maps_of).collect()
}

/// What a setting says where the settings of a stem are not alike.
fn words(setting: &Setting, all: &[Setting]) -> String {
    let differs = |key: &&String| all.iter().any(|other| other.values.get(*key) != setting.values.get(*key));
    let keys: Vec<&String> = setting.values.keys().filter(differs).collect();
    let mut words: Vec<String> = keys.iter().take(MAX_WORDS).map(|key| format!("{key} {}", setting.values[*key])).collect();
    if keys.len() > MAX_WORDS {
        words.push(format!("{} more", keys.len() - MAX_WORDS));
    }
    words.join(", ")
}

fn map(stem: String, setting: String, runs: &[Placed]) -> CrashMap {
    let lrs = distinct(runs.iter().map(|run| run.0));
    let warmups = distinct(runs.iter().map(|run| run.1));
    let mut cells = vec![vec![Cell::default(); warmups.len()]; lrs.len()];
    let place = |values: &[f64], value: f64| values.iter().position(|&known| known == value);
    for (lr, warmup, head) in runs {
        let (Some(row), Some(column)) = (place(&lrs, *lr), place(&warmups, *warmup)) else { continue };
        let cell = &mut cells[row][column];
        cell.runs.push(head.key.clone());
        cell.num_crashed += usize::from(head.meta.crash.is_some());
        cell.top1s.extend(head.meta.best.map(|best| best.top1));
    }
    CrashMap { stem, setting, lrs, warmups, cells }
}

fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}
