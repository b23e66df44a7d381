//! Start: three ways to begin, and one sentence on what this place can do.

use egui::{RichText, Ui, vec2};

use super::twin;
use crate::dashboard::form::Form;
use crate::dashboard::host::{Origin, RunHead, RunKey};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::{card, sign, sketch, state};

/// Height that makes the three cards alike.
const CARD_HEIGHT: f32 = 258.0;
/// Height of the button that begins.
const BUTTON_HEIGHT: f32 = 32.0;
/// Height of the small cards.
const TILE_HEIGHT: f32 = 70.0;
/// Their width at least: four in a row on a usual screen.
const TILE_WIDTH: f32 = 215.0;
/// The screens that have one.
const TILES: [Screen; 8] =
    [Screen::Autopsy, Screen::Tokens, Screen::Stem, Screen::Attention, Screen::Compare, Screen::CrashMap, Screen::Report, Screen::Doctor];
/// Runs listed at most.
const MAX_RUNS: usize = 5;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    ui.add_space(theme::GAP_M);
    ui.label(RichText::new("Watch Vision Transformers learn, and see why some crash").font(theme::title_font(theme::SIZE_DISPLAY)));
    ui.label(
        RichText::new("Train two stems side by side, open recorded runs, and look inside tokens, stems and attention.")
            .size(theme::SIZE_TITLE)
            .color(palette.muted),
    );
    ui.add_space(theme::GAP_L);
    card::columns(ui, 3, 250.0, |ui, ix| match ix {
        0 => watch(ui, model),
        1 => recorded(ui, model),
        _ => own(ui, model),
    });
    ui.add_space(theme::GAP_S);
    abilities(ui, model);
    ui.add_space(theme::GAP_L);
    ui.label(RichText::new("Look closer").font(theme::title_font(theme::SIZE_TITLE)));
    ui.add_space(theme::GAP_XS);
    card::columns(ui, TILES.len(), TILE_WIDTH, |ui, ix| tile(ui, model, TILES[ix]));
}

/// A screen as a card to click: its sign, name and purpose.
fn tile(ui: &mut Ui, model: &mut Model, screen: Screen) {
    let palette = theme::palette(ui);
    let (rect, answer) = ui.allocate_exact_size(vec2(ui.available_width(), TILE_HEIGHT), egui::Sense::click());
    answer.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Open {}", screen.title())));
    let is_pointed_at = answer.hovered() || answer.has_focus();
    let edge = if is_pointed_at { palette.accent } else { palette.line };
    ui.painter().rect(rect, 10.0, palette.surface, egui::Stroke::new(1.0, edge), egui::StrokeKind::Inside);
    let sign_rect = egui::Rect::from_min_size(rect.min + vec2(theme::GAP_M, 0.5 * (TILE_HEIGHT - 30.0)), vec2(44.0, 30.0));
    sketch::paint(ui.painter(), sign_rect, palette, screen);
    let left = sign_rect.right() + theme::GAP_M;
    let title = ui.painter().layout_no_wrap(screen.title().to_string(), theme::title_font(theme::SIZE_BODY), palette.text);
    let small = egui::FontId::proportional(theme::SIZE_SMALL);
    let purpose = ui.painter().layout(screen.purpose().to_string(), small, palette.muted, rect.right() - left - theme::GAP_S);
    let top = rect.center().y - 0.5 * (title.size().y + 2.0 + purpose.size().y);
    let below = egui::pos2(left, top + title.size().y + 2.0);
    ui.painter().galley(egui::pos2(left, top), title, palette.text);
    ui.painter().galley(below, purpose, palette.muted);
    if answer.clicked() {
        model.ask(Action::Go(screen));
    }
}

fn tall(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui)) {
    card::show(ui, title, |ui| {
        contents(ui);
        // The height that is left is counted from the next line on.
        let used = ui.cursor().top() - ui.max_rect().top();
        ui.set_min_height((CARD_HEIGHT - used).max(0.0));
    });
}

/// The button of a card, at its foot.
fn main_button(ui: &mut Ui, text: &str, is_possible: bool) -> bool {
    let palette = theme::palette(ui);
    let used = ui.cursor().top() - ui.max_rect().top();
    ui.add_space((CARD_HEIGHT - used - BUTTON_HEIGHT).max(theme::GAP_XS));
    let label = RichText::new(text).font(theme::title_font(theme::SIZE_BODY)).color(palette.on_accent);
    ui.add_enabled(is_possible, egui::Button::new(label).fill(palette.accent).min_size(vec2(0.0, BUTTON_HEIGHT))).clicked()
}

