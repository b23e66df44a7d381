//! What is made of a run for people: page, charts, CSV, comparison.

use std::path::Path;

use vitrine::run::compare::compare;
use vitrine::run::csv::table;
use vitrine::run::event::Status;
use vitrine::run::html::page;
use vitrine::run::marks::Marks;
use vitrine::run::read::{Recorded, read_run};
use vitrine::run::state::RunState;
use vitrine::run::store::{NewRun, RunStore};
use vitrine::run::svg::{Chart, Mark, Series, escape};

use super::sample::{new_run, whole};

fn recorded(status: Status, lr: &str) -> Recorded {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let new = new_run("demo <1>");
    let config_toml = new.config_toml.replace("0.001", lr);
    let mut store = RunStore::create(folder.path(), NewRun { config_toml, ..new }).expect("a new run");
    whole(status).iter().for_each(|event| store.record(event).expect("recorded"));
    let marks = Marks { tags: vec!["twin".to_string()], note: "a < b & c".to_string() };
    marks.write(store.path()).expect("written");
    read_run(store.path()).expect("readable")
}

/// Every element that opens also closes, in order.
fn check_nesting(markup: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in markup.split('<').skip(1) {
        let tag = tag.split('>').next().expect("a tag");
        let name = tag.split([' ', '\n', '/']).next().unwrap_or("");
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed), "closes what is open");
        } else if !tag.ends_with('/') && !matches!(name, "!doctype" | "meta") {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_tells_the_run_without_script() {
    let run = recorded(Status::Crashed, "0.001");
    let page = page(&run);
    check_nesting(&page);
    let parts = [
        "<title>",
        "demo &lt;1&gt;",
        "✖ non_finite at step 5",
        "a &lt; b &amp; c",
        "Tags: twin",
        "50.0 % at step 3",
        "loss_spike",
        "chance",
        ">Learning rate<",
        ">Gradient norm<",
        "Token similarity",
        "fashion-mnist, hash abc",
        "stem = &quot;1Proj&quot;",
        "vitrine train --config config.toml",
    ];
    for part in parts {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
    assert_eq!(page.matches("<svg").count(), 5);
    for foreign in ["<script", "http://", "https://", "src=", "href="] {
        let own = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!own.contains(foreign), "{foreign}");
    }
}

#[test]
fn charts_show_what_is_not_finite_and_bend_no_values() {
    let points = |values: &[f64]| values.iter().enumerate().map(|(ix, &value)| (ix as f64, value)).collect();
    let series = |values: &[f64]| Series { name: "a".to_string(), points: points(values), ..Series::default() };
    let chart = |values: &[f64]| Chart { title: "t".to_string(), series: vec![series(values)], ..Chart::default() };
    let svg = chart(&[1.0, f64::NAN, 3.0, f64::INFINITY]).to_svg();
    check_nesting(&svg);
    assert_eq!(svg.matches("✖").count(), 2, "{svg}");
    for values in [&[][..], &[f64::NAN], &[2.0], &[5.0, 5.0], &[0.0, 0.0], &[-1e308, 1e308], &[f64::MIN_POSITIVE, 1e300], &[1e-320, 2.0]] {
        let svg = chart(values).to_svg();
        check_nesting(&svg);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
    }
    let with_mark = Chart { marks: vec![Mark { x: 1.0, label: "<b>".to_string(), is_fatal: true }], ..chart(&[1.0, 2.0, 3.0]) };
    assert!(with_mark.to_svg().contains("&lt;b&gt;"));
    assert_eq!(escape("a\u{0}\"'"), "a\u{fffd}&quot;&#39;");

    // 100 000 points make a small picture that keeps the one outlier and the one gap.
    let mut values: Vec<f64> = (0..100_000).map(|ix| f64::from(ix % 7)).collect();
    values[54_321] = 1000.0;
    values[77_777] = f64::NAN;
    let outlier = |svg: &str| svg.split([' ', 'L']).filter_map(|word| word.parse::<f64>().ok()).any(|y| (45.0..52.0).contains(&y));
    let svg = chart(&values).to_svg();
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    assert!(outlier(&svg) && svg.matches("✖").count() == 1);
}

#[test]
fn the_csv_has_a_row_for_each_step() {
    let run = recorded(Status::Finished, "0.001");
    let csv = table(&RunState::from_events(&run.events));
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 1 + 8);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{csv}");
    let cell = |row: usize, title: &str| lines[row][lines[0].iter().position(|&name| name == title).expect(title)];
    assert_eq!((cell(1, "step"), cell(1, "top1"), cell(1, "accuracy")), ("1", "", "0.0625"));
    assert_eq!((cell(5, "loss"), cell(5, "grad_norm")), ("NaN", "Infinity"));
    assert_eq!((cell(3, "top1"), cell(3, "eval_loss"), cell(2, "cossim_0"), cell(2, "cossim_1")), ("0.5", "1.5", "0.25", "NaN"));
}

#[test]
fn a_comparison_shows_only_settings_that_differ() {
    let runs = [recorded(Status::Finished, "0.001"), recorded(Status::Crashed, "0.004")];
    let comparison = compare(&runs);
    assert_eq!(comparison.differs.keys().collect::<Vec<_>>(), ["optim.lr"]);
    let text = comparison.text();
    for part in ["▲ unstable", "✖ non_finite at step 5", "50.0 % at step 3", "step 5", "optim.lr", "0.004", "settings that differ"] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(!text.contains("model.dim"), "{text}");
    let json = serde_json::to_value(&comparison).expect("plain data");
    assert_eq!(json["differs"]["optim.lr"], serde_json::json!([0.001, 0.004]));
    assert_eq!(json["runs"][1]["crash"], serde_json::json!({"type": "non_finite", "step": 5}));
    assert_eq!(json["runs"][0]["similarity"], serde_json::json!([0.25, "NaN"]));

    let twins = [recorded(Status::Finished, "0.001"), recorded(Status::Finished, "0.001")];
    assert!(compare(&twins).text().contains("the settings are the same"));
}

#[test]
fn tags_are_words() {
    let mut marks = Marks::default();
    for tag in ["b", "a", "b"] {
        marks.add(tag).expect("a tag");
    }
    assert_eq!(marks.tags, ["a", "b"]);
    assert!(marks.remove("a") && !marks.remove("a"));
    for tag in ["", "two words", "a,b", "x\n", &"x".repeat(41)] {
        marks.add(tag).expect_err(tag);
    }
    let error = Marks::from_bytes(b"[", Path::new("marks.json")).expect_err("damage").to_string();
    assert!(error.contains("marks.json"), "{error}");
}
