//! What is said while files are held over the window.

use egui::{Align2, Id, LayerId, Order, Stroke, StrokeKind, Ui};

use crate::dashboard::model::Model;
use crate::dashboard::theme;

/// From the window's edge to the frame, points.
const INSET: f32 = 8.0;
/// Line of the frame, points.
const LINE: f32 = 3.0;

/// What may be dropped.
const TEXT: &str = "Drop a .vitrun file, a run folder, images, tfevents or safetensors";

/// Shows that files may be let go, while some are held over the window.
pub fn show(ui: &Ui, model: &Model) {
    let is_held = ui.input(|input| !input.raw.hovered_files.is_empty());
    if !is_held || !model.abilities.drop_trouble.is_empty() {
        return;
    }
    let palette = theme::palette(ui);
    let painter = ui.ctx().layer_painter(LayerId::new(Order::Foreground, Id::unique("drop area")));
    let rect = ui.ctx().content_rect().shrink(INSET);
    painter.rect(rect, 10.0, palette.accent.gamma_multiply(0.08), Stroke::new(LINE, palette.accent), StrokeKind::Inside);
    let text = painter.layout(TEXT.to_string(), theme::title_font(theme::SIZE_TITLE), palette.text, rect.width() - theme::GAP_L);
    let place = Align2::CENTER_CENTER.anchor_size(rect.center(), text.size());
    painter.rect_filled(place.expand(theme::GAP_M), 8.0, palette.surface);
    painter.galley(place.min, text, palette.text);
}
