//! Runs as text and as JSON lines: what `runs ls` and `runs show` print. Plain text, no colours.

use serde::Serialize;

use super::alarm::{Level, Verdict};
use super::chart::{Size, line_chart};
use super::event::{Eval, Event, Probe, StepStat};
use super::line;
use super::meta::RunMeta;
use super::number::short;
use super::read::{Recorded, RunHeader};
use super::state::RunState;
use super::story::Story;

/// Size of the loss chart; fits a terminal of 80 columns.
const CHART_SIZE: Size = Size { width: 66, height: 8 };

/// Events shown; the file has them all.
const MAX_EVENTS: usize = 30;

/// Config keys worth a line, by section.
const CONFIG_KEYS: [(&str, &[&str]); 5] = [
    ("model", &["arch", "image_size", "dim", "depth", "heads", "stem", "strides", "ffn"]),
    ("data", &["kind", "path", "fraction"]),
    ("optim", &["kind", "lr", "lr_per", "weight_decay", "clip_grad", "sam_rho"]),
    ("schedule", &["kind", "epochs", "warmup_epochs"]),
    ("train", &["batch", "seed", "ema", "on_crash"]),
];

/// The sign of a verdict: readable without colour.
pub fn glyph(verdict: Verdict) -> char {
    match verdict {
        Verdict::Healthy => '●',
        Verdict::Unstable => '▲',
        Verdict::Stuck => '◌',
        Verdict::Crashed => '✖',
    }
}

/// `1 234 567` for 1234567.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (digit_ix, digit) in digits.chars().enumerate() {
        if digit_ix > 0 && (digits.len() - digit_ix).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A table with a line for each run.
pub fn list_table(runs: &[RunHeader]) -> String {
    if runs.is_empty() {
        return "no runs yet; `vitrine train` makes one\n".to_string();
    }
    let titles = ["RUN", "STATUS", "VERDICT", "BEST TOP-1", "STEPS", "LOSS", "PARAMETERS", "DEVICE", "TAGS"];
    let mut rows = vec![titles.map(str::to_string)];
    rows.extend(runs.iter().map(|run| {
        let meta = &run.meta;
        [
            meta.id.clone(),
            run.status_text().to_string(),
            format!("{} {}", glyph(meta.verdict), verdict_text(meta)),
            meta.best.map_or("–".to_string(), |best| percent(best.top1)),
            meta.last.step.to_string(),
            meta.last.loss.map_or("–".to_string(), short),
            grouped(meta.params),
            meta.device.clone(),
            run.marks.tags.join(","),
        ]
    }));
    aligned(&rows)
}

/// `run.json` of each run as a line of JSON, with the folder and whether it is being written.
pub fn list_json(runs: &[RunHeader]) -> String {
    runs.iter().map(|run| to_json(&HeaderJson::new(run)) + "\n").collect()
}

/// One run for people: verdict and why, numbers, config, loss over time, events.
pub fn show(run: &Recorded) -> String {
    let state = RunState::from_events(&run.events);
    let mut meta = run.header.meta.clone();
    // A killed run has later numbers in its series than in its run.json.
    meta.update(&state.standing);
    let meta = &meta;
    let mut rows = vec![
        ["run".to_string(), meta.id.clone()],
        ["folder".to_string(), run.header.path.display().to_string()],
        ["status".to_string(), status_line(run, &state)],
        ["verdict".to_string(), format!("{} {}", glyph(meta.verdict), verdict_text(meta))],
    ];
    if let Some(alarm) = state.alarms.iter().rfind(|alarm| Verdict::Healthy.with(alarm.kind) == meta.verdict) {
        rows.push(["".to_string(), alarm.why.clone()]);
        rows.push(["".to_string(), alarm.hint.clone()]);
    }
    if let Some(parent) = &meta.parent {
        rows.push(["parent".to_string(), format!("forked from {}, {} at step {}", parent.run, parent.checkpoint, parent.step)]);
    }
    let story = Story::of(&state).map_or(Vec::new(), |story| story.lines());
    for (line_ix, text) in story.into_iter().enumerate() {
        rows.push([if line_ix == 0 { "story" } else { "" }.to_string(), text]);
    }
    if let Some(best) = meta.best {
        rows.push(["best".to_string(), format!("top-1 {} at step {}", percent(best.top1), best.step)]);
    }
    rows.push(["last".to_string(), last_line(meta)]);
    rows.push(["device".to_string(), format!("{}, {} parameters", meta.device, grouped(meta.params))]);
    for (section, text) in config_lines(&run.config_toml) {
        rows.push([section, text]);
    }
    if !run.header.marks.tags.is_empty() {
        rows.push(["tags".to_string(), run.header.marks.tags.join(", ")]);
    }
    for (line_ix, text) in run.header.marks.note.lines().enumerate() {
        rows.push([if line_ix == 0 { "note" } else { "" }.to_string(), text.to_string()]);
    }
    if !meta.last.cossim.is_empty() {
        let layers: Vec<String> = meta.last.cossim.iter().map(|&value| short(value)).collect();
        rows.push(["similarity".to_string(), layers.join("  ")]);
        let legend = "of patch tokens: stem output, with position embedding, after each block";
        rows.push(["".to_string(), legend.to_string()]);
    }
    let points: Vec<(u64, f64)> = state.steps.iter().map(|stat| (stat.step, stat.loss)).collect();
    format!("{}\n{}\n{}", aligned(&rows), line_chart("training loss", &points, CHART_SIZE), event_table(&run.events))
}

