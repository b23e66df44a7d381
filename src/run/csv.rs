//! A run's series as one CSV table: a row for each step with a number.

use std::collections::BTreeMap;

use super::number::text;
use super::state::RunState;

/// Columns before the similarities.
const COLUMNS: [&str; 11] =
    ["step", "epoch", "loss", "lr", "grad_norm", "images_per_sec", "accuracy", "modal_frac", "eval_loss", "top1", "top5"];

/// The table. Evaluations and probes stand in the row of their step; what was not measured is
/// empty, and what is not finite is NaN, Infinity or -Infinity.
pub fn table(state: &RunState) -> String {
    let num_layers = state.probes.iter().map(|probe| probe.cossim.len()).max().unwrap_or(0);
    let mut rows: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut put = |step: u64, column: usize, value: Option<f64>| {
        let row = rows.entry(step).or_insert_with(|| vec![String::new(); COLUMNS.len() + num_layers - 1]);
        row[column - 1] = value.map(text).unwrap_or_default();
    };
    for stat in &state.steps {
        let own = [
            Some(stat.epoch),
            Some(stat.loss),
            Some(stat.lr),
            Some(stat.grad_norm),
            Some(stat.images_per_sec),
            stat.accuracy,
            stat.modal_frac,
        ];
        own.into_iter().zip(1..).for_each(|(value, column)| put(stat.step, column, value));
    }
    for eval in &state.evals {
        [eval.loss, eval.top1, eval.top5].into_iter().zip(8..).for_each(|(value, column)| put(eval.step, column, Some(value)));
    }
    for probe in &state.probes {
        probe.cossim.iter().zip(COLUMNS.len()..).for_each(|(&value, column)| put(probe.step, column, Some(value)));
    }
    let layers = (0..num_layers).map(|layer| format!("cossim_{layer}"));
    let titles: Vec<String> = COLUMNS.iter().map(|title| title.to_string()).chain(layers).collect();
    let mut csv = titles.join(",") + "\n";
    for (step, row) in rows {
        csv += &format!("{step},{}\n", row.join(","));
    }
    csv
}
