//! Doctor: what this machine computes on, how long each op takes, and whether it computes right.

use egui::{Grid, RichText, Ui, vec2};

use crate::dashboard::export::tables;
use crate::dashboard::host::{Checkup, Saved};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::{card, sign, state};
use crate::run::alarm::Verdict;
use crate::run::number::short;

/// Width of the longest bar, points.
const BAR_WIDTH: f32 = 140.0;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Doctor.title(), Screen::Doctor.purpose());
    let palette = theme::palette(ui);
    let is_running = model.checkup.as_ref().is_some_and(|checkup| !checkup.is_done);
    card::show(ui, "This place", |ui| {
        let device = if model.abilities.device.is_empty() { "looking for a device …" } else { &model.abilities.device };
        ui.label(RichText::new(device).font(theme::title_font(theme::SIZE_TITLE)));
        ui.label(RichText::new(&model.abilities.summary).color(palette.muted));
        if !model.abilities.help.is_empty() {
            ui.label(RichText::new(&model.abilities.help).color(palette.warn));
        }
        let text = if model.checkup.is_some() { "Check again" } else { "Check every kernel" };
        if ui.add_enabled(!is_running, egui::Button::new(text)).clicked() {
            model.ask(Action::CheckUp);
        }
    });
    ui.add_space(theme::GAP_M);
    match &model.checkup {
        None => state::empty(ui, "Not checked yet", "The self-test runs every kernel on this device and holds it against the processor"),
        Some(checkup) => {
            findings(ui, checkup);
            let is_saved = checkup.is_done && ui.button("Findings as CSV").clicked();
            if is_saved {
                let saved = Saved::text("doctor.csv", tables::checkup_csv(checkup));
                model.ask(Action::Save(saved));
            }
        }
    }
}

fn findings(ui: &mut Ui, checkup: &Checkup) {
    if !checkup.is_done {
        state::loading(ui, &format!("Checking, {} kernels so far", checkup.kernels.len()));
        ui.add_space(theme::GAP_M);
    }
    card::columns(ui, 2, 340.0, |ui, ix| match ix {
        0 => facts(ui, checkup),
        _ => timings(ui, checkup),
    });
    kernels(ui, checkup);
}

fn facts(ui: &mut Ui, checkup: &Checkup) {
    card::show(ui, "Adapter and limits", |ui| {
        ui.spacing_mut().interact_size.y = 18.0;
        Grid::new("facts").num_columns(2).spacing([theme::GAP_L, 4.0]).show(ui, |ui| {
            for (name, value) in &checkup.facts {
                ui.label(RichText::new(name).color(theme::palette(ui).muted));
                ui.add(egui::Label::new(value).wrap());
                ui.end_row();
            }
        });
    });
}

fn timings(ui: &mut Ui, checkup: &Checkup) {
    card::show(ui, "Milliseconds an op takes in one step", |ui| {
        let palette = theme::palette(ui);
        let most = checkup.op_millis.iter().map(|(_, millis)| *millis).fold(0.0, f64::max);
        if checkup.op_millis.is_empty() {
            ui.label(RichText::new("Not measured here").color(palette.muted));
        }
        ui.spacing_mut().interact_size.y = 18.0;
        Grid::new("timings").num_columns(3).spacing([theme::GAP_M, 4.0]).show(ui, |ui| {
            for (name, millis) in &checkup.op_millis {
                ui.label(name);
                let (rect, _) = ui.allocate_exact_size(vec2(BAR_WIDTH, 12.0), egui::Sense::hover());
                let width = rect.width() * (millis / most.max(1e-9)) as f32;
                ui.painter().rect_filled(rect, 3.0, palette.raised);
                ui.painter().rect_filled(egui::Rect::from_min_size(rect.min, vec2(width.max(2.0), rect.height())), 3.0, palette.accent);
                ui.label(RichText::new(format!("{} ms", short(*millis))).monospace());
                ui.end_row();
            }
        });
    });
}

fn kernels(ui: &mut Ui, checkup: &Checkup) {
    let palette = theme::palette(ui);
    let wrong = checkup.kernels.iter().filter(|kernel| !kernel.trouble.is_empty()).count();
    let title = match (checkup.kernels.len(), wrong) {
        (0, _) => "Self-test".to_string(),
        (count, 0) => format!("Self-test: {count} kernels right"),
        (count, wrong) => format!("Self-test: {wrong} of {count} kernels wrong"),
    };
    card::show(ui, &title, |ui| {
        egui::ScrollArea::horizontal().id_salt("kernels").show(ui, |ui| {
            Grid::new("kernels").num_columns(5).min_col_width(16.0).striped(true).spacing([theme::GAP_L, 4.0]).show(ui, |ui| {
                for kernel in &checkup.kernels {
                    sign::verdict(ui, if kernel.trouble.is_empty() { Verdict::Healthy } else { Verdict::Crashed });
                    ui.label(RichText::new(&kernel.kernel).monospace());
                    ui.label(&kernel.tier);
                    ui.label(RichText::new(format!("error {}", short(kernel.error))).color(palette.muted));
                    ui.label(RichText::new(&kernel.trouble).color(palette.bad));
                    ui.end_row();
                }
            });
        });
    });
}