/// One run as a JSON object: `run.json`, the config, evaluations, probes and events.
pub fn show_json(run: &Recorded) -> String {
    #[derive(Serialize)]
    struct RunJson<'a> {
        run: HeaderJson<'a>,
        config: Option<toml::Table>,
        last_step: Option<StepStat>,
        evals: Vec<Eval>,
        probes: Vec<Probe>,
        story: Option<Story>,
        events: Vec<serde_json::Value>,
    }
    let state = RunState::from_events(&run.events);
    let story = Story::of(&state);
    let as_value = |event| serde_json::from_str(&line::note_from_event(event)).expect("our own line is valid JSON");
    to_json(&RunJson {
        run: HeaderJson::new(&run.header),
        config: run.config_toml.parse().ok(),
        last_step: state.standing.step,
        evals: state.evals,
        probes: state.probes,
        story,
        events: notes(&run.events).map(as_value).collect(),
    }) + "\n"
}

#[derive(Serialize)]
struct HeaderJson<'a> {
    #[serde(flatten)]
    meta: &'a RunMeta,
    path: String,
    is_live: bool,
    tags: &'a [String],
    note: &'a str,
}

impl<'a> HeaderJson<'a> {
    fn new(run: &'a RunHeader) -> Self {
        Self { meta: &run.meta, path: run.path.display().to_string(), is_live: run.is_live, tags: &run.marks.tags, note: &run.marks.note }
    }
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("reports are plain data with text keys")
}

/// A share as percent.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// The verdict with the first crash.
pub(super) fn verdict_text(meta: &RunMeta) -> String {
    match meta.crash {
        Some(crash) => format!("{} at step {}", crash.kind.name(), crash.step),
        None => meta.verdict.name().to_string(),
    }
}

fn status_line(run: &Recorded, state: &RunState) -> String {
    let planned = match state.standing.started.total_steps {
        0 => String::new(),
        total => format!(" of {total}"),
    };
    let text = format!("{} after {}{planned} steps", run.header.status_text(), state.standing.num_steps());
    match run.header.status_text() {
        "killed" | "interrupted" => {
            format!("{text}; go on with `vitrine train --resume {}`", run.header.meta.id)
        }
        _ => text,
    }
}

fn last_line(meta: &RunMeta) -> String {
    let last = &meta.last;
    let numbers = [
        ("training loss", last.loss.map(short)),
        ("test loss", last.eval_loss.map(short)),
        ("top-1", last.top1.map(percent)),
        ("top-5", last.top5.map(percent)),
    ];
    let known: Vec<String> = numbers.into_iter().filter_map(|(name, number)| number.map(|number| format!("{name} {number}"))).collect();
    if known.is_empty() { "no step yet".to_string() } else { known.join(", ") }
}

fn config_lines(config_toml: &str) -> Vec<(String, String)> {
    let config: toml::Table = config_toml.parse().unwrap_or_default();
    let mut lines = Vec::new();
    for (section, keys) in CONFIG_KEYS {
        let values: Vec<String> = keys
            .iter()
            .filter_map(|&key| Some(format!("{key} {}", config.get(section)?.get(key)?)))
            .filter(|text| !text.ends_with("\"\""))
            .collect();
        if !values.is_empty() {
            lines.push((section.to_string(), values.join(", ")));
        }
    }
    lines
}

fn notes(events: &[Event]) -> impl Iterator<Item = &Event> {
    events.iter().filter(|event| line::metric_from_event(event).is_none())
}

/// The events worth reading: all alarms if they are many, and the latest of the others.
fn event_table(events: &[Event]) -> String {
    let all: Vec<&Event> = notes(events).collect();
    let mut rest = MAX_EVENTS;
    let mut shown: Vec<&Event> = Vec::new();
    for event in all.iter().rev() {
        if rest > 0 || event.level() == Level::Fatal {
            shown.push(event);
            rest = rest.saturating_sub(1);
        }
    }
    shown.reverse();
    let mut rows = vec![["STEP", "LEVEL", "EVENT"].map(str::to_string)];
    rows.extend(shown.iter().map(|event| [event.step().to_string(), event.level().name().to_string(), event_text(event)]));
    let hidden = all.len() - shown.len();
    let more = if hidden > 0 { format!("{hidden} earlier events in events.jsonl\n") } else { String::new() };
    aligned(&rows) + &more
}

fn event_text(event: &Event) -> String {
    match event {
        Event::Alarm(alarm) => format!("{}: {}", alarm.kind.name(), alarm.why),
        _ => event.why(),
    }
}

/// What the layers of a similarity are called, by their index.
pub fn layer_name(layer_ix: usize) -> String {
    match layer_ix {
        0 => "stem".to_string(),
        1 => "+position".to_string(),
        _ => format!("block {}", layer_ix - 2),
    }
}

/// Columns as wide as their widest text, two spaces apart, no space at a line's end.
pub fn aligned<R: AsRef<[String]>>(rows: &[R]) -> String {
    let mut widths = vec![0; rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0)];
    for row in rows {
        for (width, text) in widths.iter_mut().zip(row.as_ref()) {
            *width = (*width).max(text.chars().count());
        }
    }
    let mut table = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, text) in widths.iter().zip(row.as_ref()) {
            line += &format!("{text:width$}  ");
        }
        table += line.trim_end();
        table.push('\n');
    }
    table
}
