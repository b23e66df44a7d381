//! The screens, one file each.

/// Who looks at whom.
pub mod attention;
/// The steps around a crash.
pub mod autopsy;
/// Several runs.
pub mod compare;
/// The table of runs.
pub mod compare_table;
/// Which learning rates and warm-ups a stem survives.
pub mod crash_map;
/// What this machine computes on.
pub mod doctor;
/// The config form.
pub mod form;
/// One run on one page.
pub mod report;
/// Three ways to begin.
pub mod start;
/// From pixels to tokens.
pub mod stem;
/// Token similarity.
pub mod tokens;
/// One training.
pub mod train;
/// Two stems side by side.
pub mod twin;

use egui::Ui;

use super::host::{RunHead, RunKey};
use super::model::{Action, Model};
use super::runs::Run;
use super::theme;
use super::view::Screen;
use super::widgets::{sketch, state};

/// Shows the screen of the view.
pub fn show(ui: &mut Ui, model: &mut Model) {
    match model.view.screen {
        Screen::Start => start::show(ui, model),
        Screen::Train => train::show(ui, model),
        Screen::Twin => twin::show(ui, model),
        Screen::Autopsy => autopsy::show(ui, model),
        Screen::Tokens => tokens::show(ui, model),
        Screen::Compare => compare::show(ui, model),
        Screen::Stem => stem::show(ui, model),
        Screen::Attention => attention::show(ui, model),
        Screen::CrashMap => crash_map::show(ui, model),
        Screen::Report => report::show(ui, model),
        Screen::Doctor => doctor::show(ui, model),
    }
}

/// Says why there is no run to show: none selected, on its way, or broken. True if there is one.
pub fn needs_run(ui: &mut Ui, model: &mut Model, what: &str) -> bool {
    if model.lead().is_some() {
        return true;
    }
    let Some(key) = model.view.runs.first().cloned() else {
        let is_about_crashes = model.view.screen == Screen::Autopsy;
        let runs = newest(model, 4, |head| !is_about_crashes || head.meta.crash.is_some());
        offer(ui, model, "No run selected", what, runs);
        return false;
    };
    match model.runs.failure(&key).map(str::to_string) {
        Some(reason) => {
            if state::failed(ui, &format!("{key} cannot be opened"), &reason) {
                model.ask(Action::Retry(key));
            }
        }
        None => state::loading(ui, &format!("Opening {key}")),
    }
    false
}

/// The newest runs that fit, at most `count`.
pub fn newest(model: &Model, count: usize, fits: impl Fn(&RunHead) -> bool) -> Vec<RunKey> {
    let heads = model.runs.all_heads().into_iter().rev().filter(|head| fits(head));
    heads.take(count).map(|head| head.key.clone()).collect()
}

/// Says that there is nothing to show yet, with the sign of the screen, and offers runs to show.
pub fn offer(ui: &mut Ui, model: &mut Model, title: &str, hint: &str, runs: Vec<RunKey>) {
    let screen = model.view.screen;
    let picture = |ui: &mut Ui| {
        let (rect, _) = ui.allocate_exact_size(egui::vec2(88.0, 60.0), egui::Sense::hover());
        sketch::paint(ui.painter(), rect, theme::palette(ui), screen);
    };
    state::empty_with(ui, picture, title, hint, |ui| {
        let takes_several = matches!(screen, Screen::Compare | Screen::Twin);
        if takes_several && runs.len() > 1 {
            if ui.button(format!("Show the newest {}", runs.len())).clicked() {
                model.ask(Action::Show(runs, screen));
            }
            return;
        }
        for key in runs {
            let name = model.runs.head(&key).map_or(key.0.clone(), |head| head.meta.name.clone());
            if ui.button(format!("Show {name}")).on_hover_text(&key.0).clicked() {
                model.ask(Action::Show(vec![key], screen));
            }
        }
    });
}

/// The stem of a run in the paper's notation.
pub fn stem_of(run: &Run) -> String {
    run.experiment.as_ref().map_or_else(|| "unknown stem".to_string(), |experiment| experiment.model.stem.clone())
}
