//! What is on screen, as far as a link can say it: screen, runs, playhead, and what is looked at.
//!
//! The text form is the part of a link after `#`: `compare?runs=a,b&step=500&layer=3`. Parts that
//! stand at their usual value are left out, so links stay short.

use std::fmt::Write as _;

use super::host::RunKey;
use super::runs::Metric;

/// The screens, in the order of the bar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Three ways to begin.
    #[default]
    Start,
    /// One training: config, charts, events.
    Train,
    /// Two stems side by side.
    Twin,
    /// The steps around a crash.
    Autopsy,
    /// Token similarity by layer.
    Tokens,
    /// The stem from pixel to token.
    Stem,
    /// Attention by layer and head.
    Attention,
    /// Several runs.
    Compare,
    /// Learning rate × warm-up, by stem.
    CrashMap,
    /// One run on one page.
    Report,
    /// What this machine computes on.
    Doctor,
}

impl Screen {
    /// All of them, in the order of the bar.
    pub const ALL: [Self; 11] = [
        Self::Start,
        Self::Train,
        Self::Twin,
        Self::Autopsy,
        Self::Tokens,
        Self::Stem,
        Self::Attention,
        Self::Compare,
        Self::CrashMap,
        Self::Report,
        Self::Doctor,
    ];

    /// The word in links.
    pub fn slug(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Train => "train",
            Self::Twin => "twin",
            Self::Autopsy => "autopsy",
            Self::Tokens => "tokens",
            Self::Stem => "stem",
            Self::Attention => "attention",
            Self::Compare => "compare",
            Self::CrashMap => "crash-map",
            Self::Report => "report",
            Self::Doctor => "doctor",
        }
    }

    /// The name on its tab.
    pub fn title(self) -> &'static str {
        match self {
            Self::Start => "Start",
            Self::Train => "Train",
            Self::Twin => "Twin A/B",
            Self::Autopsy => "Autopsy",
            Self::Tokens => "Tokens",
            Self::Stem => "Stem lab",
            Self::Attention => "Attention",
            Self::Compare => "Compare",
            Self::CrashMap => "Crash map",
            Self::Report => "Report",
            Self::Doctor => "Doctor",
        }
    }

    /// What it is for, in a sentence.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Start => "Three ways to begin",
            Self::Train => "One training: what it is, how it goes, what happened",
            Self::Twin => "Two stems, same seed, same batches, side by side",
            Self::Autopsy => "The steps around a crash, and what to try instead",
            Self::Tokens => "How alike the tokens are, layer by layer",
            Self::Stem => "From the image to the tokens, step by step",
            Self::Attention => "Who looks at whom, in every layer and head",
            Self::Compare => "Several runs in one chart and one table",
            Self::CrashMap => "Which learning rates and warm-ups a stem survives",
            Self::Report => "One run on one page, to keep or to send",
            Self::Doctor => "What this machine computes on, and whether it computes right",
        }
    }
}

/// What charts have along the bottom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum XAxis {
    /// Optimiser steps.
    #[default]
    Step,
    /// Passes over the training images.
    Epoch,
    /// Training images seen.
    Images,
    /// Seconds of training.
    Wall,
}

impl XAxis {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Step, Self::Epoch, Self::Images, Self::Wall];

    /// The word in links and on the switch.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Epoch => "epoch",
            Self::Images => "images",
            Self::Wall => "time",
        }
    }

    /// The word with its unit, below a chart.
    pub fn label(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Epoch => "epoch",
            Self::Images => "images seen",
            Self::Wall => "training time, s",
        }
    }
}

/// Everything that a link says.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The screen.
    pub screen: Screen,
    /// Selected runs, in the order of their colours.
    pub runs: Vec<RunKey>,
    /// The playhead; none follows the newest step.
    pub step: Option<u64>,
    /// The patch looked at, counted row by row.
    pub patch: Option<usize>,
    /// Layer looked at.
    pub layer: usize,
    /// Head looked at; none is their mean.
    pub head: Option<usize>,
    /// Probe image looked at.
    pub image: usize,
    /// Channel of the stem looked at.
    pub channel: usize,
    /// What Compare shows.
    pub metric: Metric,
    /// Bottom axis of charts.
    pub x_axis: XAxis,
    /// Whether the bottom axis is logarithmic.
    pub is_log_x: bool,
    /// Whether losses and norms are drawn logarithmically.
    pub is_log_y: bool,
    /// Weight of the past in smoothed curves, 0 to 0.999.
    pub smoothing: f64,
    /// Whether runs that differ in the seed alone are drawn as one.
    pub is_grouped: bool,
    /// The run that others are compared to.
    pub baseline: Option<RunKey>,
}

