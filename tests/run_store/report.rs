//! What `runs ls` and `runs show` print.

use serde_json::Value;
use vitrine::run::chart::{Size, line_chart};
use vitrine::run::event::Status;
use vitrine::run::read::{Recorded, list, read_run};
use vitrine::run::report::{grouped, list_json, list_table, show, show_json};
use vitrine::run::store::RunStore;

use super::sample::{new_run, whole};

fn recorded(status: Status) -> (tempfile::TempDir, Recorded) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = RunStore::create(folder.path(), new_run("demo")).expect("a new run");
    let num_events = whole(status).len();
    let is_killed = status == Status::Running;
    for event in whole(status).iter().take(num_events - usize::from(is_killed)) {
        store.record(event).expect("recorded");
    }
    let path = store.path().to_path_buf();
    drop(store);
    let run = read_run(&path).expect("readable");
    (folder, run)
}

#[test]
fn the_table_has_a_line_a_run() {
    let (folder, run) = recorded(Status::Crashed);
    let runs = list(folder.path()).expect("listed").runs;
    let table = list_table(&runs);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    for text in [run.header.meta.id.as_str(), "✖ non_finite at step 5", "50.0 %", "1 234", "cpu"] {
        assert!(lines[1].contains(text), "{text} is missing in\n{table}");
    }
    let column = |line: &str, text: &str| line.find(text).map(|byte| line[..byte].chars().count());
    assert_eq!(column(lines[0], "VERDICT"), column(lines[1], "✖"), "{table}");
    assert!(list_table(&[]).contains("vitrine train"));

    let line: Value = serde_json::from_str(list_json(&runs).trim_end()).expect("one line of JSON");
    assert_eq!((&line["crash"]["type"], &line["is_live"]), (&"non_finite".into(), &false.into()));
}

#[test]
fn a_run_is_shown_with_its_crash() {
    let (_folder, run) = recorded(Status::Crashed);
    let text = show(&run);
    for part in [
        "crashed after 8 of 8 steps",
        "✖ non_finite at step 5",
        "top-1 50.0 % at step 3",
        "stem \"1Proj\"",
        "lr 0.001",
        "0.25  NaN",
        "loss_spike: seen at step 4",
        "not finite ┤",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "plain text");
    assert!(text.lines().all(|line| line.trim_end() == line), "no space at a line's end");

    let json: Value = serde_json::from_str(&show_json(&run)).expect("JSON");
    assert_eq!(json["run"]["crash"]["step"], 5);
    assert_eq!(json["config"]["model"]["stem"], "1Proj");
    assert_eq!(json["evals"].as_array().map(Vec::len), Some(2));
    assert_eq!(json["probes"][0]["cossim"][1], "NaN");
    assert_eq!(json["events"].as_array().map(Vec::len), Some(5));
}

#[test]
fn a_killed_run_says_how_to_go_on() {
    let (_folder, run) = recorded(Status::Running);
    let text = show(&run);
    let command = format!("vitrine train --resume {}", run.header.meta.id);
    assert!(text.contains("killed after 8 of 8 steps") && text.contains(&command), "{text}");
}

#[test]
fn the_chart_marks_what_cannot_be_drawn() {
    let size = Size { width: 10, height: 2 };
    let points = [(1, 4.0), (2, f64::NAN), (3, 2.0), (4, 1.0)];
    let chart = line_chart("loss", &points, size);
    let lines: Vec<&str> = chart.lines().collect();
    assert_eq!(lines[0], "loss");
    assert!(lines[1].trim_start().starts_with("4 ┤⠁"), "the first value is the highest\n{chart}");
    assert!(lines[2].trim_start().starts_with("1 ┤") && lines[2].ends_with('⣀'), "{chart}");
    let strip: Vec<char> = lines[3].chars().skip_while(|&letter| letter != '┤').skip(1).collect();
    let marks: Vec<usize> = (0..strip.len()).filter(|&column| strip[column] == '✖').collect();
    assert_eq!(marks, [3], "step 2 of 1–4 lies a third of the way along\n{chart}");
    assert_eq!(lines[4].trim(), "step 1   4");

    let finite = line_chart("loss", &[(1, 4.0), (9, 1.0)], size);
    assert!(!finite.contains("not finite"), "{finite}");
    assert!(line_chart("loss", &[(1, 0.01), (2, 1e20)], size).contains("log scale"));
    assert!(line_chart("loss", &[(7, 3.0)], size).contains("3 ┤"), "a single value");
    assert!(line_chart("loss", &[(7, f64::NAN)], size).contains('✖'), "nothing else to draw");
    assert!(line_chart("loss", &[], size).contains("no values"));
}

#[test]
fn counts_are_grouped() {
    for (count, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (5_717_416, "5 717 416")] {
        assert_eq!(grouped(count), text);
    }
}
