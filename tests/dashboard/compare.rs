//! The table of runs: only what differs, seeds as one row, difference to a baseline.

use vitrine::dashboard::compare::{differing_keys, groups_by_all_but_seed, table};
use vitrine::dashboard::export::tables;

use super::sample;

#[test]
fn only_keys_that_differ_have_a_column() {
    let (a, b) = (sample::crashed(), sample::long());
    let heads = [&a.head, &b.head];
    let keys = differing_keys(&heads);
    assert!(keys.contains(&"optim.lr".to_string()) && keys.contains(&"model.stem".to_string()), "{keys:?}");
    assert!(!keys.contains(&"model.dim".to_string()), "{keys:?}");
    assert!(differing_keys(&heads[..1]).is_empty());
    let table = table(&heads, false, Some(&a.key()));
    assert_eq!(table.rows.len(), 2);
    assert!(table.rows.iter().all(|row| row.cells.len() == table.titles.len()));
    let delta = table.titles.iter().position(|title| title.starts_with('Δ')).expect("a column for the difference");
    assert_eq!(table.rows[0].cells[delta], "+0.0 points");
    assert!(table.rows[1].cells[delta].starts_with('+'), "the healthy run is better: {}", table.rows[1].cells[delta]);
}

#[test]
fn seeds_are_one_row() {
    let samples = [sample::seeded(1, 200), sample::seeded(2, 200), sample::seeded(3, 200), sample::short()];
    let heads: Vec<_> = samples.iter().map(|sample| &sample.head).collect();
    let groups = groups_by_all_but_seed(&heads[..3]);
    assert_eq!(groups.len(), 1);
    let table = table(&heads[..3], true, None);
    assert_eq!(table.rows.len(), 1);
    assert_eq!(table.rows[0].runs.len(), 3);
    assert!(!table.titles.contains(&"train.seed".to_string()), "{:?}", table.titles);
    let top1 = table.titles.iter().position(|title| title == "best top-1").expect("a column for accuracy");
    assert!(table.rows[0].cells[top1].contains('±'), "{}", table.rows[0].cells[top1]);
}

#[test]
fn the_table_keeps_its_cells_in_files() {
    let (a, b) = (sample::crashed(), sample::long());
    let table = table(&[&a.head, &b.head], false, None);
    let csv = tables::table_csv(&table);
    assert!(csv.starts_with("run,") && csv.contains("\"patchify, bold\""), "{csv}");
    assert_eq!(csv.lines().count(), 3);
    let markdown = tables::table_markdown(&table);
    let columns = |line: &str| line.matches('|').count();
    assert!(markdown.lines().all(|line| columns(line) == table.titles.len() + 1), "{markdown}");
}
