//! Report: one run on one page, to read here or to keep as a file.

use egui::{Grid, RichText, Ui};

use super::{needs_run, train};
use crate::dashboard::export;
use crate::dashboard::host::{Export, RunKey, Saved};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::runs::{Metric, Run};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::{card, feed, field, sign};
use crate::dashboard::words;
use crate::run::number::short;
use crate::run::report::grouped;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Report.title(), Screen::Report.purpose());
    if !needs_run(ui, model, "Select one in the list; its report can be read here and kept as a file") {
        return;
    }
    let Some(key) = model.lead().map(|run| run.head.key.clone()) else { return };
    head(ui, model, &key);
    ui.add_space(theme::GAP_M);
    train::metric_card_of(ui, model, std::slice::from_ref(&key), ("report loss", Metric::Loss, 220.0));
    ui.add_space(theme::GAP_M);
    let mut clicked = None;
    card::columns(ui, 2, 340.0, |ui, ix| {
        let Some(run) = model.runs.get(&key) else { return };
        match ix {
            0 => environment(ui, run),
            _ => {
                card::show(ui, "Events", |ui| clicked = feed::show(ui, run, 260.0));
            }
        }
    });
    if let Some(step) = clicked {
        model.ask(Action::Seek(Some(step)));
    }
    if let Some(run) = model.runs.get(&key) {
        config(ui, run);
    }
}

fn head(ui: &mut Ui, model: &mut Model, key: &RunKey) {
    let mut actions = Vec::new();
    let Some(run) = model.runs.get(key) else { return };
    let standing = &run.state.standing;
    let palette = theme::palette(ui);
    card::frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            sign::verdict(ui, run.verdict());
            ui.label(RichText::new(run.name()).font(theme::title_font(theme::SIZE_HEADING)));
            ui.label(RichText::new(&key.0).monospace().color(palette.muted));
        });
        ui.label(verdict_sentence(run));
        ui.add_space(theme::GAP_XS);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = theme::GAP_L;
            if let Some(best) = standing.best {
                card::figure(ui, &format!("{:.1} %", 100.0 * best.top1), "best top-1");
            }
            if let Some(eval) = &standing.eval {
                card::figure(ui, &short(eval.loss), "last test loss");
            }
            card::figure(ui, &run.last_step().to_string(), "steps");
            card::figure(ui, &grouped(standing.started.params), "parameters");
        });
        ui.horizontal_wrapped(|ui| {
            if ui.button("Save as HTML").on_hover_text("One static page, no script: to send, to print, to keep").clicked() {
                let name = format!("{}.html", key.0.replace(['/', '\\'], "-"));
                actions.push(Action::Save(Saved::text(name, export::report_html(run))));
            }
            if ui.button("Save .vitrun").on_hover_text("The whole run as one file, which this dashboard opens").clicked() {
                actions.push(Action::Export(key.clone(), Export::Record));
            }
            if ui.button("Save a picture").clicked() {
                actions.push(Action::Picture);
            }
            if ui.button("Copy a link").clicked() {
                actions.push(Action::Share);
            }
        });
    });
    actions.into_iter().for_each(|action| model.ask(action));
}

/// What became of the run, in a sentence.
pub fn verdict_sentence(run: &Run) -> String {
    let standing = &run.state.standing;
    let state = if run.is_running() { "is running" } else { "has ended" };
    match standing.crash {
        Some(crash) => {
            let why = run
                .state
                .alarms
                .iter()
                .find(|alarm| alarm.step == crash.step && alarm.kind == crash.kind)
                .map_or("", |alarm| alarm.why.as_str());
            format!("It crashed, {}: {why}.", words::crash(crash))
        }
        None => format!("It {state} and is {} after {} of {} steps.", run.verdict().name(), run.last_step(), standing.started.total_steps),
    }
}

fn environment(ui: &mut Ui, run: &Run) {
    let meta = &run.head.meta;
    card::show(ui, "Environment, and how to repeat it", |ui| {
        let palette = theme::palette(ui);
        let mut rows = vec![("device".to_string(), run.state.standing.started.device.clone()), ("seed".to_string(), meta.seed.to_string())];
        rows.push(("data".to_string(), format!("{}, hash {}", meta.data.kind, meta.data.hash)));
        rows.extend(meta.versions.iter().map(|(name, version)| (name.clone(), version.clone())));
        ui.spacing_mut().interact_size.y = 18.0;
        Grid::new("environment").num_columns(2).spacing([theme::GAP_L, 4.0]).show(ui, |ui| {
            for (name, value) in &rows {
                ui.label(RichText::new(name).color(palette.muted));
                ui.add(egui::Label::new(value).wrap());
                ui.end_row();
            }
        });
        ui.add_space(theme::GAP_XS);
        ui.label(RichText::new("With the config below as config.toml:").color(palette.muted));
        let mut command = format!("vitrine train --config config.toml --name {}", meta.name.replace(' ', "-"));
        let answer = ui.add(egui::TextEdit::singleline(&mut command).font(egui::TextStyle::Monospace).desired_width(f32::INFINITY));
        field::name(&answer, &command, "Command that repeats the run");
    });
}

fn config(ui: &mut Ui, run: &Run) {
    card::show(ui, "Config", |ui| {
        let mut text = run.head.config_toml.as_str();
        let rows = text.lines().count();
        let edit = egui::TextEdit::multiline(&mut text).font(egui::TextStyle::Monospace).desired_width(f32::INFINITY).desired_rows(rows);
        let answer = ui.add(edit);
        field::name(&answer, &run.head.config_toml, "Resolved config");
    });
}
