//! The timeline along the bottom: steps, warm-up, learning rate, a lane of events for each run,
//! probes, and the one playhead that every screen follows.

use egui::{
    Align2, EventFilter, FontId, Frame, Id, Margin, Panel, Pos2, Rect, Response, RichText, Role, Sense, Shape, Stroke, Ui, WidgetInfo,
    pos2, vec2,
};

use crate::dashboard::model::{Action, Model};
use crate::dashboard::runs::{Metric, Run};
use crate::dashboard::theme::{self, Palette};
use crate::dashboard::widgets::sign;
use crate::dashboard::words;
use crate::run::alarm::{Level, Verdict};
use crate::run::event::Event;

const RULER_HEIGHT: f32 = 18.0;
const LR_HEIGHT: f32 = 22.0;
const LANE_HEIGHT: f32 = 16.0;
/// Lanes shown at most; further runs share the last.
const MAX_LANES: usize = 6;
/// Width of a small letter, points, about.
const LETTER_WIDTH: f32 = 6.2;
/// How near a click must be to an event, points.
const REACH: f32 = 5.0;

/// Steps along the width.
#[derive(Clone, Copy)]
struct Axis {
    rect: Rect,
    last_step: u64,
}

impl Axis {
    fn x(self, step: u64) -> f32 {
        egui::lerp(self.rect.x_range(), (step as f64 / self.last_step.max(1) as f64) as f32)
    }

    fn step(self, x: f32) -> u64 {
        let share = f64::from((x - self.rect.left()) / self.rect.width().max(1.0));
        ((share.clamp(0.0, 1.0) * self.last_step as f64).round() as u64).max(1)
    }
}

/// Shows the timeline while a run is selected.
pub fn show(ui: &mut Ui, model: &mut Model) {
    let num_lanes = model.selected().len().min(MAX_LANES);
    if num_lanes == 0 {
        return;
    }
    let palette = theme::palette(ui);
    let frame = Frame::new().fill(palette.surface).inner_margin(Margin::symmetric(12, 8));
    Panel::bottom("timeline").frame(frame).show(ui, |ui| {
        ui.horizontal(|ui| {
            let height = RULER_HEIGHT + LR_HEIGHT + LANE_HEIGHT * num_lanes as f32;
            let width = if ui.available_width() < theme::NARROW_WIDTH { 84.0 } else { 132.0 };
            readout(ui, model, vec2(width, height));
            let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
            let answer = ui.interact(rect, track_id(), Sense::click_and_drag());
            track(ui, model, rect, &answer);
        });
    });
}

/// The track, which takes the arrow keys while it has the focus: they move the playhead, as they do elsewhere.
pub fn track_id() -> Id {
    Id::unique("timeline track")
}

/// The playhead in numbers, and below it the name of each lane.
fn readout(ui: &mut Ui, model: &mut Model, size: egui::Vec2) {
    let palette = theme::palette(ui);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    let step = model.lead().map_or(0, |run| model.step_of(run));
    let is_following = model.view.step.is_none();
    let painter = ui.painter().with_clip_rect(rect);
    painter.text(rect.left_top(), Align2::LEFT_TOP, step.to_string(), theme::title_font(theme::SIZE_TITLE), palette.text);
    let small = FontId::proportional(theme::SIZE_SMALL);
    let below = rect.left_top() + vec2(0.0, 19.0);
    if is_following {
        painter.text(below, Align2::LEFT_TOP, "newest step", small.clone(), palette.muted);
    } else {
        let text = RichText::new("follow newest").size(theme::SIZE_SMALL).color(palette.accent);
        let place = Rect::from_min_size(below, vec2(size.x, 15.0));
        let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(place));
        ui.spacing_mut().interact_size.y = 15.0;
        ui.spacing_mut().button_padding = vec2(0.0, 0.0);
        if ui.add(egui::Button::new(text).frame(false)).on_hover_text("Follow the newest step (End)").clicked() {
            model.ask(Action::Seek(None));
        }
    }
    let selected = model.selected();
    for (ix, run) in selected.iter().take(MAX_LANES).enumerate() {
        let is_shared = ix + 1 == MAX_LANES && selected.len() > MAX_LANES;
        let name = if is_shared { format!("{} more", selected.len() + 1 - MAX_LANES) } else { run.name().to_string() };
        let at = pos2(rect.left(), rect.top() + RULER_HEIGHT + LR_HEIGHT + LANE_HEIGHT * (ix as f32 + 0.5));
        let name = words::shortened(&name, (size.x / LETTER_WIDTH) as usize);
        painter.text(at, Align2::LEFT_CENTER, name, small.clone(), palette.muted);
    }
}

