//! Tables as CSV and Markdown.

use crate::dashboard::compare::Table;
use crate::dashboard::crash_map::CrashMap;
use crate::dashboard::host::Checkup;
use crate::dashboard::panels::tokens::layer_name;
use crate::dashboard::runs::Run;
use crate::run::number::text;
use crate::run::probe::{Maps, Theorem1};

/// A table as CSV.
pub fn table_csv(table: &Table) -> String {
    let line = |cells: &[String]| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n";
    line(&table.titles) + &table.rows.iter().map(|row| line(&row.cells)).collect::<String>()
}

/// A table as Markdown.
pub fn table_markdown(table: &Table) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "));
    let rule = vec!["---".to_string(); table.titles.len()];
    line(&table.titles) + &line(&rule) + &table.rows.iter().map(|row| line(&row.cells)).collect::<String>()
}

/// Similarity of tokens by layer, of every probe of these runs.
pub fn similarity_csv(runs: &[&Run]) -> String {
    let rows = runs.iter().flat_map(|run| {
        run.state.probes.iter().flat_map(|probe| {
            let row = |(layer, &value): (usize, &f64)| vec![run.name().to_string(), probe.step.to_string(), layer_name(layer), text(value)];
            probe.cossim.iter().enumerate().map(row)
        })
    });
    csv(&["run", "step", "layer", "similarity"], rows)
}

/// Mean distance and entropy of every head of a probe.
pub fn heads_csv(maps: &Maps) -> String {
    let [num_blocks, num_heads] = maps.attention.distance.shape[..] else { return String::new() };
    let number = |array: &crate::run::probe::Array, at: &[usize]| array.at(at).map_or(String::new(), |value| text(f64::from(value[0])));
    let row = |ix: usize| {
        let at = [ix / num_heads, ix % num_heads];
        let (distance, entropy) = (number(&maps.attention.distance, &at), number(&maps.attention.entropy, &at));
        vec![at[0].to_string(), at[1].to_string(), distance, entropy]
    };
    csv(&["block", "head", "distance_px", "entropy_nats"], (0..num_blocks * num_heads).map(row))
}

/// Theorem 1's quantities, channel by channel.
pub fn theorem1_csv(theorem: &Theorem1) -> String {
    let row = |(ix, channel): (usize, &crate::run::probe::theory::Channel)| {
        let numbers = [channel.scale, channel.l1, channel.penalty, channel.balance];
        std::iter::once(ix.to_string()).chain(numbers.map(|number| text(f64::from(number)))).collect()
    };
    csv(&["channel", "scale", "l1_norm", "penalty", "balance"], theorem.channels.iter().enumerate().map(row))
}

/// Theorem 2's quantities of every stage and probe image.
pub fn bounds_csv(maps: &Maps) -> String {
    let titles = ["layer", "stage", "image", "mean", "deviation", "operator_norm", "least_row_norm", "similarity", "bound"];
    let rows = maps.stages.iter().flat_map(|stage| {
        stage.bound.iter().enumerate().map(move |(image, bound)| {
            let numbers = [bound.mean, bound.deviation, bound.operator_norm, bound.least_row_norm, bound.cossim, bound.bound];
            let words = [stage.name.layer.clone(), stage.name.kind.name().to_string(), image.to_string()];
            words.into_iter().chain(numbers.map(|number| text(f64::from(number)))).collect()
        })
    });
    csv(&titles, rows)
}

/// The cells of all maps that have runs.
pub fn crash_map_csv(maps: &[CrashMap]) -> String {
    let rows = maps.iter().flat_map(|map| {
        let places =
            map.lrs.iter().zip(&map.cells).flat_map(|(lr, row)| map.warmups.iter().zip(row).map(move |(warmup, cell)| (lr, warmup, cell)));
        places.filter(|(.., cell)| !cell.runs.is_empty()).map(|(lr, warmup, cell)| {
            let numbers = [text(*lr), text(*warmup), cell.runs.len().to_string(), cell.num_crashed.to_string()];
            let top1 = cell.mean_top1().map_or(String::new(), text);
            [map.stem.clone(), map.setting.clone()].into_iter().chain(numbers).chain([top1]).collect()
        })
    });
    csv(&["stem", "setting", "lr", "warmup_epochs", "runs", "crashed", "mean_top1"], rows)
}

/// What the doctor found: facts, kernels, op times, a row each.
pub fn checkup_csv(checkup: &Checkup) -> String {
    let row = |kind: &str, name: &str, detail: &str, value: String| vec![kind.to_string(), name.to_string(), detail.to_string(), value];
    let facts = checkup.facts.iter().map(|(name, value)| row("fact", name, "", value.clone()));
    let kernels = checkup.kernels.iter().map(|kernel| {
        let detail = if kernel.trouble.is_empty() { kernel.tier.clone() } else { format!("{}: {}", kernel.tier, kernel.trouble) };
        row("kernel_error", &kernel.kernel, &detail, text(kernel.error))
    });
    let millis = checkup.op_millis.iter().map(|(name, millis)| row("op_ms", name, "", text(*millis)));
    csv(&["kind", "name", "detail", "value"], facts.chain(kernels).chain(millis))
}

fn csv(titles: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| cells.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(",") + "\n";
    titles.join(",") + "\n" + &rows.map(line).collect::<String>()
}

/// A cell of CSV, in quotes where it needs them.
pub fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_string() }
}
