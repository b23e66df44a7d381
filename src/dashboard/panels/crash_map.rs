//! Crash map: learning rate × warm-up for each stem; a click opens the runs of a cell.

use egui::{Align2, FontId, Rect, Role, Sense, Stroke, Ui, WidgetInfo, vec2};

use crate::dashboard::crash_map::{self, Cell, CrashMap};
use crate::dashboard::export::tables;
use crate::dashboard::host::{RunHead, Saved};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::{card, sign, state};
use crate::run::alarm::Verdict;
use crate::run::number::short;

const CELL: egui::Vec2 = vec2(82.0, 46.0);
const LABEL_WIDTH: f32 = 62.0;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::CrashMap.title(), Screen::CrashMap.purpose());
    if model.runs.heads.is_none() {
        state::loading(ui, "Looking for runs");
        return;
    }
    let heads: Vec<RunHead> = model.runs.all_heads().into_iter().cloned().collect();
    let maps = crash_map::maps(&heads.iter().collect::<Vec<_>>());
    if maps.is_empty() {
        state::empty(ui, "No finished runs yet", "`vitrine sweep` trains a grid of learning rates and warm-ups; its runs appear here");
        return;
    }
    ui.label(
        egui::RichText::new("Share of crashed runs and mean best top-1; every finished run in the list counts, one for each seed.")
            .color(theme::palette(ui).muted),
    );
    if ui.button("Table as CSV").clicked() {
        model.ask(Action::Save(Saved::text("crash-map.csv", tables::crash_map_csv(&maps))));
    }
    ui.add_space(theme::GAP_S);
    card::columns(ui, maps.len(), least_width(&maps), |ui, ix| {
        card::show(ui, &maps[ix].stem, |ui| {
            if !maps[ix].setting.is_empty() {
                let words = egui::RichText::new(&maps[ix].setting).size(theme::SIZE_SMALL).color(theme::palette(ui).muted);
                ui.add(egui::Label::new(words).wrap());
            }
            one(ui, model, &maps[ix]);
        });
    });
}

/// Width of a card in which the widest map needs no scrolling, points; maps wider than a screen scroll.
fn least_width(maps: &[CrashMap]) -> f32 {
    let columns = maps.iter().map(|map| map.warmups.len()).max().unwrap_or(1) as f32;
    (LABEL_WIDTH + columns * (CELL.x + 4.0) + 3.0 * theme::GAP_M).clamp(260.0, 900.0)
}

fn one(ui: &mut Ui, model: &mut Model, map: &CrashMap) {
    egui::ScrollArea::horizontal().id_salt((&map.stem, &map.setting)).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        for (lr, row) in map.lrs.iter().zip(&map.cells).rev() {
            ui.horizontal(|ui| {
                label(ui, vec2(LABEL_WIDTH, CELL.y), &format!("lr {}", short(*lr)), Align2::RIGHT_CENTER);
                for (warmup, cell) in map.warmups.iter().zip(row) {
                    let name = format!("{}, learning rate {}, warm-up {} epochs", map.stem, short(*lr), short(*warmup));
                    if show_cell(ui, cell, &name) {
                        model.ask(Action::Show(cell.runs.clone(), Screen::Compare));
                    }
                }
            });
        }
        ui.horizontal(|ui| {
            label(ui, vec2(LABEL_WIDTH, 18.0), "warm-up", Align2::RIGHT_CENTER);
            for warmup in &map.warmups {
                label(ui, vec2(CELL.x, 18.0), &format!("{} epochs", short(*warmup)), Align2::CENTER_CENTER);
            }
        });
    });
}

fn label(ui: &mut Ui, size: egui::Vec2, text: &str, align: Align2) {
    let (rect, answer) = ui.allocate_exact_size(size, Sense::hover());
    answer.widget_info(|| WidgetInfo::labeled(Role::Label, true, text));
    let at = align.pos_in_rect(&rect);
    ui.painter().text(at, align, text, FontId::proportional(theme::SIZE_SMALL), theme::palette(ui).muted);
}

/// One cell; true if it was clicked.
fn show_cell(ui: &mut Ui, cell: &Cell, name: &str) -> bool {
    let palette = theme::palette(ui);
    let is_empty = cell.runs.is_empty();
    let (rect, answer) = ui.allocate_exact_size(CELL, if is_empty { Sense::hover() } else { Sense::click() });
    if is_empty {
        ui.painter().rect_stroke(rect.shrink(1.0), 5.0, Stroke::new(1.0, palette.line), egui::StrokeKind::Inside);
        return false;
    }
    let share = cell.crash_frac();
    let fill = if share > 0.0 { palette.bad.gamma_multiply(0.18 + 0.5 * share as f32) } else { palette.good.gamma_multiply(0.25) };
    ui.painter().rect_filled(rect, 5.0, fill);
    if answer.hovered() || answer.has_focus() {
        ui.painter().rect_stroke(rect, 5.0, Stroke::new(1.5, palette.accent), egui::StrokeKind::Inside);
    }
    let verdict = if share > 0.0 { Verdict::Crashed } else { Verdict::Healthy };
    sign::verdict_shape(ui.painter(), rect.min + vec2(14.0, 14.0), 5.0, verdict, palette.verdict(verdict));
    let count = format!("{}/{}", cell.num_crashed, cell.runs.len());
    text(ui, rect, vec2(24.0, 14.0), &count, theme::SIZE_SMALL);
    let top1 = cell.mean_top1().map_or("–".to_string(), |top1| format!("{:.1} %", 100.0 * top1));
    text(ui, rect, vec2(8.0, 33.0), &top1, theme::SIZE_BODY);
    let words = format!("{name}: {} of {} crashed, top-1 {top1}", cell.num_crashed, cell.runs.len());
    answer.widget_info(|| WidgetInfo::labeled(Role::Button, true, &words));
    answer.on_hover_text(words).clicked()
}

fn text(ui: &Ui, rect: Rect, offset: egui::Vec2, text: &str, size: f32) {
    ui.painter().text(rect.min + offset, Align2::LEFT_CENTER, text, FontId::proportional(size), theme::palette(ui).text);
}
