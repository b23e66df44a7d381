//! The config form: one row a key, with what it is for and a dot to take a change back.

use egui::{ComboBox, Grid, RichText, TextEdit, Ui};

use crate::config::presets;
use crate::dashboard::form::{FIELDS, Field, Form};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::panels::train;
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::{card, sign};
use crate::dashboard::words;
use crate::run::number::short;
use crate::run::report::grouped;

/// Shows the form with its estimate and the button that starts.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::columns(ui, 2, 380.0, |ui, ix| match ix {
        0 => fields(ui, &mut model.form),
        _ => outcome(ui, model),
    });
}

fn fields(ui: &mut Ui, form: &mut Form) {
    card::show(ui, "Experiment", |ui| {
        ui.horizontal(|ui| {
            let label = ui.label("Preset");
            ComboBox::from_id_salt("preset")
                .selected_text(form.preset.clone())
                .show_ui(ui, |ui| {
                    for preset in presets::all() {
                        if ui.selectable_label(form.preset == preset.name, preset.name).on_hover_text(preset.description()).clicked() {
                            *form = Form::from_preset(preset.name);
                        }
                    }
                })
                .response
                .labelled_by(label.id);
            let label = ui.label("Name");
            ui.add(TextEdit::singleline(&mut form.name).desired_width(140.0)).labelled_by(label.id);
        });
        let sections = ["model", "data", "augment", "optim", "schedule", "train", "probe", "crash"];
        for section in sections {
            let prefix = format!("{section}.");
            let own: Vec<&Field> = FIELDS.iter().filter(|field| field.key.starts_with(&prefix)).collect();
            let num_edits = form.edits.keys().filter(|key| key.starts_with(&prefix)).count();
            let title = if num_edits > 0 { format!("{section} · {num_edits} changed") } else { section.to_string() };
            let header = egui::CollapsingHeader::new(RichText::new(title).font(theme::title_font(theme::SIZE_BODY))).id_salt(section);
            header.default_open(matches!(section, "model" | "optim" | "schedule")).show(ui, |ui| {
                let grid = |part| Grid::new((section, part)).num_columns(3).spacing([theme::GAP_S, 4.0]);
                grid("fields").show(ui, |ui| own.iter().for_each(|field| row(ui, form, field.key, (field.help, field.choices))));
                let others = form.other_keys(section);
                let mut rest = |ui: &mut Ui| others.iter().for_each(|key| row(ui, form, key, ("", &[])));
                if own.is_empty() {
                    grid("others").show(ui, rest);
                } else if !others.is_empty() {
                    let title = RichText::new(format!("{} more", others.len())).color(theme::palette(ui).muted);
                    let more = egui::CollapsingHeader::new(title).id_salt((section, "more"));
                    more.show(ui, |ui| grid("others").show(ui, &mut rest));
                }
            });
        }
    });
}

fn row(ui: &mut Ui, form: &mut Form, name: &str, (help, choices): (&str, &[&str])) {
    let palette = theme::palette(ui);
    let key = name.split_once('.').map_or(name, |(_, key)| key);
    let is_edited = form.edits.contains_key(name);
    let ink = if is_edited { palette.accent } else { palette.text };
    let help = format!("{help}\n{name} = {}\n{}", form.text(name), form.origin(name)).trim().to_string();
    let label = ui.label(RichText::new(key).color(ink)).on_hover_text(help);
    let mut text = form.text(name);
    let before = text.clone();
    if choices.is_empty() {
        ui.add(TextEdit::singleline(&mut text).desired_width(190.0)).labelled_by(label.id);
    } else {
        let combo = ComboBox::from_id_salt(name).selected_text(text.clone()).width(198.0);
        let answer = combo.show_ui(ui, |ui| {
            for choice in choices {
                ui.selectable_value(&mut text, (*choice).to_string(), *choice);
            }
        });
        answer.response.labelled_by(label.id);
    }
    if text != before {
        form.set(name, &text);
    }
    // The reset dot.
    if is_edited {
        if sign::button(ui, sign::Sign::Reset, &format!("Take {} back to {}", name, form.preset_text(name))).clicked() {
            form.reset(name);
        }
    } else {
        ui.label("");
    }
    ui.end_row();
}

/// Starts what the form says, where it can be trained.
pub fn start_action(model: &Model) -> Option<Action> {
    let resolved = model.form.resolved.as_ref().ok().filter(|_| model.abilities.can_train)?;
    Some(Action::Train(vec![train::order(&model.form.name, resolved.experiment.clone())], Screen::Train))
}

fn outcome(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    card::show(ui, "What it takes", |ui| {
        match &model.form.resolved {
            Err(error) => {
                ui.label(RichText::new(error).color(palette.bad));
            }
            Ok(_) => estimate(ui, model),
        }
        ui.add_space(theme::GAP_S);
        let action = start_action(model);
        let label = RichText::new("Start training").font(theme::title_font(theme::SIZE_BODY)).color(palette.on_accent);
        let button = egui::Button::new(label).fill(palette.accent).min_size(egui::vec2(0.0, 32.0));
        if let (true, Some(action)) = (ui.add_enabled(action.is_some(), button).clicked(), action) {
            model.ask(action);
        }
        if !model.abilities.can_train {
            ui.label(RichText::new(format!("{} {}", model.abilities.summary, model.abilities.help)).color(palette.muted));
        }
    });
    ui.add_space(theme::GAP_M);
    card::show(ui, "Changed from the preset", |ui| difference(ui, &mut model.form));
}

fn estimate(ui: &mut Ui, model: &Model) {
    let palette = theme::palette(ui);
    match &model.form.estimate {
        None => {
            ui.horizontal(|ui| {
                ui.add(egui::Spinner::new().size(14.0));
                ui.label(RichText::new("Working it out …").color(palette.muted));
            });
        }
        Some(Err(error)) => {
            ui.label(RichText::new(error).color(palette.warn));
        }
        Some(Ok(estimate)) => {
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing.x = theme::GAP_L;
                card::figure(ui, &grouped(estimate.params), "parameters");
                card::figure(ui, &grouped(estimate.total_steps), "steps");
                card::figure(ui, &format!("{} MB", short(estimate.memory_bytes as f64 / 1e6)), "memory");
                card::figure(ui, &format!("{} GFLOP", short(estimate.step_flops / 1e9)), "a step");
                if let Some(secs) = estimate.secs {
                    card::figure(ui, &words::duration(secs), "on this device, about");
                }
            });
        }
    }
}

fn difference(ui: &mut Ui, form: &mut Form) {
    let palette = theme::palette(ui);
    if form.edits.is_empty() {
        ui.label(RichText::new(format!("Nothing: this is {} as it ships", form.preset)).color(palette.muted));
        return;
    }
    let mut reset = None;
    for (key, text) in &form.edits {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(key).monospace());
            ui.label(RichText::new(form.preset_text(key)).monospace().color(palette.muted).strikethrough());
            ui.label(RichText::new("→").color(palette.muted));
            ui.label(RichText::new(text).monospace().color(palette.accent));
            if sign::button(ui, sign::Sign::Reset, &format!("Take back {key}")).clicked() {
                reset = Some(key.clone());
            }
        });
    }
    if let Some(key) = reset {
        form.reset(&key);
    }
}
