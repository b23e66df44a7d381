//! Verdicts as shapes, runs as a dash in their colour, and small buttons with a drawn sign.

use egui::{Color32, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2};
use egui_plot::LineStyle;

use crate::dashboard::theme;
use crate::run::alarm::Verdict;

/// Draws a verdict's shape: ● healthy, ▲ unstable, ◌ stuck, ✖ crashed.
pub fn verdict_shape(painter: &egui::Painter, centre: Pos2, radius: f32, verdict: Verdict, color: Color32) {
    match verdict {
        Verdict::Healthy => {
            painter.circle_filled(centre, radius * 0.85, color);
        }
        Verdict::Unstable => {
            let corners = [(0.0, -1.0), (0.95, 0.8), (-0.95, 0.8)].map(|(x, y)| centre + radius * vec2(x, y));
            painter.add(Shape::convex_polygon(corners.to_vec(), color, Stroke::NONE));
        }
        Verdict::Stuck => {
            let ring: Vec<Pos2> =
                (0..=24).map(|ix| centre + radius * 0.8 * Vec2::angled(ix as f32 * std::f32::consts::TAU / 24.0)).collect();
            painter.extend(Shape::dashed_line(&ring, Stroke::new(1.6, color), 2.4, 2.0));
        }
        Verdict::Crashed => {
            let reach = radius * 0.75;
            for (from, to) in [(vec2(-reach, -reach), vec2(reach, reach)), (vec2(-reach, reach), vec2(reach, -reach))] {
                painter.line_segment([centre + from, centre + to], Stroke::new(2.2, color));
            }
        }
    }
}

/// A verdict as a sign of text height.
pub fn verdict(ui: &mut Ui, verdict: Verdict) -> Response {
    let (rect, answer) = ui.allocate_exact_size(Vec2::splat(14.0), Sense::hover());
    verdict_shape(ui.painter(), rect.center(), 5.5, verdict, theme::palette(ui).verdict(verdict));
    answer.widget_info(|| WidgetInfo::labeled(Role::Image, true, verdict.name()));
    answer.on_hover_text(verdict.name())
}

/// A piece of a run's line, in its colour and dash.
pub fn run_line(ui: &mut Ui, slot: usize) {
    let (rect, _) = ui.allocate_exact_size(vec2(22.0, 14.0), Sense::hover());
    paint_run_line(ui.painter(), rect, slot, theme::palette(ui).run(slot));
}

/// Draws a piece of a run's line across `rect`.
pub fn paint_run_line(painter: &egui::Painter, rect: Rect, slot: usize, color: Color32) {
    let line = [rect.left_center(), rect.right_center()];
    let stroke = Stroke::new(2.5, color);
    match theme::dash(slot) {
        LineStyle::Solid => {
            painter.add(Shape::line_segment(line, stroke));
        }
        LineStyle::Dashed { length } => {
            painter.extend(Shape::dashed_line(&line, stroke, length * 0.8, 3.0));
        }
        LineStyle::Dotted { spacing } => {
            painter.extend(Shape::dotted_line(&line, color, spacing, 1.6));
        }
    }
}

/// Signs on small buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// ▶
    Play,
    /// ⏸
    Pause,
    /// One step on.
    Step,
    /// ■
    Stop,
    /// A sheet of links.
    Share,
    /// Half-dark disc.
    Theme,
    /// Three lines.
    List,
    /// A turn back.
    Reset,
    /// ×
    Close,
}

/// A button with a sign; `name` is what it does, for a tooltip and for those who do not see it.
pub fn button(ui: &mut Ui, sign: Sign, name: &str) -> Response {
    let side = ui.spacing().interact_size.y;
    let (rect, answer) = ui.allocate_exact_size(Vec2::splat(side), Sense::click());
    answer.widget_info(|| WidgetInfo::labeled(Role::Button, ui.is_enabled(), name));
    if ui.is_rect_visible(rect) {
        let visuals = *ui.style().interact(&answer);
        if answer.hovered() || answer.has_focus() || answer.is_pointer_button_down_on() {
            ui.painter().rect_filled(rect, visuals.corner_radius, visuals.bg_fill);
        }
        if answer.has_focus() {
            let edge = Stroke::new(1.5, theme::palette(ui).accent);
            ui.painter().rect_stroke(rect, visuals.corner_radius, edge, egui::StrokeKind::Inside);
        }
        let color = if ui.is_enabled() { visuals.fg_stroke.color } else { theme::palette(ui).faint };
        paint(ui.painter(), rect.shrink(7.0), sign, color);
    }
    answer.on_hover_text(name)
}

