//! A heat map over a run: a name before each row, the playhead as a line, what lies under the pointer in words.

use egui::{Align2, FontId, Id, Stroke, Ui, pos2, vec2};

use super::cells::{self, Cells};
use crate::dashboard::theme;

/// Least distance of two names of rows, points.
const NAME_HEIGHT: f32 = 12.0;

/// What a strip shows.
pub struct Strip<'a> {
    /// Tells strips apart.
    pub id: Id,
    /// The map; its last row is the first name's.
    pub cells: &'a Cells,
    /// Of the rows, from the bottom to the top.
    pub names: &'a [String],
    /// Room for the names, points.
    pub name_width: f32,
    /// Points.
    pub height: f32,
    /// The map in words.
    pub words: &'a str,
    /// Where the playhead is, 0 to 1.
    pub playhead_frac: Option<f32>,
}

/// Shows it, with `tip(column, row)` under the pointer, rows counted from the bottom; the column and row of a click.
pub fn show(ui: &mut Ui, strip: &Strip, tip: impl Fn(usize, usize) -> String) -> Option<(usize, usize)> {
    let palette = theme::palette(ui);
    let num_rows = strip.names.len().max(1);
    let row_height = strip.height / num_rows as f32;
    let mut clicked = None;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GAP_XS;
        let (room, _) = ui.allocate_exact_size(vec2(strip.name_width, strip.height), egui::Sense::hover());
        let every = (NAME_HEIGHT / row_height).ceil().max(1.0) as usize;
        for (row, name) in strip.names.iter().enumerate().step_by(every) {
            let at = pos2(room.right() - 2.0, room.bottom() - row_height * (row as f32 + 0.5));
            ui.painter().text(at, Align2::RIGHT_CENTER, name, FontId::proportional(theme::SIZE_SMALL), palette.muted);
        }
        let answer = cells::show(ui, strip.id, strip.cells, vec2(ui.available_width(), strip.height), strip.words);
        if let Some(frac) = strip.playhead_frac {
            let x = egui::lerp(answer.rect.x_range(), frac);
            ui.painter().vline(x, answer.rect.y_range(), Stroke::new(1.5, palette.accent));
        }
        let under = answer.hover_pos().and_then(|place| cells::cell_at(answer.rect, strip.cells.width, num_rows, place));
        if let Some((column, row_from_top)) = under {
            let row = num_rows - 1 - row_from_top;
            if answer.clicked() {
                clicked = Some((column, row));
            }
            answer.on_hover_text_at_pointer(tip(column, row));
        }
    });
    clicked
}
