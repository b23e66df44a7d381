//! One frame: what happened → keys → bars and screen → what was asked for.

use std::sync::{Arc, Mutex};

use egui::{CentralPanel, ColorImage, Frame, Margin, ScrollArea, Ui};

use super::actions;
use super::frame::{delete, drop_area, keys, messages, palette, run_list, timeline, top_bar};
use super::host::{Host, Notice, Origin, RunHead, RunKey};
use super::model::Model;
use super::panels;
use super::runs::{ProbeState, Run};
use super::theme;
use super::view::{Screen, View};
use super::words;
use crate::run::event::Event;

/// Seconds between two words to those who do not see the screen …
const ANNOUNCE_SECS: f64 = 2.0;
/// … and where nothing but numbers moved.
const NUMBERS_SECS: f64 = 20.0;
/// Seconds in which a recorded run is played.
const PLAY_SECS: f64 = 20.0;
/// Seconds between two looks at the folder of runs.
const LIST_SECS: f64 = 5.0;

/// The app.
pub struct Dashboard {
    /// All that the screens show.
    pub model: Model,
    pub(super) host: Box<dyn Host>,
    /// Pictures of the window that have been taken and not yet saved.
    pub(super) pictures: Arc<Mutex<Vec<Arc<ColorImage>>>>,
    location: String,
    /// What was said last: all of it, the part without numbers, and when.
    announced: (String, String, f64),
    listed_secs: Option<f64>,
    /// Part of a step that the playhead has moved.
    played_frac: f64,
}

impl Dashboard {
    /// The app in its place, with the view of a link (the part after `#`).
    pub fn new(ctx: &egui::Context, mut host: Box<dyn Host>, hash: &str) -> Self {
        theme::install(ctx);
        host.list_runs();
        let mut dashboard = Self {
            model: Model::default(),
            host,
            pictures: Arc::default(),
            location: String::new(),
            announced: (String::new(), String::new(), 0.0),
            listed_secs: None,
            played_frac: 0.0,
        };
        dashboard.go_to(hash);
        dashboard
    }

    /// Shows the view of a link; what makes no sense in it is said and left out.
    pub fn go_to(&mut self, hash: &str) {
        let (view, complaints) = View::from_hash(hash);
        self.model.view = view;
        complaints.into_iter().for_each(|complaint| self.model.say(complaint));
    }

    /// One frame.
    pub fn ui(&mut self, ui: &mut Ui) {
        self.take_notices();
        self.open_selected();
        keys::read(ui, &mut self.model);
        self.take_files(ui);
        self.play(ui);
        self.show(ui);
        actions::carry_out(self, ui.ctx());
        self.tell_place(ui);
    }

    fn show(&mut self, ui: &mut Ui) {
        let model = &mut self.model;
        let is_narrow = ui.available_width() < theme::NARROW_WIDTH;
        top_bar::show(ui, model, is_narrow);
        timeline::show(ui, model);
        run_list::show(ui, model, is_narrow);
        // The margin at the right is within what scrolls: the scroll bar stands on it.
        let (margin, right) = if is_narrow {
            (Margin { right: 0, ..Margin::same(10) }, 10)
        } else {
            (Margin { left: 20, right: 0, top: 16, bottom: 16 }, 20)
        };
        let frame = Frame::new().fill(theme::palette(ui).ground).inner_margin(margin);
        CentralPanel::default().frame(frame).show(ui, |ui| {
            let screen = model.view.screen;
            ScrollArea::vertical().id_salt(screen.slug()).auto_shrink([false, false]).show(ui, |ui| {
                Frame::new().inner_margin(Margin { right, ..Margin::ZERO }).show(ui, |ui| {
                    panels::show(ui, model);
                    ui.add_space(theme::GAP_L);
                });
            });
        });
        palette::show(ui, model);
        palette::show_path_entry(ui, model);
        delete::show(ui, model);
        drop_area::show(ui, model);
        keys::show(ui, model);
        messages::show(ui, model);
    }

    fn take_notices(&mut self) {
        let notices = self.host.poll();
        for notice in notices {
            self.take(notice);
        }
    }

    fn take(&mut self, notice: Notice) {
        let model = &mut self.model;
        match notice {
            Notice::Abilities(abilities) => model.abilities = abilities,
            Notice::Runs(heads, unreadable) => {
                model.runs.heads = Some(heads);
                model.runs.unreadable = unreadable;
            }
            Notice::Opened(head, events) => self.take_run(*head, &events),
            Notice::Select(key) => select(model, &key),
            Notice::Deleted(key) => {
                model.view.runs.retain(|selected| *selected != key);
                model.view.baseline.take_if(|baseline| *baseline == key);
                model.runs.forget(&key);
                // The list is read anew.
                self.listed_secs = None;
            }
            Notice::Named(old, new) => rename(model, &old, &new),
            Notice::Events(key, events) => {
                if let Some(run) = model.runs.get_mut(&key) {
                    run.extend(&events);
                }
            }
            Notice::Closed(key) => {
                if let Some(run) = model.runs.get_mut(&key) {
                    run.head.is_live = false;
                }
            }
            Notice::RunFailed(key, reason) => {
                model.say(format!("{key}: {reason}"));
                model.runs.fail(&key, reason);
            }
            Notice::Probe(key, step, answer) => {
                if let Some(run) = model.runs.get_mut(&key) {
                    run.probes.insert(step, ProbeState::of(answer, &key, step));
                }
            }
            Notice::Weights(name, tensors) => {
                model.view.screen = Screen::Stem;
                model.weights = Some((name, *tensors));
            }
            Notice::Images(path, num_classes) => {
                model.form.set("data.kind", "folder");
                model.form.set("data.path", &path);
                model.form.set("model.num_classes", &num_classes.to_string());
                model.view = View { screen: Screen::Train, ..View::default() };
            }
            Notice::Estimate(estimate) => model.form.estimate = Some(estimate),
            Notice::Checkup(checkup) => model.checkup = Some(*checkup),
            Notice::Message(text) => model.say(text),
            Notice::Location(hash) => {
                if hash.trim_start_matches('#') != self.location {
                    self.go_to(&hash);
                }
            }
        }
    }