fn watch(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    tall(ui, "Watch a crash", |ui| {
        curves(ui);
        ui.label("Two small ViTs learn Fashion-MNIST at a bold learning rate: same seed, same batches. One turns pixels into tokens with a plain projection, the other adds BatchNorm and ReLU.");
        ui.label(RichText::new("About a minute").color(palette.muted));
        if main_button(ui, "Start the twin", model.abilities.can_train) {
            let action = twin::start_action(model);
            model.ask(action);
        }
    });
}

/// Two curves, one of which turns back: what the card is about, at a glance.
fn curves(ui: &mut Ui) {
    let palette = theme::palette(ui);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 56.0), egui::Sense::hover());
    let now_secs = ui.input(|input| input.time);
    // Drawn once over, then it stands still.
    let shown = (now_secs / 2.5).clamp(0.15, 1.0);
    if shown < 1.0 {
        ui.ctx().request_repaint();
    }
    for (slot, falls_back) in [(0, false), (1, true)] {
        let height = |t: f64| {
            let learned = (-4.0 * t).exp() * 0.9 + 0.06 + 0.025 * (40.0 * t + slot as f64).sin() * (1.0 - t);
            if falls_back && t > 0.45 { learned + (0.9 - learned) * (1.0 - (-14.0 * (t - 0.45)).exp()) } else { learned }
        };
        let num_points = (120.0 * shown) as usize;
        let place = |ix: usize| {
            let t = ix as f64 / 120.0;
            egui::pos2(egui::lerp(rect.x_range(), t as f32), egui::lerp(rect.bottom()..=rect.top(), height(t) as f32))
        };
        let points: Vec<_> = (0..=num_points).map(place).collect();
        let end = points.last().copied().unwrap_or(rect.left_center());
        ui.painter().add(egui::Shape::line(points, egui::Stroke::new(2.0, palette.run(slot))));
        if falls_back && shown > 0.5 {
            let mark = place(58);
            ui.painter().circle_filled(mark, 8.0, palette.surface);
            sign::verdict_shape(ui.painter(), mark, 6.0, crate::run::alarm::Verdict::Crashed, palette.bad);
        } else {
            ui.painter().circle_filled(end, 3.0, palette.run(slot));
        }
    }
}

fn recorded(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    tall(ui, "Open a recorded run", |ui| {
        ui.label("Recorded runs open everywhere, also without a GPU. Select two to compare them.");
        let heads: Vec<RunHead> =
            model.runs.all_heads().into_iter().rev().filter(|head| head.origin != Origin::Trained).take(MAX_RUNS).cloned().collect();
        if model.runs.heads.is_none() {
            state::loading(ui, "Looking for runs");
        } else if heads.is_empty() {
            ui.label(RichText::new("There are no recorded runs here yet.").color(palette.muted));
        }
        for head in &heads {
            ui.horizontal(|ui| {
                sign::verdict(ui, head.meta.verdict);
                let best = head.meta.best.map_or(String::new(), |best| format!("{:.1} %", 100.0 * best.top1));
                let button = egui::Button::new(&head.meta.name).right_text(RichText::new(best).color(palette.muted)).truncate();
                if ui.add_sized([ui.available_width(), 26.0], button).on_hover_text(&head.key.0).clicked() {
                    model.ask(Action::Show(vec![head.key.clone()], Screen::Train));
                }
            });
        }
        ui.horizontal(|ui| {
            if ui.button("Open a file …").clicked() {
                model.ask(Action::PickFiles);
            }
            let keys: Vec<RunKey> = heads.iter().map(|head| head.key.clone()).collect();
            if keys.len() > 1 && ui.button("Compare these").clicked() {
                model.ask(Action::Show(keys, Screen::Compare));
            }
        });
    });
}

fn own(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    tall(ui, "Train your own", |ui| {
        ui.label("Choose stem, width, optimiser and schedule under the names of the TOML file, and follow every step. Learning rate and pauses can be changed while it runs.");
        ui.label(
            RichText::new("Starts from the demo, a small ViT with a conv-stem, on the embedded Fashion-MNIST images; or drop a folder that has a folder of pictures for each class.").color(palette.muted),
        );
        if main_button(ui, "Set up a training", true) {
            model.form = Form::default();
            model.ask(Action::Show(Vec::new(), Screen::Train));
        }
    });
}

fn abilities(ui: &mut Ui, model: &Model) {
    let palette = theme::palette(ui);
    let abilities = &model.abilities;
    if abilities.summary.is_empty() {
        ui.label(RichText::new("Looking for a device to compute on …").color(palette.muted));
        return;
    }
    ui.label(RichText::new(&abilities.summary).color(palette.muted));
    if !abilities.help.is_empty() {
        ui.label(RichText::new(&abilities.help).color(palette.warn));
    }
}
