//! What is shown, as files: CSV, Markdown, SVG, PNG. Pure functions from runs to bytes.

/// Tables: of runs, and of what screens show beside charts.
pub mod tables;

use std::fmt::Write as _;

use egui::ColorImage;

use self::tables::quoted;
use super::runs::{Metric, Run};
use super::widgets::chart::ChartSpec;
use super::widgets::sampled::{Group, Sampled};
use crate::run::event::Event;
use crate::run::html;
use crate::run::line;
use crate::run::marks::Marks;
use crate::run::number::text;
use crate::run::read::{Recorded, RunHeader};
use crate::run::svg::{Chart, Mark, Scale, Series};

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

/// Lines of groups, or their difference to a baseline: a row a place of the bottom axis; mean, least and greatest of each group.
pub fn groups_csv(groups: &[Group], sampled: &Sampled, spec: &ChartSpec) -> String {
    let mut csv = spec.x_axis.name().to_string();
    for group in groups {
        let names = ["mean", "least", "greatest"].map(|word| quoted(&format!("{} {word}", group.name)));
        write!(csv, ",{}", names.join(",")).expect("a String takes any text");
    }
    csv.push('\n');
    for (ix, x) in sampled.xs.iter().enumerate() {
        csv.push_str(&text(*x));
        for line in &sampled.lines {
            let cells = line[ix].map_or([const { String::new() }; 3], |place| place.map(text));
            write!(csv, ",{}", cells.join(",")).expect("a String takes any text");
        }
        csv.push('\n');
    }
    csv
}

/// A metric of several runs as an SVG chart with the axes of the screen: running means, with what is not
/// finite at its place, and the alarms of a single run.
pub fn chart_svg(runs: &[&Run], spec: &ChartSpec) -> String {
    let (metric, axis) = (spec.metric, spec.x_axis);
    let series = runs.iter().map(|run| {
        let curve = run.curve(metric);
        let middle = |block: &super::series::Block| 0.5 * (f64::from(block.extent.low) + f64::from(block.extent.high));
        let blocks = curve.smooth.blocks(0..run.num_points(), MAX_POINTS);
        let drawn = blocks
            .iter()
            .filter(|block| !block.extent.is_empty())
            .map(|block| (run.x_at(axis, (block.first + block.last) / 2), middle(block)));
        Series { name: run.name().to_string(), points: with_broken(drawn, run, spec), ..Series::default() }
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
    svg(metric.title().to_string(), spec, series.collect(), marks)
}

/// Lines of groups, or their difference to a baseline, as an SVG chart with bands from least to greatest.
pub fn groups_svg(title: String, groups: &[Group], sampled: &Sampled, spec: &ChartSpec) -> String {
    let series = groups.iter().zip(&sampled.lines).map(|(group, line)| {
        let places = || sampled.xs.iter().zip(line).filter_map(|(x, place)| Some((*x, (*place)?)));
        let mut points: Vec<(f64, f64)> = places().map(|(x, place)| (x, place[0])).collect();
        for run in &group.runs {
            points = with_broken(points.into_iter(), run, spec);
        }
        let band = if group.runs.len() > 1 { places().map(|(x, [_, low, high])| (x, low, high)).collect() } else { Vec::new() };
        Series { name: group.name.clone(), points, band }
    });
    svg(title, spec, series.collect(), Vec::new())
}

/// Points of a line with those of a run that are not finite, in order.
fn with_broken(points: impl Iterator<Item = (f64, f64)>, run: &Run, spec: &ChartSpec) -> Vec<(f64, f64)> {
    let broken = run.broken(spec.metric).iter().map(|&(ix, value)| (run.x_at(spec.x_axis, ix), value));
    let mut points: Vec<(f64, f64)> = points.chain(broken).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

fn svg(title: String, spec: &ChartSpec, series: Vec<Series>, marks: Vec<Mark>) -> String {
    let scale = if spec.is_log_y { Scale::Log } else { Scale::Linear };
    let level = spec.level.map(|(level, word)| (level, word.to_string()));
    let (x_label, is_log_x) = (spec.x_axis.label().to_string(), spec.is_log_x);
    Chart { title, x_label, series, marks, level, scale, is_log_x, ..Chart::default() }.to_svg()
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

/// A picture as PNG.
pub fn png(picture: &ColorImage) -> Result<Vec<u8>, String> {
    let [width, height] = picture.size.map(|side| side as u32);
    let mut bytes = std::io::Cursor::new(Vec::new());
    let pixels = picture.as_raw().to_vec();
    let image = image::RgbaImage::from_raw(width, height, pixels).ok_or("the picture is incomplete")?;
    image.write_to(&mut bytes, image::ImageFormat::Png).map_err(|error| format!("the picture cannot be written: {error}"))?;
    Ok(bytes.into_inner())
}
