//! The list of runs at the left: filter, tags, one row a run.

use egui::{Frame, Margin, Panel, RichText, ScrollArea, TextEdit, Ui};

use crate::dashboard::host::{Origin, RunHead};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::parsed;
use crate::dashboard::theme;
use crate::dashboard::widgets::{field, sign, state};
use crate::dashboard::words;

/// Shows the list where there is room, or where it was asked for.
pub fn show(ui: &mut Ui, model: &mut Model, is_narrow: bool) {
    let is_open = model.is_list_open.unwrap_or(!is_narrow && ui.available_width() > 1050.0);
    model.is_list_open.get_or_insert(is_open);
    if model.is_list_open != Some(true) {
        return;
    }
    let palette = theme::palette(ui);
    let frame = Frame::new().fill(palette.surface).inner_margin(Margin::same(12));
    let width = if is_narrow { 220.0 } else { 256.0 };
    Panel::left("runs").frame(frame).default_size(width).size_range(180.0..=420.0).show(ui, |ui| contents(ui, model));
}

fn contents(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    ui.horizontal(|ui| {
        ui.label(RichText::new("Runs").font(theme::title_font(theme::SIZE_TITLE)));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if sign::button(ui, sign::Sign::Reset, "Look for new runs").clicked() {
                model.ask(Action::Refresh);
            }
            if ui.button("Folder …").on_hover_text("The folder of a run, or of images to train on").clicked() {
                model.ask(Action::PickFolder);
            }
            if ui.button("Open …").on_hover_text("A .vitrun file, tfevents or safetensors; dropping files here does the same").clicked() {
                model.ask(Action::PickFiles);
            }
        });
    });
    let answer = ui.add(TextEdit::singleline(&mut model.filter).hint_text("Filter").desired_width(f32::INFINITY));
    field::name(&answer, &model.filter, "Filter runs");
    let heads: Vec<RunHead> = model.runs.all_heads().into_iter().rev().cloned().collect();
    tags(ui, model, &heads);
    ui.add_space(theme::GAP_XS);
    if model.runs.heads.is_none() && heads.is_empty() {
        state::loading(ui, "Looking for runs");
        return;
    }
    if heads.is_empty() {
        state::empty(ui, "No runs yet", "Train one, or drop a .vitrun file here");
    }
    ScrollArea::vertical().id_salt("runs").auto_shrink([false, false]).show(ui, |ui| {
        let shown: Vec<&RunHead> = heads.iter().filter(|head| fits(head, &model.filter)).collect();
        if shown.is_empty() && !heads.is_empty() {
            ui.label(RichText::new("No run fits the filter").color(palette.muted));
        }
        for head in shown {
            row(ui, model, head);
        }
        for reason in &model.runs.unreadable {
            ui.add_space(theme::GAP_XS);
            ui.label(RichText::new(reason).size(theme::SIZE_SMALL).color(palette.bad));
        }
    });
}

/// Words that runs may be told apart by; a click puts one into the filter.
fn tags(ui: &mut Ui, model: &mut Model, heads: &[RunHead]) {
    let mut words: Vec<String> = heads.iter().flat_map(tags_of).collect();
    words.sort();
    words.dedup();
    if words.len() < 2 {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = egui::vec2(4.0, 4.0);
        for word in words.iter().take(12) {
            let is_on = model.filter.split_whitespace().any(|filter| filter == word);
            if sign::pill(ui, word, is_on).clicked() {
                let others: Vec<&str> = model.filter.split_whitespace().filter(|filter| filter != word).collect();
                let mut filter = others.join(" ");
                if !is_on {
                    filter = format!("{filter} {word}").trim().to_string();
                }
                model.filter = filter;
            }
        }
    });
}

/// What a run is, in words.
pub fn tags_of(head: &RunHead) -> Vec<String> {
    let mut tags = head.tags.clone();
    tags.extend([head.meta.verdict.name().to_string(), head.meta.data.kind.clone()]);
    if let Some(experiment) = &parsed::config(&head.config_toml).experiment {
        tags.push(if experiment.model.stem.contains("Conv") { "conv-stem" } else { "patchify" }.to_string());
        if experiment.optim.sam_rho > 0.0 {
            tags.push("sam".to_string());
        }
    }
    if head.is_live {
        tags.push("live".to_string());
    }
    match head.origin {
        Origin::Bundled => tags.push("bundled".to_string()),
        Origin::Dropped => tags.push("dropped".to_string()),
        Origin::Kept | Origin::Served | Origin::Trained => {}
    }
    tags.retain(|tag| !tag.is_empty());
    tags
}

/// Whether every word of the filter is in the run's name, id or tags.
pub fn fits(head: &RunHead, filter: &str) -> bool {
    let text = format!("{} {} {}", head.key, head.meta.name, tags_of(head).join(" ")).to_lowercase();
    filter.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
}

fn row(ui: &mut Ui, model: &mut Model, head: &RunHead) {
    let palette = theme::palette(ui);
    let is_selected = model.view.runs.contains(&head.key);
    let fill = if is_selected { palette.raised } else { palette.surface };
    let answer = Frame::new().fill(fill).corner_radius(6).inner_margin(Margin::symmetric(8, 5)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            sign::verdict(ui, head.meta.verdict);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 1.0;
                ui.horizontal(|ui| {
                    // The line first: what is cut is the name.
                    if is_selected {
                        sign::run_line(ui, model.runs.slot(&head.key));
                    }
                    ui.add(egui::Label::new(RichText::new(&head.meta.name).color(palette.text)).truncate());
                });
                ui.add(egui::Label::new(RichText::new(second_line(head)).size(theme::SIZE_SMALL).color(palette.muted)).truncate());
            });
        });
    });
    let name = format!("{} run {}", if is_selected { "Take out" } else { "Select" }, head.key);
    let click = ui.interact(answer.response.rect, ui.scope_id().with(&head.key.0), egui::Sense::click());
    click.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, is_selected, &name));
    if click.has_focus() || click.hovered() {
        let edge = egui::Stroke::new(1.0, palette.accent.gamma_multiply(if click.has_focus() { 1.0 } else { 0.5 }));
        ui.painter().rect_stroke(answer.response.rect, 6.0, edge, egui::StrokeKind::Inside);
    }
    if click.on_hover_text(&head.key.0).clicked() {
        model.ask(Action::Toggle(head.key.clone()));
    }
}

fn second_line(head: &RunHead) -> String {
    let best = head.meta.best.map_or(String::new(), |best| format!("{:.1} %, ", 100.0 * best.top1));
    let state = if head.is_live { "live" } else { head.meta.status_text(false) };
    let end = head.meta.crash.map_or(state.to_string(), |crash| format!("{} at {}", words::alarm(crash.kind), crash.step));
    format!("{best}{} steps, {end}", head.meta.last.step)
}
