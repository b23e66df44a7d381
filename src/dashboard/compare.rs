//! Several runs as a table: what differs between them, and what came of it. Pure functions.

use std::collections::{BTreeMap, BTreeSet};

use super::host::{RunHead, RunKey};
use super::parsed;
use crate::run::alarm::Verdict;
use crate::run::number::short;

/// A row: a run, or runs that differ in the seed alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its runs.
    pub runs: Vec<RunKey>,
    /// The worst verdict of them.
    pub verdict: Verdict,
    /// Texts, one for each title.
    pub cells: Vec<String>,
}

/// A table of runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// Titles of the columns.
    pub titles: Vec<String>,
    /// The rows.
    pub rows: Vec<Row>,
}

/// Keys whose values are not the same in all runs, in order.
pub fn differing_keys(heads: &[&RunHead]) -> Vec<String> {
    let parsed: Vec<_> = heads.iter().map(|head| parsed::config(&head.config_toml)).collect();
    let keys: BTreeSet<&String> = parsed.iter().flat_map(|own| own.values.keys()).collect();
    let differs = |key: &&String| parsed.iter().any(|own| own.values.get(*key) != parsed[0].values.get(*key));
    keys.into_iter().filter(differs).cloned().collect()
}

/// The runs that differ in the seed alone, as groups, in the order of their first runs. One without a config stands alone.
pub fn groups_by_all_but_seed<'a>(heads: &[&'a RunHead]) -> Vec<Vec<&'a RunHead>> {
    let mut groups: Vec<(BTreeMap<String, String>, Vec<&RunHead>)> = Vec::new();
    for head in heads {
        let mut values = parsed::config(&head.config_toml).values.clone();
        values.remove("train.seed");
        match groups.iter_mut().find(|(own, _)| !values.is_empty() && *own == values) {
            Some((_, members)) => members.push(head),
            None => groups.push((values, vec![head])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// The table of these runs: columns of the config only where they differ; deltas to the baseline.
pub fn table(heads: &[&RunHead], is_grouped: bool, baseline: Option<&RunKey>) -> Table {
    let groups = if is_grouped { groups_by_all_but_seed(heads) } else { heads.iter().map(|head| vec![*head]).collect() };
    let mut keys = differing_keys(heads);
    if is_grouped {
        keys.retain(|key| key != "train.seed");
    }
    let base_top1 =
        baseline.and_then(|key| groups.iter().find(|group| group.iter().any(|head| head.key == *key))).and_then(|group| mean_best(group));
    let mut titles = vec!["run".to_string()];
    if is_grouped {
        titles.push("seeds".to_string());
    }
    titles.extend(keys.iter().cloned());
    titles.extend(["verdict", "best top-1"].map(str::to_string));
    if baseline.is_some() {
        titles.push("Δ to baseline".to_string());
    }
    titles.extend(["first crash", "steps", "loss", "parameters", "device"].map(str::to_string));
    let rows = groups.iter().map(|group| row(group, &keys, is_grouped, baseline.is_some(), base_top1)).collect();
    Table { titles, rows }
}

fn row(group: &[&RunHead], keys: &[String], is_grouped: bool, has_baseline: bool, base_top1: Option<f64>) -> Row {
    let first = &group[0].meta;
    let values = &parsed::config(&group[0].config_toml).values;
    let verdict = group.iter().map(|head| head.meta.verdict).max().unwrap_or_default();
    let mut cells = vec![first.name.clone()];
    if is_grouped {
        cells.push(group.len().to_string());
    }
    cells.extend(keys.iter().map(|key| values.get(key).cloned().unwrap_or_else(|| "–".to_string())));
    let crashed = group.iter().filter(|head| head.meta.crash.is_some()).count();
    cells.push(if group.len() > 1 && crashed > 0 {
        format!("{} {crashed}/{}", verdict.name(), group.len())
    } else {
        verdict.name().to_string()
    });
    cells.push(best_text(group));
    if has_baseline {
        let delta = mean_best(group).zip(base_top1).map(|(own, base)| format!("{:+.1} points", 100.0 * (own - base)));
        cells.push(delta.unwrap_or_else(|| "–".to_string()));
    }
    let crash = group.iter().filter_map(|head| head.meta.crash).min_by_key(|crash| crash.step);
    cells.push(crash.map_or_else(|| "–".to_string(), |crash| format!("{} at {}", super::words::alarm(crash.kind), crash.step)));
    cells.push(first.last.step.to_string());
    cells.push(first.last.loss.map_or_else(|| "–".to_string(), short));
    cells.push(crate::run::report::grouped(first.params));
    cells.push(first.device.clone());
    Row { runs: group.iter().map(|head| head.key.clone()).collect(), verdict, cells }
}

fn bests(group: &[&RunHead]) -> Vec<f64> {
    group.iter().filter_map(|head| head.meta.best.map(|best| best.top1)).collect()
}

fn mean_best(group: &[&RunHead]) -> Option<f64> {
    let bests = bests(group);
    (!bests.is_empty()).then(|| bests.iter().sum::<f64>() / bests.len() as f64)
}

/// `66.0 %`, over several seeds `66.0 ± 1.2 %` with the sample deviation.
fn best_text(group: &[&RunHead]) -> String {
    let bests = bests(group);
    let Some(mean) = mean_best(group) else { return "–".to_string() };
    if bests.len() < 2 {
        return format!("{:.1} %", 100.0 * mean);
    }
    let variance = bests.iter().map(|best| (best - mean).powi(2)).sum::<f64>() / (bests.len() - 1) as f64;
    format!("{:.1} ± {:.1} %", 100.0 * mean, 100.0 * variance.sqrt())
}