fn track(ui: &Ui, model: &mut Model, rect: Rect, answer: &Response) {
    let palette = theme::palette(ui);
    let planned = |run: &&Run| if run.is_running() { run.state.standing.started.total_steps.max(run.last_step()) } else { run.last_step() };
    let last_step = model.selected().iter().map(planned).max().unwrap_or(1).max(1);
    let axis = Axis { rect: rect.shrink2(vec2(6.0, 0.0)), last_step };
    let painter = ui.painter().with_clip_rect(rect);
    let step = model.view.step.unwrap_or_else(|| model.last_step());
    ruler(&painter, axis, palette, step);
    let lanes_top = rect.top() + RULER_HEIGHT + LR_HEIGHT;
    let selected = model.selected();
    if let Some(lead) = selected.first() {
        warm_up(&painter, axis, lead, palette);
        sparkline(&painter, axis, lead, palette, model.runs.slot(&lead.head.key));
    }
    let mut events: Vec<(Pos2, u64, String)> = Vec::new();
    for (ix, run) in selected.iter().enumerate() {
        let top = lanes_top + LANE_HEIGHT * ix.min(MAX_LANES - 1) as f32;
        let lane = Rect::from_min_max(pos2(rect.left(), top), pos2(rect.right(), top + LANE_HEIGHT));
        lane_of(&painter, axis, lane, run, palette, model.runs.slot(&run.head.key), &mut events);
    }
    playhead(&painter, axis, step, palette);
    interact(ui, model, axis, answer, &events, step);
}

/// Ticks with their steps; the playhead stands where it would cover one.
fn ruler(painter: &egui::Painter, axis: Axis, palette: &Palette, playhead: u64) {
    let spacing = nice_step(axis.last_step as f64 * 90.0 / f64::from(axis.rect.width().max(90.0)));
    let mut step = 0;
    while step <= axis.last_step {
        let x = axis.x(step);
        painter.vline(x, axis.rect.top() + RULER_HEIGHT - 5.0..=axis.rect.top() + RULER_HEIGHT, Stroke::new(1.0, palette.faint));
        let at = pos2(x, axis.rect.top() + RULER_HEIGHT - 5.0);
        let align = if step == 0 {
            Align2::LEFT_BOTTOM
        } else if x > axis.rect.right() - 24.0 {
            Align2::RIGHT_BOTTOM
        } else {
            Align2::CENTER_BOTTOM
        };
        if (x - axis.x(playhead)).abs() > 20.0 {
            painter.text(at, align, step.to_string(), FontId::proportional(theme::SIZE_SMALL), palette.muted);
        }
        step += spacing;
    }
    painter.hline(axis.rect.x_range(), axis.rect.top() + RULER_HEIGHT, Stroke::new(1.0, palette.line));
}

/// 1, 2 or 5 times a power of ten, at least `least`.
pub fn nice_step(least: f64) -> u64 {
    let decade = 10f64.powf(least.max(1.0).log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * decade >= least).unwrap_or(10.0);
    ((factor * decade).round() as u64).max(1)
}

fn warm_up(painter: &egui::Painter, axis: Axis, run: &Run, palette: &Palette) {
    let steps = run.state.standing.started.warmup_steps.min(axis.last_step);
    if steps == 0 {
        return;
    }
    let top = axis.rect.top() + RULER_HEIGHT;
    let area = Rect::from_min_max(pos2(axis.x(0), top), pos2(axis.x(steps), axis.rect.bottom()));
    painter.rect_filled(area, 0.0, palette.accent.gamma_multiply(0.10));
    if area.width() > 56.0 {
        let at = pos2(area.right() - 4.0, area.top() + LR_HEIGHT - 3.0);
        painter.text(at, Align2::RIGHT_BOTTOM, "warm-up", FontId::proportional(theme::SIZE_SMALL), palette.muted);
    }
}