impl Default for View {
    fn default() -> Self {
        Self {
            screen: Screen::Start,
            runs: Vec::new(),
            step: None,
            patch: None,
            layer: 0,
            head: None,
            image: 0,
            channel: 0,
            metric: Metric::Loss,
            x_axis: XAxis::Step,
            is_log_x: false,
            is_log_y: false,
            smoothing: 0.9,
            is_grouped: false,
            baseline: None,
        }
    }
}

impl View {
    /// The part of a link after `#`.
    pub fn to_hash(&self) -> String {
        let usual = Self::default();
        let mut parts: Vec<String> = Vec::new();
        if !self.runs.is_empty() {
            let runs: Vec<String> = self.runs.iter().map(|run| escape(&run.0)).collect();
            parts.push(format!("runs={}", runs.join(",")));
        }
        let numbers = [
            ("step", self.step),
            ("patch", self.patch.map(|patch| patch as u64)),
            ("layer", (self.layer != usual.layer).then_some(self.layer as u64)),
            ("head", self.head.map(|head| head as u64)),
            ("image", (self.image != usual.image).then_some(self.image as u64)),
            ("channel", (self.channel != usual.channel).then_some(self.channel as u64)),
        ];
        parts.extend(numbers.iter().filter_map(|(name, number)| number.map(|number| format!("{name}={number}"))));
        if self.metric != usual.metric {
            parts.push(format!("metric={}", self.metric.name()));
        }
        if self.x_axis != usual.x_axis {
            parts.push(format!("x={}", self.x_axis.name()));
        }
        let switches = [("logx", self.is_log_x), ("logy", self.is_log_y), ("group", self.is_grouped)];
        parts.extend(switches.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| format!("{name}=1")));
        if self.smoothing != usual.smoothing {
            parts.push(format!("smooth={}", self.smoothing));
        }
        if let Some(baseline) = &self.baseline {
            parts.push(format!("baseline={}", escape(&baseline.0)));
        }
        let query = if parts.is_empty() { String::new() } else { format!("?{}", parts.join("&")) };
        format!("{}{query}", self.screen.slug())
    }

    /// The view of a link, with a sentence about each part that makes no sense and was left out.
    pub fn from_hash(hash: &str) -> (Self, Vec<String>) {
        let mut view = Self::default();
        let mut complaints = Vec::new();
        let hash = hash.trim_start_matches('#').trim_start_matches('/');
        let (slug, query) = hash.split_once('?').unwrap_or((hash, ""));
        match Screen::ALL.into_iter().find(|screen| screen.slug() == slug) {
            Some(screen) => view.screen = screen,
            None if slug.is_empty() => {}
            None => complaints.push(format!("the link names a screen `{}` that does not exist", shortened(slug))),
        }
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            if view.set(name, text).is_none() {
                complaints.push(format!("the link says `{}`, which makes no sense here", shortened(part)));
            }
        }
        (view, complaints)
    }

    fn set(&mut self, name: &str, text: &str) -> Option<()> {
        match name {
            "runs" => {
                let keys = text.split(',').filter(|run| !run.is_empty()).map(|run| unescape(run).map(RunKey));
                let mut runs = Vec::new();
                for key in keys.collect::<Option<Vec<_>>>()? {
                    if !runs.contains(&key) {
                        runs.push(key);
                    }
                }
                self.runs = runs;
            }
            "step" => self.step = Some(text.parse().ok()?),
            "patch" => self.patch = Some(text.parse().ok()?),
            "layer" => self.layer = text.parse().ok()?,
            "head" => self.head = Some(text.parse().ok()?),
            "image" => self.image = text.parse().ok()?,
            "channel" => self.channel = text.parse().ok()?,
            "metric" => self.metric = Metric::ALL.into_iter().find(|metric| metric.name() == text)?,
            "x" => self.x_axis = XAxis::ALL.into_iter().find(|axis| axis.name() == text)?,
            "logx" => self.is_log_x = switch(text)?,
            "logy" => self.is_log_y = switch(text)?,
            "group" => self.is_grouped = switch(text)?,
            "smooth" => self.smoothing = text.parse().ok().filter(|share| (0.0..=0.999).contains(share))?,
            "baseline" => self.baseline = Some(RunKey(unescape(text).filter(|key| !key.is_empty())?)),
            _ => return None,
        }
        Some(())
    }

    /// Adds a run to the selection, or takes it out.
    pub fn toggle_run(&mut self, run: &RunKey) {
        match self.runs.iter().position(|selected| selected == run) {
            Some(place) => {
                self.runs.remove(place);
            }
            None => self.runs.push(run.clone()),
        }
    }
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    }
}

/// At most 40 letters of a foreign text, for a message.
fn shortened(text: &str) -> String {
    let mut letters = text.chars().filter(|letter| !letter.is_control());
    let start: String = letters.by_ref().take(40).collect();
    if letters.next().is_some() { start + "…" } else { start }
}

/// Percent-encodes what has a meaning in a link or is no plain letter.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            write!(escaped, "%{byte:02X}").expect("a String takes any text");
        }
    }
    escaped
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
