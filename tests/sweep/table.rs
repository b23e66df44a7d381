//! Folding runs into cells, cells into tables.

use std::path::Path;

use vitrine::config::grid::Grid;
use vitrine::run::alarm::{AlarmKind, Crash, Verdict};
use vitrine::run::interval::{deviation, mean, student_half, wilson};
use vitrine::run::sweep::{Slot, SlotState, Sweep};
use vitrine::run::sweep_table::{csv, markdown, plain};

fn sweep() -> Sweep {
    let text = "seeds = 3\n[axes]\nmodel.stem = [\"1Proj\", \"3Conv+1Proj\"]\noptim.lr = [1e-3]";
    Sweep::new(&Grid::parse(text, Path::new("g.toml")).expect("a good grid"))
}

fn healthy(seed: u64, top1: f64) -> Slot {
    Slot {
        seed,
        state: SlotState::Done,
        verdict: Some(Verdict::Healthy),
        step: 300,
        top1: Some(top1),
        cossim: vec![0.25, 0.5],
        ..Slot::default()
    }
}

fn crashed(seed: u64) -> Slot {
    let crash = Some(Crash { kind: AlarmKind::Collapsed, step: 200 });
    Slot { seed, state: SlotState::Done, verdict: Some(Verdict::Crashed), crash, step: 200, ..Slot::default() }
}

#[test]
fn wilson_matches_published_values() {
    // Newcombe 1998, table I: the score method without continuity correction.
    for (hits, count, low, high) in [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)] {
        let found = wilson(hits, count);
        assert!((found.0 - low).abs() < 1e-4 && (found.1 - high).abs() < 1e-4, "{hits} of {count}: {found:?}");
    }
    assert_eq!(wilson(3, 3).1, 1.0);
    assert_eq!(wilson(0, 3).0, 0.0);
}

#[test]
fn small_samples_by_hand() {
    assert_eq!((mean(&[]), deviation(&[1.0]), student_half(&[1.0])), (None, None, None));
    assert_eq!(mean(&[1.0, 2.0, 6.0]), Some(3.0));
    assert_eq!(deviation(&[1.0, 2.0, 6.0]), Some(7.0_f64.sqrt()));
    // t(2) = 4.303.
    let half = student_half(&[1.0, 2.0, 6.0]).expect("three values");
    assert!((half - 4.303 * (7.0_f64 / 3.0).sqrt()).abs() < 1e-9, "{half}");
    // t(29) = 2.045.
    let many: Vec<f64> = (0..30).map(f64::from).collect();
    let expected = 2.045 * deviation(&many).expect("many") / 30.0_f64.sqrt();
    assert!((student_half(&many).expect("many") / expected - 1.0).abs() < 2e-3);
}

#[test]
fn a_cell_adds_up_what_has_ended() {
    let mut sweep = sweep();
    sweep.put(0, 0, healthy(0, 0.6));
    sweep.put(0, 1, crashed(1));
    sweep.put(0, 2, Slot { seed: 2, state: SlotState::Running, top1: Some(0.9), ..Slot::default() });
    let tally = &sweep.cells[0].tally;
    assert_eq!((tally.done, tally.crashed, tally.stuck, tally.crash_frac), (2, 1, 0, Some(0.5)));
    assert_eq!((tally.top1_mean, tally.top1_sd), (Some(0.6), None), "a run under way and a crashed one have no accuracy");
    assert_eq!(tally.cossim, [0.25, 0.5]);
    sweep.put(0, 2, healthy(2, 0.8));
    let tally = &sweep.cells[0].tally;
    assert!((tally.top1_mean.expect("a mean") - 0.7).abs() < 1e-12);
    assert!((tally.top1_sd.expect("a deviation") - 0.02_f64.sqrt()).abs() < 1e-12);
    assert_eq!(sweep.cells[1].tally.crash_frac, None, "nothing has ended in the other cell");
}

#[test]
fn the_table_is_the_same_in_every_form() {
    let mut sweep = sweep();
    sweep.put(0, 0, healthy(0, 0.625));
    sweep.put(0, 1, crashed(1));
    sweep.put(1, 0, Slot { seed: 0, state: SlotState::Failed, why: Some("too large".to_string()), ..Slot::default() });
    let text = plain(&sweep);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    for word in ["1Proj", "0.001", "2/3", "1/2 (9–91 %)", "62.5 %", "0.25 → 0.50"] {
        assert!(lines[1].contains(word), "no `{word}` in {}", lines[1]);
    }
    assert!(lines[2].contains("0/3, 1 failed"), "{}", lines[2]);
    let marked = markdown(&sweep);
    assert!(marked.lines().all(|line| line.starts_with("| ") && line.ends_with(" |") && line.matches('|').count() == 8), "{marked}");
    let rows = csv(&sweep);
    let fields: Vec<&str> = rows.lines().nth(1).expect("a row").split(',').collect();
    assert_eq!(fields[..8], ["1Proj", "0.001", "3", "2", "1", "0", "0", "0.5"]);
    assert_eq!(fields[10..], ["0.625", "", "0.25", "0.5"]);
    assert!(rows.lines().all(|line| line.matches(',').count() == 13), "{rows}");
}

#[test]
fn the_record_survives_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sweep = sweep();
    sweep.put(0, 0, healthy(0, 0.625));
    sweep.put(0, 1, crashed(1));
    sweep.write(folder.path()).expect("a file");
    assert_eq!(Sweep::read(folder.path()).expect("the file"), sweep);
    std::fs::write(folder.path().join("sweep.json"), b"{").expect("a file");
    assert!(Sweep::read(folder.path()).expect_err("half a file").to_string().contains("damaged"));
}
