//! A small drawing of what each screen shows: not data, a sign to find it by.

use egui::{Painter, Pos2, Rect, Shape, Stroke, pos2, vec2};

use super::sign;
use crate::dashboard::theme::{self, Palette};
use crate::dashboard::view::Screen;
use crate::run::alarm::Verdict;

/// Draws the sign of a screen into a rectangle.
pub fn paint(painter: &Painter, rect: Rect, palette: &Palette, screen: Screen) {
    let pen = Pen { painter, rect, palette };
    match screen {
        Screen::Start | Screen::Train | Screen::Compare => pen.curves(),
        Screen::Twin => pen.twin(),
        Screen::Autopsy => pen.crash(),
        Screen::Tokens => pen.heat(),
        Screen::Stem => pen.stages(),
        Screen::Attention => pen.looks(),
        Screen::CrashMap => pen.grid(),
        Screen::Report => pen.page(),
        Screen::Doctor => pen.pulse(),
    }
}

struct Pen<'a> {
    painter: &'a Painter,
    rect: Rect,
    palette: &'a Palette,
}

impl Pen<'_> {
    /// A place of the unit square, up is 1.
    fn at(&self, x: f32, y: f32) -> Pos2 {
        pos2(egui::lerp(self.rect.x_range(), x), egui::lerp(self.rect.bottom()..=self.rect.top(), y))
    }

    fn line(&self, points: &[(f32, f32)], slot: usize) {
        let points = points.iter().map(|&(x, y)| self.at(x, y)).collect();
        self.painter.add(Shape::line(points, Stroke::new(2.0, self.palette.run(slot))));
    }

    fn fall(&self, floor: f32, slot: usize) {
        let points: Vec<(f32, f32)> = (0..=20).map(|ix| ix as f32 / 20.0).map(|x| (x, floor + (0.95 - floor) * (-4.0 * x).exp())).collect();
        self.line(&points, slot);
    }

    fn curves(&self) {
        self.fall(0.1, 0);
        self.fall(0.35, 1);
    }

    fn twin(&self) {
        self.fall(0.1, 0);
        self.line(&[(0.0, 0.95), (0.15, 0.6), (0.4, 0.4), (0.5, 0.9), (1.0, 0.9)], 1);
    }

    fn crash(&self) {
        self.line(&[(0.0, 0.7), (0.2, 0.4), (0.45, 0.25), (0.62, 0.22), (0.72, 0.5), (0.78, 0.95)], 1);
        sign::verdict_shape(self.painter, self.at(0.9, 0.14), 6.0, Verdict::Crashed, self.palette.bad);
    }

    fn cells(&self, columns: usize, rows: usize, color: impl Fn(usize, usize) -> egui::Color32) {
        let size = vec2(self.rect.width() / columns as f32, self.rect.height() / rows as f32);
        for row in 0..rows {
            for column in 0..columns {
                let min = self.rect.min + vec2(column as f32 * size.x, row as f32 * size.y);
                self.painter.rect_filled(Rect::from_min_size(min, size).shrink(0.75), 1.5, color(column, row));
            }
        }
    }

    fn heat(&self) {
        self.cells(8, 4, |column, row| theme::sequential(0.15 + 0.09 * (column * (4 - row)) as f64 / 4.0 + 0.16 * (3 - row) as f64));
    }

    fn grid(&self) {
        let crashed = |column: usize, row: usize| column + row < 2;
        self.cells(5, 3, |column, row| if crashed(column, row) { self.palette.bad } else { self.palette.good.gamma_multiply(0.45) });
    }

    fn stages(&self) {
        let height = self.rect.height();
        for (ix, (x, side)) in [(0.22, 0.62), (0.62, 0.42), (0.9, 0.26)].into_iter().enumerate() {
            let square = Rect::from_center_size(self.at(x, 0.5), egui::Vec2::splat(side * height));
            self.painter.rect_filled(square, 2.0, theme::sequential(0.25 + 0.3 * ix as f64));
        }
    }

    fn looks(&self) {
        let from = self.at(0.2, 0.5);
        for (x, y, width) in [(0.85, 0.95, 1.0), (0.85, 0.65, 3.0), (0.85, 0.35, 1.5), (0.85, 0.05, 0.8)] {
            self.painter.line_segment([from, self.at(x, y)], Stroke::new(width, self.palette.accent.gamma_multiply(0.7)));
            self.painter.circle_filled(self.at(x, y), 3.0, self.palette.muted);
        }
        self.painter.circle_filled(from, 4.5, self.palette.accent);
    }

    fn page(&self) {
        let page = Rect::from_center_size(self.rect.center(), vec2(self.rect.height() * 0.8, self.rect.height()));
        self.painter.rect_stroke(page, 2.0, Stroke::new(1.5, self.palette.muted), egui::StrokeKind::Inside);
        for (ix, share) in [0.6, 1.0, 0.8].into_iter().enumerate() {
            let y = page.top() + page.height() * (0.25 + 0.22 * ix as f32);
            let left = page.left() + 5.0;
            self.painter.hline(left..=left + (page.width() - 10.0) * share, y, Stroke::new(1.5, self.palette.muted));
        }
    }

    fn pulse(&self) {
        let points = [(0.0, 0.45), (0.25, 0.45), (0.36, 0.7), (0.48, 0.05), (0.6, 0.95), (0.7, 0.45), (1.0, 0.45)];
        let points = points.map(|(x, y)| self.at(x, y)).to_vec();
        self.painter.add(Shape::line(points, Stroke::new(2.0, self.palette.good)));
    }
}
