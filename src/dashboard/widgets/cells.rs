//! Matrices, heat maps and small pictures: one cell a number, drawn as a texture.

use egui::{
    Color32, ColorImage, Id, Pos2, Rect, Response, Role, Sense, Stroke, TextureHandle, TextureOptions, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use crate::dashboard::theme;

/// A picture of coloured cells, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Cells {
    /// Cells in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Colours, row by row.
    pub colors: Vec<Color32>,
}

impl Cells {
    /// Numbers through a colour map.
    pub fn mapped(width: usize, values: impl IntoIterator<Item = f64>, color: impl Fn(f64) -> Color32) -> Self {
        let colors: Vec<Color32> = values.into_iter().map(color).collect();
        Self { width: width.max(1), height: colors.len() / width.max(1), colors }
    }

    fn mark(&self) -> u64 {
        use std::hash::{Hash as _, Hasher as _};
        let mut hasher = std::collections::hash_map::DefaultHasher::new();
        (self.width, &self.colors).hash(&mut hasher);
        hasher.finish()
    }
}

/// Shows cells at a size, and what they are in words. The texture is kept from frame to frame.
pub fn show(ui: &mut Ui, id: Id, cells: &Cells, size: Vec2, name: &str) -> Response {
    let (rect, answer) = ui.allocate_exact_size(size, Sense::click().union(Sense::hover()));
    answer.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
    paint(ui, id, cells, rect);
    answer
}

/// Paints cells into a rectangle.
pub fn paint(ui: &Ui, id: Id, cells: &Cells, rect: Rect) {
    if cells.colors.is_empty() || cells.colors.len() != cells.width * cells.height || !ui.is_rect_visible(rect) {
        return;
    }
    let mark = cells.mark();
    let kept: Option<(u64, TextureHandle)> = ui.data(|data| data.get_temp(id));
    let texture = match kept {
        Some((known, texture)) if known == mark => texture,
        _ => {
            let image = ColorImage::new([cells.width, cells.height], cells.colors.clone());
            let texture = ui.ctx().load_texture("cells", image, TextureOptions::NEAREST);
            ui.data_mut(|data| data.insert_temp(id, (mark, texture.clone())));
            texture
        }
    };
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().image(texture.id(), rect, whole, theme::UNTINTED);
}

/// The cell below a place, if there is one.
pub fn cell_at(rect: Rect, columns: usize, rows: usize, place: Pos2) -> Option<(usize, usize)> {
    if !rect.contains(place) || columns == 0 || rows == 0 {
        return None;
    }
    let share = (place - rect.min) / rect.size();
    Some((((share.x * columns as f32) as usize).min(columns - 1), ((share.y * rows as f32) as usize).min(rows - 1)))
}

/// Frames one cell.
pub fn outline(ui: &Ui, rect: Rect, columns: usize, rows: usize, cell: (usize, usize)) {
    let size = vec2(rect.width() / columns.max(1) as f32, rect.height() / rows.max(1) as f32);
    let at = rect.min + vec2(cell.0 as f32 * size.x, cell.1 as f32 * size.y);
    let palette = theme::palette(ui);
    let cell = Rect::from_min_size(at, size);
    ui.painter().rect_stroke(cell, 1.0, Stroke::new(2.0, palette.ground), egui::StrokeKind::Outside);
    ui.painter().rect_stroke(cell, 1.0, Stroke::new(1.5, palette.accent), egui::StrokeKind::Inside);
}

/// A scale below a heat map: least, greatest, and the colours between.
pub fn legend(ui: &mut Ui, low: &str, high: &str, color: impl Fn(f64) -> Color32) {
    ui.horizontal(|ui| {
        ui.label(egui::RichText::new(low).size(theme::SIZE_SMALL));
        let (rect, _) = ui.allocate_exact_size(vec2(96.0, 8.0), Sense::hover());
        for ix in 0..48 {
            let left = rect.left() + ix as f32 * 2.0;
            let stripe = Rect::from_min_size(pos2(left, rect.top()), vec2(2.5, rect.height()));
            ui.painter().rect_filled(stripe, 0.0, color(f64::from(ix) / 47.0));
        }
        ui.label(egui::RichText::new(high).size(theme::SIZE_SMALL));
    });
}
