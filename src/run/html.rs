//! A run as one static HTML page: no script, nothing loaded from elsewhere.
//!
//! Verdict and why, numbers, charts with events marked, similarity per layer, events, config,
//! environment, and how to repeat it. For `vitrine runs report` and for the dashboard.

use std::fmt::Write as _;

use super::alarm::Level;
use super::event::{Event, Status};
use super::number::{is_finite, short};
use super::read::Recorded;
use super::report::{glyph, grouped, layer_name, percent, verdict_text};
use super::state::RunState;
use super::svg::{Chart, Mark, Scale, Series, escape};

/// Events of a page; the run folder has them all.
const MAX_EVENTS: usize = 200;

const STYLE: &str = "\
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:820px;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse}\
td,th{padding:.15rem .8rem .15rem 0;text-align:left;vertical-align:top}pre{overflow:auto;padding:.8rem;background:#8881;border-radius:6px}\
svg{max-width:100%;height:auto;display:block;margin:.6rem 0}.verdict{font-size:1.15rem}.fatal{color:#c00}.warn{color:#a60}.quiet{opacity:.7}\
@media(prefers-color-scheme:dark){.fatal{color:#f66}.warn{color:#fb5}}@media print{details{display:block}}";

/// The page of a run.
pub fn page(run: &Recorded) -> String {
    let state = RunState::from_events(&run.events);
    let mut html = String::new();
    let id = escape(&run.header.meta.id);
    let _ = write!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{id}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
    );
    head(&mut html, run, &state);
    html.push_str("<h2>Charts</h2>\n");
    for chart in charts(&state) {
        html.push_str(&chart.to_svg());
    }
    similarity(&mut html, &state);
    events(&mut html, run);
    environment(&mut html, run);
    let _ = write!(html, "<h2>Config</h2>\n<details open><summary>All keys</summary><pre>{}</pre></details>\n", escape(&run.config_toml));
    html.push_str("</body>\n</html>\n");
    html
}

fn head(html: &mut String, run: &Recorded, state: &RunState) {
    let mut meta = run.header.meta.clone();
    meta.update(&state.standing);
    let name = if meta.name.is_empty() { &meta.id } else { &meta.name };
    let _ = writeln!(html, "<h1>{}</h1>\n<p class=\"quiet\">{}</p>", escape(name), escape(&meta.id));
    let _ = writeln!(html, "<p class=\"verdict\">{} {}</p>", glyph(meta.verdict), escape(&verdict_text(&meta)));
    let cause = state.alarms.iter().rfind(|alarm| super::alarm::Verdict::Healthy.with(alarm.kind) == meta.verdict);
    if let Some(alarm) = cause {
        let _ = writeln!(html, "<p>{}; {}</p>", escape(&alarm.why), escape(&alarm.hint));
    }
    if !run.header.marks.tags.is_empty() {
        let _ = writeln!(html, "<p>Tags: {}</p>", escape(&run.header.marks.tags.join(", ")));
    }
    for paragraph in run.header.marks.note.lines() {
        let _ = writeln!(html, "<p>{}</p>", escape(paragraph));
    }
    let planned = state.standing.started.total_steps;
    let steps = if planned > 0 { format!("{} of {planned}", state.standing.num_steps()) } else { state.standing.num_steps().to_string() };
    let status = if state.standing.status == Status::Running { run.header.status_text() } else { state.standing.status.name() };
    let rows = [
        ("Status", Some(format!("{status}, {steps} steps"))),
        ("Best top-1", meta.best.map(|best| format!("{} at step {}", percent(best.top1), best.step))),
        ("Last top-1", meta.last.top1.filter(|&top1| is_finite(top1)).map(percent)),
        ("Last top-5", meta.last.top5.filter(|&top5| is_finite(top5)).map(percent)),
        ("Test loss", meta.last.eval_loss.map(short)),
        ("Training loss", meta.last.loss.map(short)),
        ("Parameters", Some(grouped(meta.params))),
    ];
    table(html, rows.into_iter().filter_map(|(title, text)| Some((title.to_string(), text?))));
}

fn table(html: &mut String, rows: impl Iterator<Item = (String, String)>) {
    html.push_str("<table>\n");
    for (title, text) in rows {
        let _ = writeln!(html, "<tr><th>{}</th><td>{}</td></tr>", escape(&title), escape(&text));
    }
    html.push_str("</table>\n");
}

