//! What is shown, as files: CSV, Markdown, PNG. Pure functions from runs to bytes.

use std::fmt::Write as _;

use egui::ColorImage;

use super::compare::Table;
use super::runs::{Metric, Run};
use super::view::XAxis;
use crate::run::event::Event;
use crate::run::html;
use crate::run::line;
use crate::run::marks::Marks;
use crate::run::number::text;
use crate::run::read::{Recorded, RunHeader};
use crate::run::svg::{Chart, Mark, Series};

/// Points of a line in a file: more than a page is wide.
const MAX_POINTS: usize = 2000;

/// A metric of several runs: a row a step and a column a run; empty where a run has no such step.
pub fn series_csv(runs: &[&Run], metric: Metric) -> String {
    let mut csv = String::from("step");
    for run in runs {
        write!(csv, ",{}", quoted(run.name())).expect("a String takes any text");
    }
    csv.push('\n');
    let mut steps: Vec<u64> = runs.iter().flat_map(|run| run.state.steps.iter().map(|stat| stat.step)).collect();
    steps.sort_unstable();
    steps.dedup();
    let mut places = vec![0; runs.len()];
    for step in steps {
        csv.push_str(&step.to_string());
        for (run, place) in runs.iter().zip(&mut places) {
            csv.push(',');
            if *place < run.num_points() && run.step_at(*place) == step {
                // The series on screen holds 32 bits; the file has every digit.
                csv.push_str(&text(metric.of(&run.state.steps[*place])));
                *place += 1;
            }
        }
        csv.push('\n');
    }
    csv
}

/// A metric of several runs as an SVG chart: running means, with what is not finite at its place, and
/// the alarms of a single run.
pub fn chart_svg(runs: &[&Run], metric: Metric, axis: XAxis) -> String {
    let series = runs.iter().map(|run| {
        let curve = run.curve(metric);
        let middle = |block: &super::series::Block| 0.5 * (f64::from(block.extent.low) + f64::from(block.extent.high));
        let blocks = curve.smooth.blocks(0..run.num_points(), MAX_POINTS);
        let drawn = blocks
            .iter()
            .filter(|block| !block.extent.is_empty())
            .map(|block| (run.x_at(axis, (block.first + block.last) / 2), middle(block)));
        let broken = curve.raw.broken().iter().map(|&(ix, value)| (run.x_at(axis, ix), value));
        let mut points: Vec<(f64, f64)> = drawn.chain(broken).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Series { name: run.name().to_string(), points }
    });
    let mark = |run: &Run, alarm: &crate::run::alarm::Alarm| Mark {
        x: run.x_of_step(axis, alarm.step),
        label: super::words::alarm(alarm.kind),
        is_fatal: alarm.is_fatal(),
    };
    let marks = match runs {
        [run] => run.state.alarms.iter().map(|alarm| mark(run, alarm)).collect(),
        _ => Vec::new(),
    };
    let chance = runs.first().filter(|_| metric == Metric::Loss).and_then(|run| run.state.standing.chance_loss());
    let level = chance.map(|chance| (chance, "chance".to_string()));
    Chart {
        title: metric.title().to_string(),
        x_label: axis.label().to_string(),
        series: series.collect(),
        marks,
        level,
        ..Chart::default()
    }
    .to_svg()
}

/// A run as one static HTML page, without script.
pub fn report_html(run: &Run) -> String {
    html::page(&recorded(run))
}

/// The run as it was recorded: its events in an order that replays.
pub fn recorded(run: &Run) -> Recorded {
    let state = &run.state;
    let steps = state.steps.iter().cloned().map(Event::Step);
    let measured = state.evals.iter().cloned().map(Event::Eval).chain(state.probes.iter().cloned().map(Event::Probe));
    let is_eval = |event: &&Event| matches!(event, Event::Eval(_));
    let mut events: Vec<Event> = steps.chain(measured).chain(run.notes.iter().filter(|event| !is_eval(event)).cloned()).collect();
    line::sort_for_replay(&mut events);
    let mut meta = run.head.meta.clone();
    meta.update(&state.standing);
    let marks = Marks { tags: run.head.tags.clone(), ..Marks::default() };
    let header = RunHeader { path: run.head.key.0.clone().into(), meta, marks, is_live: run.head.is_live };
    Recorded { header, config_toml: run.head.config_toml.clone(), events }
}

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

/// A picture as PNG.
pub fn png(picture: &ColorImage) -> Result<Vec<u8>, String> {
    let [width, height] = picture.size.map(|side| side as u32);
    let mut bytes = std::io::Cursor::new(Vec::new());
    let pixels = picture.as_raw().to_vec();
    let image = image::RgbaImage::from_raw(width, height, pixels).ok_or("the picture is incomplete")?;
    image.write_to(&mut bytes, image::ImageFormat::Png).map_err(|error| format!("the picture cannot be written: {error}"))?;
    Ok(bytes.into_inner())
}

fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_string() }
}