fn paint(painter: &egui::Painter, rect: Rect, sign: Sign, color: Color32) {
    let stroke = Stroke::new(1.7, color);
    let at = |x: f32, y: f32| pos2(egui::lerp(rect.x_range(), x), egui::lerp(rect.y_range(), y));
    let bar = |low: f32, high: f32| Rect::from_min_max(at(low, 0.02), at(high, 0.98));
    match sign {
        Sign::Play => {
            painter.add(Shape::convex_polygon(vec![at(0.15, 0.0), at(1.0, 0.5), at(0.15, 1.0)], color, Stroke::NONE));
        }
        Sign::Pause => {
            painter.rect_filled(bar(0.1, 0.38), 1.0, color);
            painter.rect_filled(bar(0.62, 0.9), 1.0, color);
        }
        Sign::Step => {
            painter.add(Shape::convex_polygon(vec![at(0.0, 0.0), at(0.68, 0.5), at(0.0, 1.0)], color, Stroke::NONE));
            painter.rect_filled(bar(0.78, 0.98), 1.0, color);
        }
        Sign::Stop => {
            painter.rect_filled(rect.shrink(1.0), 2.0, color);
        }
        Sign::Share => {
            for (from, to) in [((0.2, 0.5), (0.85, 0.1)), ((0.2, 0.5), (0.85, 0.9))] {
                painter.line_segment([at(from.0, from.1), at(to.0, to.1)], stroke);
            }
            for (x, y) in [(0.15, 0.5), (0.85, 0.1), (0.85, 0.9)] {
                painter.circle_filled(at(x, y), 2.4, color);
            }
        }
        Sign::Theme => {
            painter.circle_stroke(rect.center(), rect.width() * 0.48, stroke);
            let half: Vec<Pos2> = (0..=12)
                .map(|ix| rect.center() + rect.width() * 0.48 * Vec2::angled((ix as f32 / 12.0 - 0.5) * std::f32::consts::PI))
                .collect();
            painter.add(Shape::convex_polygon(half, color, Stroke::NONE));
        }
        Sign::List => {
            for y in [0.15, 0.5, 0.85] {
                painter.line_segment([at(0.0, y), at(1.0, y)], stroke);
            }
        }
        Sign::Reset => {
            let arc: Vec<Pos2> = (0..=18).map(|ix| rect.center() + rect.width() * 0.42 * Vec2::angled(-2.2 + ix as f32 * 0.27)).collect();
            let head = arc[0];
            painter.add(Shape::line(arc, stroke));
            painter.line_segment([head, head + vec2(0.5, -4.5)], stroke);
            painter.line_segment([head, head + vec2(4.5, 0.5)], stroke);
        }
        Sign::Close => {
            painter.line_segment([at(0.1, 0.1), at(0.9, 0.9)], stroke);
            painter.line_segment([at(0.1, 0.9), at(0.9, 0.1)], stroke);
        }
    }
}

/// A pill of text that can be switched on and off.
pub fn pill(ui: &mut Ui, text: &str, is_on: bool) -> Response {
    let palette = theme::palette(ui);
    let (fill, ink) = if is_on { (palette.accent, palette.on_accent) } else { (palette.raised, palette.muted) };
    let label = egui::RichText::new(text).size(theme::SIZE_SMALL).color(ink);
    let answer = ui.add(egui::Button::new(label).fill(fill).corner_radius(20).min_size(vec2(0.0, 20.0)));
    answer.widget_info(|| WidgetInfo::selected(Role::CheckBox, true, is_on, text));
    answer
}