    /// Takes a run with its events; one that was dropped is shown.
    fn take_run(&mut self, head: RunHead, events: &[Event]) {
        let model = &mut self.model;
        if head.origin == Origin::Dropped {
            select(model, &head.key);
        }
        model.runs.insert(Run::new(head, events, model.view.smoothing));
    }

    /// Asks for selected runs that are neither open nor known to be broken, and for probes on show.
    fn open_selected(&mut self) {
        let model = &mut self.model;
        model.runs.assign_slots(&model.view.runs.clone());
        let wanted: Vec<RunKey> = model.view.runs.iter().chain(&model.view.baseline).cloned().collect();
        for key in &wanted {
            let is_known = model.runs.get(key).is_some() || model.runs.failure(key).is_some() || model.runs.is_asked_for(key);
            if !is_known {
                self.host.open_run(key);
            }
        }
        model.runs.note_asked(&wanted);
        let smoothing = model.view.smoothing;
        model.runs.open_mut().for_each(|run| run.set_smoothing(smoothing));
        if model.form.estimate.is_none() && model.form.asked_for_estimate() {
            let experiment = model.form.resolved.as_ref().ok().map(|resolved| resolved.experiment.clone());
            experiment.iter().for_each(|experiment| self.host.estimate(experiment));
        }
    }

    /// Moves the playhead while it plays: a whole run in twenty seconds.
    fn play(&mut self, ui: &Ui) {
        let model = &mut self.model;
        let is_training = model.training().is_some();
        let (Some(step), true, false) = (model.view.step, model.is_playing, is_training) else { return };
        let last_step = model.last_step();
        let advance = f64::from(ui.input(|input| input.stable_dt.min(0.1))) * last_step as f64 / PLAY_SECS;
        self.played_frac += advance;
        let whole = self.played_frac.floor();
        self.played_frac -= whole;
        model.view.step = Some(step + whole as u64).filter(|&step| step < last_step);
        model.is_playing = model.view.step.is_some();
        ui.ctx().request_repaint();
    }

    fn take_files(&mut self, ui: &Ui) {
        let files = ui.input_mut(|input| std::mem::take(&mut input.raw.dropped_files));
        files.into_iter().for_each(|file| self.host.import(file));
    }

    /// Keeps the address, the spoken status and the list of runs up to date.
    fn tell_place(&mut self, ui: &Ui) {
        let hash = self.model.view.to_hash();
        if hash != self.location {
            self.host.set_location(&hash);
            self.location = hash;
        }
        let now_secs = ui.input(|input| input.time);
        let (status, standing) = (status(&self.model), spoken(&self.model, false));
        let (said, said_standing, said_secs) = &self.announced;
        let wait_secs = said_secs + if standing == *said_standing { NUMBERS_SECS } else { ANNOUNCE_SECS } - now_secs;
        if status != *said {
            if wait_secs <= 0.0 {
                self.host.announce(&status);
                self.announced = (status, standing, now_secs);
            } else {
                // A page that nothing moves any more would never say its last word.
                ui.ctx().request_repaint_after_secs(wait_secs as f32);
            }
        }
        let is_due = self.listed_secs.is_none_or(|listed_secs| now_secs - listed_secs >= LIST_SECS);
        if is_due {
            self.host.list_runs();
            self.listed_secs = Some(now_secs);
            ui.ctx().request_repaint_after_secs(LIST_SECS as f32);
        }
    }
}

/// Selects a run that was asked for from outside, on a screen that shows it.
fn select(model: &mut Model, key: &RunKey) {
    if model.view.runs.contains(key) {
        return;
    }
    model.view.runs.push(key.clone());
    if model.view.screen == Screen::Start {
        model.view.screen = Screen::Train;
    }
}

/// Knows a run under another name from now on.
fn rename(model: &mut Model, old: &RunKey, new: &RunKey) {
    for key in model.view.runs.iter_mut().chain(&mut model.view.baseline).filter(|key| *key == old) {
        key.clone_from(new);
    }
    model.runs.rename(old, new);
}

/// The state in plain words.
pub fn status(model: &Model) -> String {
    spoken(model, true)
}

/// The state in plain words, with or without the numbers that move at every step of a training.
fn spoken(model: &Model, has_numbers: bool) -> String {
    let mut text = format!("{} screen", model.view.screen.title());
    for run in model.selected() {
        let standing = &run.state.standing;
        let loss = standing.step.as_ref().map_or(String::new(), |stat| format!(", loss {}", crate::run::number::short(stat.loss)));
        let state = run.head.meta.status_text(run.head.is_live);
        text += &format!("; {}: {state}, {}", run.name(), standing.verdict.name());
        if has_numbers {
            text += &format!(", step {}{loss}", run.last_step());
        }
        if let Some(crash) = standing.crash {
            text += &format!(", {}", words::crash(crash));
        }
    }
    if let Some(message) = model.messages.last() {
        text += &format!("; {}", message.text);
    }
    text
}
