//! Runs sorted into a map: learning rate × warm-up for each stem. Pure functions.

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

/// The map of one stem.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrashMap {
    /// The stem in the paper's notation.
    pub stem: String,
    /// Learning rates after warm-up, ascending.
    pub lrs: Vec<f64>,
    /// Warm-ups in epochs, ascending.
    pub warmups: Vec<f64>,
    /// One row a learning rate, one column a warm-up.
    pub cells: Vec<Vec<Cell>>,
}

/// The maps of all stems, in alphabetical order. Runs whose config cannot be read are left out, and
/// so are those that are still under way.
pub fn maps(heads: &[&RunHead]) -> Vec<CrashMap> {
    let mut by_stem: BTreeMap<String, Vec<(f64, f64, &RunHead)>> = BTreeMap::new();
    for head in heads.iter().filter(|head| !head.is_live) {
        if let Some(experiment) = &parsed::config(&head.config_toml).experiment {
            let lr = experiment.optim.peak_lr(experiment.train.batch);
            by_stem.entry(experiment.model.stem.clone()).or_default().push((lr, experiment.schedule.warmup_epochs, head));
        }
    }
    by_stem.into_iter().map(|(stem, runs)| map(stem, &runs)).collect()
}

fn map(stem: String, runs: &[(f64, f64, &RunHead)]) -> CrashMap {
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
    CrashMap { stem, lrs, warmups, cells }
}

fn distinct(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}
