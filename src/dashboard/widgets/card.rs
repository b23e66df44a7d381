//! A card: a surface with a title, and perhaps a sentence beside it.

use egui::{CornerRadius, Frame, InnerResponse, Margin, RichText, Stroke, Ui};

use crate::dashboard::theme;

/// Height of a column at most, points: a screen scrolls without end.
const MAX_HEIGHT: f32 = 1e5;

/// The frame of a card.
pub fn frame(ui: &Ui) -> Frame {
    let palette = theme::palette(ui);
    Frame::new()
        .fill(palette.surface)
        .stroke(Stroke::new(1.0, palette.line))
        .corner_radius(CornerRadius::same(10))
        .inner_margin(Margin::same(theme::GAP_M as i8))
}

/// A card with a title that takes the width there is.
pub fn show<R>(ui: &mut Ui, title: &str, contents: impl FnOnce(&mut Ui) -> R) -> InnerResponse<R> {
    show_with(ui, title, |_| {}, contents)
}

/// A card with a title and something at the right end of its line.
pub fn show_with<R>(ui: &mut Ui, title: &str, corner: impl FnOnce(&mut Ui), contents: impl FnOnce(&mut Ui) -> R) -> InnerResponse<R> {
    frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal(|ui| {
            ui.label(RichText::new(title).font(theme::title_font(theme::SIZE_TITLE)));
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), corner);
        });
        ui.add_space(2.0);
        contents(ui)
    })
}

/// A card with a button that saves what it shows; true if that was pressed.
pub fn show_saved(ui: &mut Ui, title: &str, file: &str, contents: impl FnOnce(&mut Ui)) -> bool {
    let mut is_saved = false;
    let button = |ui: &mut Ui| {
        let text = RichText::new("CSV").size(theme::SIZE_SMALL).color(theme::palette(ui).muted);
        let answer = ui.add(egui::Button::new(text).frame(false)).on_hover_text(format!("Save as {file}"));
        answer.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, format!("Save {file}")));
        is_saved = answer.clicked();
    };
    show_with(ui, title, button, contents);
    is_saved
}

/// Title and purpose of a screen.
pub fn heading(ui: &mut Ui, title: &str, purpose: &str) {
    let palette = theme::palette(ui);
    ui.horizontal_wrapped(|ui| {
        ui.heading(title);
        ui.add_space(theme::GAP_S);
        ui.label(RichText::new(purpose).color(palette.muted));
    });
    ui.add_space(theme::GAP_S);
}

/// A number with its name below it.
pub fn figure(ui: &mut Ui, value: &str, name: &str) {
    let palette = theme::palette(ui);
    let layout = |text: &str, font, color| ui.painter().layout_no_wrap(text.to_string(), font, color);
    let number = layout(value, theme::title_font(theme::SIZE_HEADING), palette.text);
    let words = layout(name, egui::FontId::proportional(theme::SIZE_SMALL), palette.muted);
    // One piece, so that a row that is too narrow breaks between figures and never within one.
    let size = egui::vec2(number.size().x.max(words.size().x), number.size().y + words.size().y);
    let (rect, answer) = ui.allocate_exact_size(size, egui::Sense::hover());
    answer.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, format!("{name} {value}")));
    let below = rect.min + egui::vec2(0.0, number.size().y);
    ui.painter().galley(rect.min, number, palette.text);
    ui.painter().galley(below, words, palette.muted);
}

/// In a row that breaks: begins a new row if less than `width` is left in this one.
pub fn keep_together(ui: &mut Ui, width: f32) {
    if ui.available_size_before_wrap().x < width {
        ui.end_row();
        ui.set_row_height(ui.spacing().interact_size.y);
    }
}

/// Width of each of `count` things side by side; none where the screen is too narrow for them.
pub fn column_width(ui: &Ui, count: usize, least_width: f32) -> Option<f32> {
    let gaps = theme::GAP_M * (count as f32 - 1.0);
    let width = (ui.available_width() - gaps) / count as f32;
    (width >= least_width).then_some(width)
}

/// Shows `count` things side by side, or one under another where they would be narrower than
/// `least_width`.
pub fn columns(ui: &mut Ui, count: usize, least_width: f32, mut add: impl FnMut(&mut Ui, usize)) {
    let fitting = (1..=count).rev().find(|&count| column_width(ui, count, least_width).is_some()).unwrap_or(1);
    // Rows of the same length: four in a space for three are two and two.
    let fitting = count.div_ceil(count.div_ceil(fitting));
    let width = column_width(ui, fitting, 0.0).unwrap_or(ui.available_width());
    // Not that of the row: what scrolls inside a column asks how much there is.
    let height = ui.available_height().min(MAX_HEIGHT);
    for row in 0..count.div_ceil(fitting) {
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = theme::GAP_M;
            for ix in row * fitting..((row + 1) * fitting).min(count) {
                ui.allocate_ui_with_layout(egui::vec2(width, height), egui::Layout::top_down(egui::Align::Min), |ui| {
                    ui.set_width(width);
                    add(ui, ix);
                });
            }
        });
        ui.add_space(theme::GAP_M - ui.spacing().item_spacing.y);
    }
}