/// The charts of a run that have something to show: loss, accuracy, learning rate, gradient norm.
pub fn charts(state: &RunState) -> Vec<Chart> {
    let marks: Vec<Mark> = state
        .alarms
        .iter()
        .map(|alarm| Mark { x: alarm.step as f64, label: alarm.kind.name().to_string(), is_fatal: alarm.is_fatal() })
        .chain(state.lr_changes.iter().map(|change| Mark {
            x: change.step as f64,
            label: "learning rate set by hand".to_string(),
            is_fatal: false,
        }))
        .collect();
    let of_steps = |name: &str, value: fn(&super::event::StepStat) -> Option<f64>| {
        let point = |stat: &super::event::StepStat| Some((stat.step as f64, value(stat)?));
        Series { name: name.to_string(), points: state.steps.iter().filter_map(point).collect(), ..Series::default() }
    };
    let of_evals = |name: &str, value: fn(&super::event::Eval) -> f64| {
        let points = state.evals.iter().map(|eval| (eval.step as f64, value(eval))).collect();
        Series { name: name.to_string(), points, ..Series::default() }
    };
    let chart = |title: &str, series: Vec<Series>| {
        // Event files of others lack some columns: nothing but zeros or NaN then.
        let is_measured =
            |series: &Series| series.name == "training" || series.points.iter().any(|point| is_finite(point.1) && point.1 != 0.0);
        let series = series.into_iter().filter(is_measured).collect();
        Chart { title: title.to_string(), series, marks: marks.clone(), ..Chart::default() }
    };
    let mut loss = chart("Loss", vec![of_steps("training", |stat| Some(stat.loss)), of_evals("test", |eval| eval.loss)]);
    loss.level = state.standing.chance_loss().map(|chance| (chance, "chance".to_string()));
    let training = of_steps("training batch", |stat| stat.accuracy);
    let mut accuracy =
        chart("Accuracy", vec![training, of_evals("test top-1", |eval| eval.top1), of_evals("test top-5", |eval| eval.top5)]);
    accuracy.scale = Scale::Linear;
    let lr = chart("Learning rate", vec![of_steps("learning rate", |stat| Some(stat.lr))]);
    let norm = chart("Gradient norm", vec![of_steps("gradient norm", |stat| Some(stat.grad_norm))]);
    let has_points = |chart: &Chart| chart.series.iter().any(|series| !series.points.is_empty());
    [loss, accuracy, lr, norm].into_iter().filter(has_points).collect()
}

fn similarity(html: &mut String, state: &RunState) {
    let Some(last) = state.probes.last() else { return };
    let depth = |probe: &super::event::Probe| -> Vec<(f64, f64)> {
        probe.cossim.iter().enumerate().map(|(ix, &value)| (ix as f64, value)).collect()
    };
    let mut probes = vec![last];
    if state.probes.len() > 1 {
        probes.insert(0, &state.probes[0]);
    }
    let series =
        probes.iter().map(|probe| Series { name: format!("step {}", probe.step), points: depth(probe), ..Series::default() }).collect();
    let chart = Chart {
        title: "Mean cosine similarity of the patch tokens".to_string(),
        x_label: "layer".to_string(),
        series,
        scale: Scale::Linear,
        ..Chart::default()
    };
    html.push_str("<h2>Token similarity per layer</h2>\n");
    html.push_str(&chart.to_svg());
    table(html, last.cossim.iter().enumerate().map(|(layer_ix, &value)| (layer_name(layer_ix), short(value))));
}

fn events(html: &mut String, run: &Recorded) {
    let is_told = |event: &&Event| !matches!(event, Event::Step(_) | Event::Eval(_) | Event::Probe(_));
    let told: Vec<&Event> = run.events.iter().filter(is_told).collect();
    let hidden = told.len().saturating_sub(MAX_EVENTS);
    html.push_str("<h2>Events</h2>\n<table>\n<tr><th>Step</th><th>Level</th><th>Event</th></tr>\n");
    for event in &told[hidden..] {
        let level = event.level();
        let what = if let Event::Alarm(alarm) = event { format!("{}: {}", alarm.kind.name(), alarm.why) } else { event.why() };
        let class = if level == Level::Info { "quiet" } else { level.name() };
        let _ = writeln!(html, "<tr><td>{}</td><td class=\"{class}\">{}</td><td>{}</td></tr>", event.step(), level.name(), escape(&what));
    }
    html.push_str("</table>\n");
    if hidden > 0 {
        let _ = writeln!(html, "<p class=\"quiet\">{hidden} earlier events in events.jsonl</p>");
    }
}

fn environment(html: &mut String, run: &Recorded) {
    let meta = &run.header.meta;
    html.push_str("<h2>Environment</h2>\n");
    let own = [
        ("Device", meta.device.clone()),
        ("Seed", meta.seed.to_string()),
        ("Images", format!("{}, hash {}", meta.data.kind, meta.data.hash)),
    ];
    let versions = meta.versions.iter().map(|(name, version)| (name.clone(), version.clone()));
    table(html, own.into_iter().map(|(title, text)| (title.to_string(), text)).chain(versions));
    let _ = write!(
        html,
        "<h2>How to repeat it</h2>\n<p>Save the config below as <code>config.toml</code>; with the same images and the same kind of device every \
         number comes out again.</p>\n<pre>vitrine train --config config.toml</pre>\n"
    );
}
