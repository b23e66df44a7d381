//! What scripts and tests see of the page: a summary of every notice, without pixels.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use vitrine::dashboard::host::{Notice, RunKey};
use vitrine::run::event::Event;
use vitrine::run::number;

use super::wire::Told;

/// Messages remembered.
const MAX_MESSAGES: usize = 50;
/// Frames remembered.
const MAX_FRAMES: usize = 240;

/// The summary.
#[derive(Debug, Default, Serialize)]
pub struct State {
    /// The device's name; empty until it is known.
    pub device: String,
    /// Ids of the runs in the list.
    pub runs: Vec<String>,
    /// What is wrong with others.
    pub unreadable: Vec<String>,
    /// Runs that were opened or trained, by id.
    pub open: BTreeMap<String, OpenRun>,
    /// Passing messages, oldest first.
    pub messages: Vec<String>,
    /// Names and bytes of files given to the person.
    pub saved: Vec<(String, usize)>,
    /// Kernels tested, those with trouble, and whether the doctor is done.
    pub kernels: (usize, Vec<String>, bool),
    /// Device and images a second of the last measurement.
    pub speed: Option<(String, f64)>,
    /// Parameters of the last estimate, and its seconds.
    pub estimate: Option<Result<(u64, Option<f64>), String>>,
    /// The part of the address after `#`.
    pub location: String,
    /// What the last frames took of the page's thread, milliseconds: their median.
    pub frame_millis: f64,
    #[serde(skip)]
    frames: VecDeque<f64>,
}

/// One run.
#[derive(Debug, Default, Serialize)]
pub struct OpenRun {
    /// Name for people.
    pub name: String,
    /// Steps made.
    pub step: u64,
    /// Steps known, those of before a reload included.
    pub num_steps: usize,
    /// Losses of the first and of the last step, as text: JSON has no NaN.
    pub losses: Vec<String>,
    /// Top-1 of the last evaluation, 0..1.
    pub top1: Option<f64>,
    /// Events but steps: step and name.
    pub events: Vec<(u64, String)>,
    /// Whether nothing more comes.
    pub is_closed: bool,
    /// Why it failed.
    pub failure: Option<String>,
}

impl State {
    /// Takes what the worker told.
    pub fn apply(&mut self, told: &Told) {
        match told {
            Told::Notice(notice) => self.notice(notice),
            Told::Speed { device, images_per_sec, .. } => self.speed = Some((device.clone(), *images_per_sec)),
            Told::Probe(..) | Told::Weights(_) | Told::Saved(_) => {}
        }
    }

    /// Whether a run is being made, here or by the server: the screen is to stay on.
    pub fn is_training(&self) -> bool {
        !self.trainings().is_empty()
    }

    /// The runs that are being made.
    pub fn trainings(&self) -> Vec<RunKey> {
        let under_way = self.open.iter().filter(|(_, run)| !run.is_closed && run.failure.is_none());
        under_way.map(|(id, _)| RunKey(id.clone())).collect()
    }

    /// Takes what one frame took, milliseconds.
    pub fn frame(&mut self, millis: f64) {
        self.frames.push_back(millis);
        if self.frames.len() > MAX_FRAMES {
            self.frames.pop_front();
        }
    }

    /// Works out what is known only when somebody asks.
    pub fn sum_up(&mut self) {
        let mut millis: Vec<f64> = self.frames.iter().copied().collect();
        millis.sort_by(f64::total_cmp);
        self.frame_millis = millis.get(millis.len() / 2).copied().unwrap_or(0.0);
    }

    fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Abilities(abilities) => self.device.clone_from(&abilities.device),
            Notice::Runs(heads, unreadable) => {
                self.runs = heads.iter().map(|head| head.key.0.clone()).collect();
                self.unreadable.clone_from(unreadable);
            }
            Notice::Opened(head, events) => {
                let mut run = OpenRun { name: head.meta.name.clone(), is_closed: !head.is_live, ..OpenRun::default() };
                events.iter().for_each(|event| run.apply(event));
                self.open.insert(head.key.0.clone(), run);
            }
            Notice::Named(made_up, id) => {
                if let Some(run) = self.open.remove(&made_up.0) {
                    self.open.insert(id.0.clone(), run);
                }
            }
            Notice::Events(key, events) => {
                let run = self.open.entry(key.0.clone()).or_default();
                events.iter().for_each(|event| run.apply(event));
            }
            Notice::Closed(key) => self.open.entry(key.0.clone()).or_default().is_closed = true,
            Notice::RunFailed(key, why) => self.open.entry(key.0.clone()).or_default().failure = Some(why.clone()),
            Notice::Estimate(estimate) => {
                self.estimate = Some(estimate.as_ref().map(|found| (found.params, found.secs)).map_err(Clone::clone))
            }
            Notice::Checkup(checkup) => {
                let trouble = checkup.kernels.iter().filter(|kernel| !kernel.trouble.is_empty());
                let trouble = trouble.map(|kernel| format!("{} {}: {}", kernel.kernel, kernel.tier, kernel.trouble)).collect();
                self.kernels = (checkup.kernels.len(), trouble, checkup.is_done);
            }
            Notice::Message(text) => {
                self.messages.push(text.clone());
                let surplus = self.messages.len().saturating_sub(MAX_MESSAGES);
                self.messages.drain(..surplus);
            }
            Notice::Deleted(key) => {
                self.open.remove(&key.0);
            }
            Notice::Location(hash) => self.location.clone_from(hash),
            Notice::Probe(..) | Notice::Weights(..) | Notice::Images(..) | Notice::Select(_) => {}
        }
    }
}

impl OpenRun {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Step(stat) => {
                self.step = stat.step;
                self.num_steps += 1;
                self.losses.truncate(1);
                self.losses.push(number::short(stat.loss));
            }
            Event::Resumed(resumed) => {
                self.step = resumed.step;
                self.events.push((resumed.step, "resumed".to_string()));
            }
            other => {
                if let Event::Eval(eval) = other {
                    self.top1 = Some(eval.top1);
                }
                self.events.push((other.step(), name_of(other)));
            }
        }
    }
}

/// The `type` that an event has in `events.jsonl`.
fn name_of(event: &Event) -> String {
    let value = serde_json::to_value(event).unwrap_or_default();
    value["type"].as_str().unwrap_or_default().to_string()
}
