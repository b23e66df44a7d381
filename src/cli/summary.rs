//! The end of a training on stdout: for people, or as one JSON object.

use serde::Serialize;
use vitrine::run::alarm::{Alarm, Crash, Verdict};
use vitrine::run::event::{Event, Status, StepStat};
use vitrine::run::number::{self, short};
use vitrine::run::report::glyph;
use vitrine::run::state::{Best, Standing};
use vitrine::train::session::Outcome;

/// Layers before the first block in the list of similarities.
const LAYERS_BEFORE_BLOCKS: [&str; 2] = ["stem", "+position"];

/// Share of the time spent waiting for images from which on it is told.
const WORTH_SAYING_FRAC: f64 = 0.02;

/// What the events add up to while the session runs.
#[derive(Debug, Default)]
pub struct Account {
    standing: Standing,
    /// The alarm that decided the verdict.
    decisive: Option<Alarm>,
    /// Images that could not be read.
    unreadable: Vec<String>,
    /// Sum and number of the shares of time spent waiting for images.
    data_wait: (f64, u64),
}

impl Account {
    /// Takes the next event.
    pub fn apply(&mut self, event: &Event) {
        self.standing.apply(event);
        match event {
            Event::Unreadable(unreadable) => self.unreadable.push(unreadable.what.clone()),
            Event::Step(StepStat { data_wait: Some(share), .. }) => {
                self.data_wait = (self.data_wait.0 + share, self.data_wait.1 + 1);
            }
            _ => {}
        }
        if let Event::Alarm(alarm) = event {
            let weight = |alarm: &Alarm| Verdict::Healthy.with(alarm.kind);
            if self.decisive.as_ref().is_none_or(|earlier| weight(alarm) > weight(earlier)) {
                self.decisive = Some(alarm.clone());
            }
        }
    }

    /// Whether steps of the schedule are left.
    pub fn is_short(&self) -> bool {
        self.standing.num_steps() < self.standing.started.total_steps
    }

    /// The report of an ended session. `resume` is the command that goes on with it.
    pub fn close(self, outcome: Outcome, resume: Option<String>, exit_code: u8) -> Summary {
        let [loss, top1, top5] = outcome.evaluated.map_or([None; 3], |numbers| numbers.map(Some));
        Summary {
            kind: "summary",
            id: outcome.run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            run_dir: outcome.run_dir.display().to_string(),
            status: outcome.status,
            verdict: outcome.verdict,
            decisive: self.decisive.filter(|_| outcome.verdict != Verdict::Healthy),
            crash: outcome.crash,
            steps: self.standing.num_steps(),
            skipped_steps: self.standing.skipped_steps,
            loss_scale: self.standing.step.as_ref().and_then(|stat| stat.loss_scale),
            loss,
            top1,
            top5,
            best: self.standing.best,
            similarity: outcome.similarity,
            data_wait: (self.data_wait.1 > 0).then(|| self.data_wait.0 / self.data_wait.1 as f64),
            unreadable: self.unreadable,
            resume,
            exit_code,
        }
    }
}

/// How a session ended.
#[derive(Debug, Serialize)]
pub struct Summary {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    run_dir: String,
    status: Status,
    verdict: Verdict,
    /// Why the verdict is not healthy.
    decisive: Option<Alarm>,
    crash: Option<Crash>,
    steps: u64,
    /// Skipped for gradients beyond the range of f16.
    skipped_steps: u64,
    /// With mixed precision: of the last step.
    #[serde(with = "number::option")]
    loss_scale: Option<f64>,
    #[serde(with = "number::option")]
    loss: Option<f64>,
    #[serde(with = "number::option")]
    top1: Option<f64>,
    #[serde(with = "number::option")]
    top5: Option<f64>,
    best: Option<Best>,
    #[serde(with = "number::list")]
    similarity: Vec<f64>,
    /// Mean share of the time spent waiting for images, 0..1.
    #[serde(with = "number::option")]
    data_wait: Option<f64>,
    /// One message for each image that could not be read.
    unreadable: Vec<String>,
    resume: Option<String>,
    exit_code: u8,
}

impl Summary {
    /// For people.
    pub fn text(&self) -> String {
        let mut rows = vec![("verdict", format!("{} {}", glyph(self.verdict), self.verdict.name()))];
        if let Some(Alarm { kind, step, why, hint, .. }) = &self.decisive {
            rows.push(("why", format!("{} at step {step}: {why}", kind.name())));
            if !hint.is_empty() {
                rows.push(("try next", hint.clone()));
            }
        }
        if let (Some(loss), Some(top1), Some(top5)) = (self.loss, self.top1, self.top5) {
            rows.push(("last", format!("top-1 {}, top-5 {}, loss {} on the test images", percent(top1), percent(top5), short(loss))));
        }
        if let Some(best) = self.best {
            rows.push(("best", format!("top-1 {} at step {}", percent(best.top1), best.step)));
        }
        rows.push(("steps", format!("{}, {}", self.steps, self.status.name())));
        if let Some(scale) = self.loss_scale {
            rows.push(("f16", format!("{} steps skipped, loss scale {}", self.skipped_steps, short(scale))));
        }
        if let Some(share) = self.data_wait.filter(|share| *share >= WORTH_SAYING_FRAC) {
            rows.push(("images", format!("{} of the time was spent waiting for them", percent(share))));
        }
        if let Some(first) = self.unreadable.first() {
            let others = if self.unreadable.len() > 1 { " (all in events.jsonl)" } else { "" };
            rows.push(("skipped", format!("{} unreadable: {first}{others}", self.unreadable.len())));
        }
        if !self.similarity.is_empty() {
            rows.push(("similarity", "of the patch tokens, by layer".to_string()));
            rows.extend(self.similarity.iter().enumerate().map(|(ix, value)| ("", layer_line(ix, *value))));
        }
        rows.push(("run", self.run_dir.clone()));
        let mut text: String = rows.iter().map(|(title, row)| format!("{title:<10}  {row}\n")).collect();
        if let Some(command) = &self.resume {
            text.push_str(&format!("resume with: {command}\n"));
        }
        text
    }
}

fn layer_line(layer_ix: usize, value: f64) -> String {
    let name = match LAYERS_BEFORE_BLOCKS.get(layer_ix) {
        Some(name) => (*name).to_string(),
        None => format!("block {}", layer_ix - LAYERS_BEFORE_BLOCKS.len()),
    };
    let number = if number::is_finite(value) { format!("{value:.3}") } else { short(value) };
    format!("{:>2} {name:<10} {number}", layer_ix + 1)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
