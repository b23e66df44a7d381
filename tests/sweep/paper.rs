//! The paper's tables as grids: every row is a config that can be trained, and says what the paper found.

use std::path::PathBuf;

use vitrine::config::grid::{AxisValue, Grid};
use vitrine::config::paper::{grid, names};
use vitrine::run::sweep::{Slot, Sweep};
use vitrine::run::sweep_table::{csv, layers, markdown, plain};
use vitrine::train::session::{DeviceChoice, Start};
use vitrine::train::sweep::Plan;

fn plan(grid: Grid, init: Option<&str>) -> Plan {
    Plan {
        grid,
        runs_dir: PathBuf::from("runs"),
        // Nothing is read before a run begins.
        sets: vec!["data.path=images".to_string()],
        jobs: 1,
        device: DeviceChoice::Cpu,
        adapter: None,
        init: init.map(PathBuf::from),
    }
}

fn rows(grid: &Grid) -> &[AxisValue] {
    &grid.axes[0].values
}

#[test]
fn every_row_is_a_config_that_can_be_trained() {
    for name in names() {
        for small in [false, true] {
            let Ok(grid) = grid(name, small) else {
                assert!(small && ["table6", "table7"].contains(&name), "{name}, small: {small}");
                continue;
            };
            assert_eq!(grid.name, if small { format!("{name}-small") } else { name.to_string() });
            let needs_weights = rows(&grid).iter().any(|row| row.init);
            let plan = plan(grid, needs_weights.then_some("dino.pth"));
            let members = plan.members().unwrap_or_else(|error| panic!("{name}, small: {small}: {error}"));
            assert!(members.len() >= 4, "{name}");
            let image_size = if small { 28 } else { 224 };
            assert!(members.iter().all(|member| member.resolved.experiment.model.image_size == image_size), "{name}");
        }
    }
}

#[test]
fn the_rows_are_those_of_the_paper() {
    let table1 = grid("table1", false).expect("a grid");
    let of = |label: &str| rows(&table1).iter().find(|row| row.label == label).and_then(|row| row.paper.as_deref());
    assert_eq!(rows(&table1).len(), 13);
    assert_eq!(of("ViT_p 1e-3 AdamW warm-up 5"), Some("crash"));
    assert_eq!(of("ViT_c 1e-3 AdamW warm-up 5"), Some("81.9"));
    assert_eq!(rows(&grid("table2", true).expect("a grid")).len(), 16);
    assert_eq!(rows(&grid("table7", false).expect("a grid")).len(), 10);
    let members = plan(table1, None).members().expect("configs");
    let doomed = members.iter().find(|member| member.label.starts_with("ViT_c 1e-3 AdamW warm-up 0")).expect("the row");
    let experiment = &doomed.resolved.experiment;
    assert_eq!((experiment.optim.lr, experiment.optim.sam_rho, experiment.schedule.warmup_epochs), (1e-3, 0.0, 0.0));
    assert_eq!((experiment.model.stem.as_str(), experiment.optim.lr_per), ("3Conv+3BN+3ReLU+1Proj", 512));
}

#[test]
fn what_cannot_be_trained_says_why() {
    let refusal = |name: &str, small: bool| grid(name, small).expect_err(name).to_string();
    assert!(refusal("table4", false).contains("retrieval") && refusal("table4", true).contains("table3"));
    assert!(refusal("table9", false).contains("no `table9`"));
    assert!(refusal("table6", true).contains("DINO"));
    let missing = plan(grid("table6", false).expect("a grid"), None).members().expect_err("no weights").to_string();
    assert!(missing.contains("two stages 1e-4 AdamW") && missing.contains("--init"), "{missing}");
    let unused = plan(grid("table1", false).expect("a grid"), Some("dino.pth")).members().expect_err("unused weights").to_string();
    assert!(unused.contains("init = true"), "{unused}");
}

#[test]
fn weights_go_to_the_rows_that_want_them() {
    let members = plan(grid("table6", false).expect("a grid"), Some("dino.pth")).members().expect("configs");
    let starts: Vec<bool> = members.iter().map(|member| member.start == Start::Weights(PathBuf::from("dino.pth"))).collect();
    assert_eq!(starts, [true, true, true, true, true, true, false, false]);
}

#[test]
fn tables_show_the_paper_beside_what_was_found() {
    let mut sweep = Sweep::new(&grid("table5", true).expect("a grid"));
    for table in [plain(&sweep), markdown(&sweep)] {
        let head = table.lines().next().expect("a head");
        assert!(head.contains("paper"), "{head}");
    }
    let csv = csv(&sweep);
    assert!(csv.lines().next().is_some_and(|head| head.ends_with(",paper")), "{csv}");
    assert!(csv.lines().nth(2).is_some_and(|line| line.ends_with(",crash")), "{csv}");

    let slot = |cossim: Vec<f64>| Slot { state: vitrine::run::sweep::SlotState::Done, cossim, ..Slot::default() };
    sweep.put(0, 0, slot(vec![0.5, 0.25, 0.125]));
    sweep.put(0, 1, slot(vec![0.25, 0.25, 0.125]));
    let by_layer = layers(&sweep);
    let lines: Vec<Vec<&str>> = by_layer.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0][..3], ["1", "stem", "0.375"], "{by_layer}");
    assert_eq!((lines.len(), &lines[2][..4]), (3, &["3", "block", "0", "0.125"][..]), "{by_layer}");
}