fn sparkline(painter: &egui::Painter, axis: Axis, run: &Run, palette: &Palette, slot: usize) {
    let series = &run.curve(Metric::Lr).raw;
    let extent = series.extent(0..series.len());
    if extent.is_empty() || extent.high <= 0.0 {
        return;
    }
    let area = Rect::from_min_size(axis.rect.min + vec2(0.0, RULER_HEIGHT + 3.0), vec2(axis.rect.width(), LR_HEIGHT - 5.0));
    let blocks = series.blocks(0..series.len(), axis.rect.width() as usize);
    let place = |block: &crate::dashboard::series::Block| {
        pos2(axis.x(run.step_at(block.last)), egui::lerp(area.bottom()..=area.top(), block.extent.high / extent.high))
    };
    let points: Vec<Pos2> = blocks.iter().filter(|block| !block.extent.is_empty()).map(place).collect();
    painter.add(Shape::line(points, Stroke::new(1.3, palette.run(slot).gamma_multiply(0.8))));
    let text = format!("lr {}", crate::run::number::short(f64::from(extent.high)));
    let galley = painter.layout_no_wrap(text, FontId::proportional(theme::SIZE_SMALL), palette.muted);
    let place = Align2::RIGHT_CENTER.anchor_size(area.right_center() - vec2(10.0, 0.0), galley.size());
    painter.rect_filled(place.expand2(vec2(4.0, 0.0)), 3.0, palette.surface);
    painter.galley(place.min, galley, palette.muted);
}

fn lane_of(
    painter: &egui::Painter,
    axis: Axis,
    lane: Rect,
    run: &Run,
    palette: &Palette,
    slot: usize,
    events: &mut Vec<(Pos2, u64, String)>,
) {
    let middle = lane.center().y;
    let line = Rect::from_min_max(pos2(axis.x(0), middle - 1.0), pos2(axis.x(run.last_step()), middle + 1.0));
    sign::paint_run_line(painter, line, slot, palette.run(slot).gamma_multiply(0.55));
    for probe in &run.state.probes {
        painter.vline(axis.x(probe.step), middle - 4.0..=middle + 4.0, Stroke::new(1.0, palette.run(slot).gamma_multiply(0.8)));
    }
    // What matters most is drawn last, over what lies near it.
    let mut notes: Vec<&Event> = run.notes.iter().collect();
    notes.sort_by_key(|event| match event.level() {
        Level::Info => 0,
        Level::Warn => 1,
        Level::Fatal => 2,
    });
    for event in notes {
        let at = pos2(axis.x(event.step()), middle);
        let (shape, radius) = match event {
            Event::Alarm(alarm) if alarm.level == Level::Fatal => (Verdict::Crashed, 5.5),
            Event::Alarm(_) => (Verdict::Unstable, 5.0),
            Event::LrChanged(_) | Event::Resumed(_) | Event::DeviceLost(_) | Event::Unreadable(_) => (Verdict::Stuck, 5.0),
            Event::Ended(_) => (Verdict::Healthy, 3.5),
            _ => continue,
        };
        painter.circle_filled(at, radius + 2.0, palette.surface);
        sign::verdict_shape(painter, at, radius, shape, palette.level(event.level()));
        events.push((at, event.step(), format!("{}, step {}: {}", run.name(), event.step(), event.why())));
    }
}

fn playhead(painter: &egui::Painter, axis: Axis, step: u64, palette: &Palette) {
    let x = axis.x(step);
    painter.vline(x, axis.rect.y_range(), Stroke::new(1.5, palette.accent));
    let top = axis.rect.top();
    let knob = vec![pos2(x - 5.0, top), pos2(x + 5.0, top), pos2(x + 5.0, top + 6.0), pos2(x, top + 11.0), pos2(x - 5.0, top + 6.0)];
    painter.add(Shape::convex_polygon(knob, palette.accent, Stroke::NONE));
}

fn interact(ui: &Ui, model: &mut Model, axis: Axis, answer: &Response, events: &[(Pos2, u64, String)], step: u64) {
    answer.widget_info(|| WidgetInfo { value: Some(step as f64), ..WidgetInfo::labeled(Role::Slider, true, "Timeline, step") });
    if answer.has_focus() {
        let arrows = EventFilter { horizontal_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(answer.id, arrows));
        ui.painter().rect_stroke(answer.rect, 4.0, Stroke::new(1.0, theme::palette(ui).accent), egui::StrokeKind::Inside);
    }
    let Some(place) = answer.interact_pointer_pos().or(answer.hover_pos()) else { return };
    let near = events
        .iter()
        .filter(|(at, ..)| (*at - place).length() <= REACH + 3.0)
        .min_by(|a, b| (a.0 - place).length().total_cmp(&(b.0 - place).length()));
    if answer.clicked() || answer.dragged() {
        let step = near.map_or_else(|| axis.step(place.x), |(_, step, _)| *step);
        model.ask(Action::Seek(Some(step)));
    }
    let text = near.map_or_else(|| format!("step {}", axis.step(place.x)), |(_, _, text)| text.clone());
    answer.clone().on_hover_text_at_pointer(text);
}
