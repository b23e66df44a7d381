//! The top bar: screens, controls, device; below it the selected runs.

use egui::{Button, Frame, Margin, Panel, RichText, ScrollArea, Ui};

use crate::dashboard::host::RunKey;
use crate::dashboard::model::{Action, Model};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::sign::{self, Sign};
use crate::dashboard::words;

/// Shows the bar.
pub fn show(ui: &mut Ui, model: &mut Model, is_narrow: bool) {
    let palette = theme::palette(ui);
    let frame = Frame::new().fill(palette.surface).inner_margin(Margin::symmetric(12, 8));
    Panel::top("top bar").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            if sign::button(ui, Sign::List, "List of runs").clicked() {
                model.ask(Action::RunList);
            }
            ui.label(RichText::new("Vitrine").font(theme::title_font(theme::SIZE_TITLE)));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                controls(ui, model, is_narrow);
                if !is_narrow {
                    ui.add_space(theme::GAP_S);
                    ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
                        ScrollArea::horizontal().id_salt("tabs").show(ui, |ui| ui.horizontal(|ui| tabs(ui, model)));
                    });
                }
            });
        });
        if is_narrow {
            ScrollArea::horizontal().id_salt("screens").show(ui, |ui| ui.horizontal(|ui| tabs(ui, model)));
        }
        if !model.view.runs.is_empty() {
            ui.add_space(2.0);
            ScrollArea::horizontal().id_salt("chips").show(ui, |ui| ui.horizontal(|ui| chips(ui, model)));
        }
    });
}

fn tabs(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    ui.spacing_mut().item_spacing.x = 2.0;
    for screen in Screen::ALL {
        let is_shown = model.view.screen == screen;
        let ink = if is_shown { palette.text } else { palette.muted };
        let fill = if is_shown { palette.raised } else { palette.surface };
        let answer = ui.add(Button::new(RichText::new(screen.title()).color(ink)).fill(fill)).on_hover_text(screen.purpose());
        answer.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, is_shown, screen.title()));
        if answer.clicked() {
            model.ask(Action::Go(screen));
        }
        // The tab of another screen comes into sight once; then the row is a person's to move.
        let seen = egui::Id::unique("tab in sight");
        if is_shown && ui.data(|data| data.get_temp(seen)) != Some(screen) {
            answer.scroll_to_me(None);
            ui.data_mut(|data| data.insert_temp(seen, screen));
        }
    }
}

fn controls(ui: &mut Ui, model: &mut Model, is_narrow: bool) {
    ui.spacing_mut().item_spacing.x = 4.0;
    if sign::button(ui, Sign::Theme, "Dark or light (T)").clicked() {
        model.ask(Action::SwitchTheme);
    }
    if sign::button(ui, Sign::Share, "Copy a link to this view (S)").clicked() {
        model.ask(Action::Share);
    }
    if ui.add(Button::new(RichText::new("Ctrl K").size(theme::SIZE_SMALL).monospace())).on_hover_text("Every action by name").clicked() {
        model.ask(Action::Palette);
    }
    if !is_narrow {
        badge(ui, model);
    }
    if model.view.runs.is_empty() {
        return;
    }
    let training = model.training().map(|run| run.is_paused);
    let is_moving = training.map_or(model.is_playing, |is_paused| !is_paused);
    if sign::button(ui, Sign::Step, "One step (.)").clicked() {
        model.ask(Action::StepOnce);
    }
    let (shown, name) = if is_moving { (Sign::Pause, "Pause (Space)") } else { (Sign::Play, "Play (Space)") };
    if sign::button(ui, shown, name).clicked() {
        model.ask(Action::PlayPause);
    }
}

/// Device and what it can do.
fn badge(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    let device = if model.abilities.device.is_empty() { "looking for a device …" } else { &model.abilities.device };
    let ink = if model.abilities.can_train { palette.muted } else { palette.warn };
    let text = RichText::new(words::shortened(device, 34)).size(theme::SIZE_SMALL).color(ink);
    let answer = ui.add(Button::new(text).fill(palette.raised).corner_radius(20));
    if answer.on_hover_text(format!("{device}\n{}\n{}", model.abilities.summary, model.abilities.help).trim()).clicked() {
        model.ask(Action::Go(Screen::Doctor));
    }
}

/// The selected runs: line, verdict, name; a click takes a run out.
fn chips(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    for key in model.view.runs.clone() {
        let slot = model.runs.slot(&key);
        Frame::new().fill(palette.raised).corner_radius(20).inner_margin(Margin::symmetric(10, 2)).show(ui, |ui| {
            ui.spacing_mut().item_spacing.x = 6.0;
            sign::run_line(ui, slot);
            chip_text(ui, model, &key);
            let name = format!("Take out {key}");
            ui.spacing_mut().interact_size.y = 20.0;
            if sign::button(ui, Sign::Close, &name).clicked() {
                model.ask(Action::Toggle(key.clone()));
            }
        });
    }
}

fn chip_text(ui: &mut Ui, model: &Model, key: &RunKey) {
    let palette = theme::palette(ui);
    match (model.runs.get(key), model.runs.failure(key)) {
        (Some(run), failure) => {
            sign::verdict(ui, run.verdict());
            let answer = ui.label(run.name());
            answer.on_hover_text(format!("{}\n{}", key, crate::dashboard::panels::stem_of(run)));
            if run.is_running() {
                let word = if run.is_paused { "paused" } else { "live" };
                ui.label(RichText::new(word).size(theme::SIZE_SMALL).color(palette.accent));
            }
            if let Some(reason) = failure {
                ui.label(RichText::new("failed").size(theme::SIZE_SMALL).color(palette.bad)).on_hover_text(reason);
            }
        }
        (None, Some(reason)) => {
            ui.label(RichText::new(&key.0).color(palette.bad)).on_hover_text(reason);
        }
        (None, None) => {
            ui.add(egui::Spinner::new().size(12.0));
            ui.label(&key.0);
        }
    }
}
