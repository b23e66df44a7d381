//! A sweep as a table: for a terminal, as Markdown, as CSV.

use super::number::text;
use super::report::aligned;
use super::sweep::{CellRecord, SlotState, Sweep, Tally};

/// The column of what others have found.
const PAPER: &str = "paper";

/// The table for people: a row a cell.
pub fn plain(sweep: &Sweep) -> String {
    aligned(&rows(sweep))
}

/// The table for documents.
pub fn markdown(sweep: &Sweep) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "));
    let rows = rows(sweep);
    let rule = vec!["---".to_string(); rows[0].len()];
    rows[..1].iter().chain([&rule]).chain(&rows[1..]).map(|row| line(row)).collect()
}

/// The table for programs: shares in 0..1, empty where there is no number yet.
pub fn csv(sweep: &Sweep) -> String {
    let numbers = ["runs", "done", "crashed", "stuck", "failed", "crash_frac", "crash_low", "crash_high", "top1_mean", "top1_sd"];
    let similarity = ["cossim_stem", "cossim_last"];
    let paper = has_paper(sweep).then_some(PAPER);
    let titles = sweep.axes.iter().map(|axis| axis.name.as_str()).chain(numbers).chain(similarity).chain(paper).map(quoted);
    let mut lines = vec![titles.collect::<Vec<_>>().join(",")];
    for cell in &sweep.cells {
        let Tally { done, crashed, stuck, crash_frac, crash_low, crash_high, top1_mean, top1_sd, cossim } = &cell.tally;
        let counts = [cell.runs.len() as u64, *done, *crashed, *stuck, num_failed(cell) as u64].map(|count| count.to_string());
        let shares = [*crash_frac, *crash_low, *crash_high, *top1_mean, *top1_sd, cossim.first().copied(), cossim.last().copied()];
        let shares = shares.map(|share| share.map(text).unwrap_or_default());
        let paper = paper.map(|_| quoted(cell.paper.as_deref().unwrap_or_default()));
        lines.push(cell.values.iter().map(|label| quoted(label)).chain(counts).chain(shares).chain(paper).collect::<Vec<_>>().join(","));
    }
    lines.join("\n") + "\n"
}

/// `0/3` of the runs, with Wilson's interval once there are some.
pub fn crash_text(tally: &Tally) -> String {
    let (Some(low), Some(high)) = (tally.crash_low, tally.crash_high) else { return "–".to_string() };
    format!("{}/{} ({:.0}–{:.0} %)", tally.crashed, tally.done, 100.0 * low, 100.0 * high)
}

/// `66.0 ± 1.2 %`.
pub fn accuracy_text(tally: &Tally) -> String {
    match (tally.top1_mean, tally.top1_sd) {
        (Some(mean), Some(sd)) => format!("{:.1} ± {:.1} %", 100.0 * mean, 100.0 * sd),
        (Some(mean), None) => format!("{:.1} %", 100.0 * mean),
        (None, _) => "–".to_string(),
    }
}

fn rows(sweep: &Sweep) -> Vec<Vec<String>> {
    let titles = ["done", "crashed (95 %)", "stuck", "top-1", "similarity stem → last"];
    let paper = has_paper(sweep).then_some(PAPER);
    let titles = titles.into_iter().chain(paper).map(str::to_string);
    let mut rows = vec![sweep.axes.iter().map(|axis| axis.name.clone()).chain(titles).collect::<Vec<_>>()];
    for cell in &sweep.cells {
        let failed = match num_failed(cell) {
            0 => String::new(),
            count => format!(", {count} failed"),
        };
        let columns = [
            format!("{}/{}{failed}", cell.tally.done, cell.runs.len()),
            crash_text(&cell.tally),
            cell.tally.stuck.to_string(),
            accuracy_text(&cell.tally),
            match cell.tally.cossim.as_slice() {
                [] => "–".to_string(),
                [stem, .., last] => format!("{stem:.2} → {last:.2}"),
                [only] => format!("{only:.2}"),
            },
        ];
        let paper = paper.map(|_| cell.paper.clone().unwrap_or_default());
        rows.push(cell.values.iter().cloned().chain(columns).chain(paper).collect());
    }
    rows
}

fn has_paper(sweep: &Sweep) -> bool {
    sweep.cells.iter().any(|cell| cell.paper.is_some())
}

/// Token similarity layer by layer: a row a layer, a column a cell.
pub fn layers(sweep: &Sweep) -> String {
    let depth = sweep.cells.iter().map(|cell| cell.tally.cossim.len()).max().unwrap_or(0);
    let titles = sweep.cells.iter().map(|cell| cell.values.join(" "));
    let mut rows = vec![std::iter::once("layer".to_string()).chain(titles).collect::<Vec<_>>()];
    for layer in 0..depth {
        let name = match layer {
            0 => "1 stem".to_string(),
            1 => "2 +position".to_string(),
            block => format!("{} block {}", block + 1, block - 2),
        };
        let of_cell = |cell: &CellRecord| cell.tally.cossim.get(layer).map_or("–".to_string(), |similarity| format!("{similarity:.3}"));
        rows.push(std::iter::once(name).chain(sweep.cells.iter().map(of_cell)).collect());
    }
    aligned(&rows)
}

fn num_failed(cell: &CellRecord) -> usize {
    cell.runs.iter().filter(|slot| slot.state == SlotState::Failed).count()
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_string() }
}
