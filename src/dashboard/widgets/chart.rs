//! A chart over training: raw numbers thin, their running mean bold, least to greatest as a band.
//!
//! Points are taken from the level of detail that fits the pixels. A logarithmic axis plots log₁₀ and
//! writes the ticks as numbers. Numbers that are not finite are ✖ marks on a strip along the bottom
//! edge, each at its step. All charts of a screen share the bottom axis, the pointer and the playhead.

use egui::{Align2, FontId, Id, Pos2, Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};
use egui_plot::{FilledArea, HLine, Line, LineStyle, Plot, PlotPoint, PlotTransform, Points, Span, VLine};

use super::axes;
use crate::dashboard::runs::{Metric, Run};
use crate::dashboard::series::{Block, Extent, Series};
use crate::dashboard::theme::{self, Palette};
use crate::dashboard::view::XAxis;
use crate::run::number::short;

/// Height of the strip for numbers that are not finite, points.
const STRIP_HEIGHT: f32 = 14.0;
/// Share of its numbers below which a curve is flat.
const LEAST_SPAN: f32 = 1e-5;
/// How near the pointer must be to a mark, points.
const MARK_REACH: f32 = 6.0;
/// Numbers below this are drawn there on a logarithmic axis.
const LOG_FLOOR: f64 = 1e-12;
/// Raw numbers are drawn as a line as long as there are so few; as a band otherwise.
const MAX_RAW_POINTS: usize = 600;

/// One run in a chart.
#[derive(Clone, Copy)]
pub struct Trace<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its place in the row of colours.
    pub slot: usize,
}

/// A point of its own, such as an evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dot {
    /// Its step.
    pub step: u64,
    /// Its number.
    pub value: f64,
}

/// What a chart shows, apart from its runs.
#[derive(Clone, Debug)]
pub struct ChartSpec {
    /// Tells charts of a screen apart.
    pub id: &'static str,
    /// The metric.
    pub metric: Metric,
    /// Bottom axis.
    pub x_axis: XAxis,
    /// Whether the bottom axis is logarithmic.
    pub is_log_x: bool,
    /// Whether the metric is drawn logarithmically.
    pub is_log_y: bool,
    /// Whether the running mean is drawn besides the numbers.
    pub is_smoothed: bool,
    /// Height, points.
    pub height: f32,
    /// A level to know, with its word: ln K, "chance".
    pub level: Option<(f64, &'static str)>,
    /// The playhead.
    pub step: Option<u64>,
    /// Steps to begin with, where a stretch is looked at.
    pub steps: Option<(u64, u64)>,
    /// Places, x and number, that are always in sight: charts side by side share them.
    pub corners: Vec<[f64; 2]>,
}

/// What a person did with a chart.
#[derive(Clone, Copy, Debug, Default)]
pub struct ChartAnswer {
    /// A click: the playhead goes here.
    pub clicked_step: Option<u64>,
}

/// Shows the chart; `dots` gives the single points of a trace, `spans` stretches of steps to shade.
pub fn show(ui: &mut Ui, spec: &ChartSpec, traces: &[Trace], dots: &dyn Fn(&Run) -> Vec<Dot>) -> ChartAnswer {
    let palette = theme::palette(ui);
    let scale = Scale::of(spec);
    let pixels = ui.available_width().max(100.0) as usize;
    let plot = plot(ui, spec, traces);
    let answer = plot.show(ui, |plot| {
        let bounds = plot.plot_bounds();
        let is_auto = plot.auto_bounds().x;
        for trace in traces {
            let range = if is_auto || bounds.width() <= 0.0 {
                0..trace.run.num_points()
            } else {
                trace.run.points_between(spec.x_axis, scale.x_back(bounds.min()[0]), scale.x_back(bounds.max()[0]))
            };
            let pen = Pen { trace: *trace, scale, palette, name: trace.run.name().to_string() };
            let curve = trace.run.curve(spec.metric);
            if spec.is_smoothed {
                pen.raw(plot, &curve.raw, range.clone(), 2 * pixels);
                pen.bold(plot, &curve.smooth, range, 2 * pixels, theme::dash(trace.slot));
            } else {
                // Numbers that jump from step to step tear a dashed line apart; one run needs no dash.
                let dash = if traces.len() > 1 { theme::dash(trace.slot) } else { LineStyle::Solid };
                pen.bold(plot, &curve.raw, range, 2 * pixels, dash);
            }
            pen.dots(plot, &dots(trace.run));
            pen.spikes(plot, spec.metric);
        }
        furniture(plot, spec, palette, traces);
    });
    let broken = strip(ui, spec, &answer.response, &answer.transform, traces);
    let words = summary(spec, traces, broken);
    finish(ui, spec, &answer.response, &answer.transform, (traces, words))
}

/// The lines of every chart: a level to know, and the playhead.
pub fn furniture(plot: &mut egui_plot::PlotUi<'_>, spec: &ChartSpec, palette: &Palette, traces: &[Trace]) {
    let scale = Scale::of(spec);
    if let Some((level, word)) = spec.level {
        let line = HLine::new(word, scale.y(level)).color(palette.muted).width(1.0);
        plot.hline(line.style(LineStyle::dashed_dense()).allow_hover(false));
    }
    if let (Some(step), Some(lead)) = (spec.step, traces.first()) {
        let x = scale.x(lead.run.x_of_step(spec.x_axis, step));
        plot.vline(VLine::new("playhead", x).color(palette.accent).width(1.5).allow_hover(false));
    }
}

/// Writes the level's word, says the chart in `words` to those who do not see it, and finds the step of a click.
pub fn finish(
    ui: &Ui,
    spec: &ChartSpec,
    answer: &egui::Response,
    transform: &PlotTransform,
    (traces, words): (&[Trace], String),
) -> ChartAnswer {
    let scale = Scale::of(spec);
    if let Some((level, word)) = spec.level {
        level_word(ui, answer.rect, transform, scale.y(level), word, theme::palette(ui));
    }
    answer.widget_info(|| WidgetInfo::labeled(Role::GraphicsObject, true, &words));
    let clicked = answer.clicked().then(|| answer.interact_pointer_pos()).flatten();
    let clicked_step = clicked.zip(traces.first()).map(|(place, lead)| {
        let x = transform.value_from_position(place).x;
        lead.run.step_of_x(spec.x_axis, scale.x_back(x))
    });
    ChartAnswer { clicked_step }
}

/// The empty plot of a chart, linked to the others of its screen.
pub fn plot<'a>(ui: &Ui, spec: &ChartSpec, traces: &[Trace]) -> Plot<'a> {
    let scale = Scale::of(spec);
    let link = Id::unique(("charts", spec.x_axis, spec.is_log_x, spec.steps));
    let (metric, x_axis) = (spec.metric, spec.x_axis);
    let is_whole = matches!(x_axis, XAxis::Step | XAxis::Images);
    // Charts side by side keep the same room, whichever of them has marks.
    let has_strip = !spec.corners.is_empty() || traces.iter().any(|trace| !trace.run.broken(metric).is_empty());
    // Room for the strip below the lowest number.
    let share = if has_strip { (STRIP_HEIGHT + 4.0) / (spec.height - 20.0).max(60.0) } else { 0.05 };
    let plot = Plot::new(spec.id)
        .height(spec.height)
        .link_axis(link, [true, false])
        .link_cursor(link, [true, false])
        .allow_boxed_zoom(true)
        .set_margin_fraction(vec2(0.01, share / (1.0 - 2.0 * share)))
        .sense(Sense::click_and_drag())
        .label_formatter(move |place| {
            let (name, at) = match place {
                egui_plot::HoverPosition::NearDataPoint { plot_name, position, .. } => (*plot_name, *position),
                egui_plot::HoverPosition::Elsewhere { .. } => return None,
            };
            let x = short(scale.x_back(at.x));
            Some(format!("{name}\n{} {}\n{} {x}", metric.title(), short(scale.y_back(at.y)), x_axis.name()))
        });
    let x = axes::Axis { is_log: scale.is_log_x, is_whole };
    let mut plot = axes::styled(ui, plot, x, axes::Axis { is_log: scale.is_log_y, is_whole: false });
    if let Some((run, (first, last))) = traces.first().map(|trace| trace.run).zip(spec.steps) {
        let [low, high] = [first, last].map(|step| scale.x(run.x_of_step(x_axis, step)));
        plot = plot.default_x_bounds(low, high.max(low + 1e-9));
    }
    for &[x, y] in &spec.corners {
        plot = plot.include_x(scale.x(x)).include_y(scale.y(y));
    }
    // A flat curve far from 0 has no height that the plot could show.
    let extents = traces.iter().map(|trace| trace.run.curve(metric).raw.extent(0..trace.run.num_points()));
    let extent = extents.fold(Extent::EMPTY, Extent::with);
    if !extent.is_empty() && extent.high - extent.low <= LEAST_SPAN * extent.high.abs() {
        for factor in [0.9, 1.1] {
            plot = plot.include_y(scale.y(factor * f64::from(extent.high)));
        }
    }
    plot
}

/// From numbers to places of the axes, and back.
#[derive(Clone, Copy)]
pub struct Scale {
    x_axis: XAxis,
    is_log_x: bool,
    is_log_y: bool,
}

impl Scale {
    /// The scale of a chart.
    pub fn of(spec: &ChartSpec) -> Self {
        Self { x_axis: spec.x_axis, is_log_x: spec.is_log_x, is_log_y: spec.is_log_y }
    }

    /// The place of a number along the bottom.
    pub fn x(self, x: f64) -> f64 {
        if self.is_log_x { x.max(self.least_x()).log10() } else { x }
    }

    /// The number at a place along the bottom.
    pub fn x_back(self, x: f64) -> f64 {
        if self.is_log_x { 10f64.powf(x) } else { x }
    }

    /// The height of a number.
    pub fn y(self, y: f64) -> f64 {
        if self.is_log_y { y.max(LOG_FLOOR).log10() } else { y }
    }

    fn y_back(self, y: f64) -> f64 {
        if self.is_log_y { 10f64.powf(y) } else { y }
    }

    /// Where a logarithmic bottom axis begins.
    fn least_x(self) -> f64 {
        match self.x_axis {
            XAxis::Step | XAxis::Images => 1.0,
            XAxis::Epoch => 1e-3,
            XAxis::Wall => 1e-2,
        }
    }
}

/// Draws one trace.
struct Pen<'a> {
    trace: Trace<'a>,
    scale: Scale,
    palette: &'a Palette,
    name: String,
}

impl Pen<'_> {
    fn place(&self, block: &Block, y: f32) -> [f64; 2] {
        let middle = self.trace.run.x_at(self.scale.x_axis, (block.first + block.last) / 2);
        [self.scale.x(middle), self.scale.y(f64::from(y))]
    }

    /// A line through the middles of blocks; it ends where nothing is finite.
    fn line(&self, plot: &mut egui_plot::PlotUi<'_>, blocks: &[Block], look: impl Fn(Line<'static>) -> Line<'static>) {
        for stretch in blocks.split(|block| block.extent.is_empty()).filter(|stretch| !stretch.is_empty()) {
            let middle = |block: &Block| self.place(block, 0.5 * (block.extent.low + block.extent.high));
            let points: Vec<[f64; 2]> = stretch.iter().map(middle).collect();
            plot.line(look(Line::new(self.name.clone(), points).color(self.palette.run(self.trace.slot))));
        }
    }

    fn raw(&self, plot: &mut egui_plot::PlotUi<'_>, series: &Series, range: std::ops::Range<usize>, max_blocks: usize) {
        let color = self.palette.run(self.trace.slot);
        if range.len() <= MAX_RAW_POINTS.min(max_blocks) {
            self.line(plot, &series.blocks(range, max_blocks), |line| line.color(color.gamma_multiply(0.45)).width(1.0).allow_hover(false));
            return;
        }
        // A band of few columns is calmer than one of many, and shows the same extremes.
        let blocks = series.blocks(range, max_blocks / 2);
        for stretch in blocks.split(|block| block.extent.is_empty()).filter(|stretch| stretch.len() > 1) {
            let xs: Vec<f64> = stretch.iter().map(|block| self.place(block, 0.0)[0]).collect();
            let lows: Vec<f64> = stretch.iter().map(|block| self.place(block, block.extent.low)[1]).collect();
            let highs: Vec<f64> = stretch.iter().map(|block| self.place(block, block.extent.high)[1]).collect();
            let area = FilledArea::new(format!("{} band", self.name), &xs, &lows, &highs);
            plot.add(area.fill_color(color.gamma_multiply(0.28)).allow_hover(false));
        }
    }

    fn bold(&self, plot: &mut egui_plot::PlotUi<'_>, series: &Series, range: std::ops::Range<usize>, max_blocks: usize, dash: LineStyle) {
        self.line(plot, &series.blocks(range, max_blocks), |line| line.width(2.0).style(dash));
    }

    fn dots(&self, plot: &mut egui_plot::PlotUi<'_>, dots: &[Dot]) {
        if dots.is_empty() {
            return;
        }
        let place = |dot: &Dot| [self.scale.x(self.trace.run.x_of_step(self.scale.x_axis, dot.step)), self.scale.y(dot.value)];
        let points: Vec<[f64; 2]> = dots.iter().map(place).collect();
        let color = self.palette.run(self.trace.slot);
        plot.points(Points::new(format!("{} test", self.name), points).color(color).radius(3.5).shape(marker(self.trace.slot)));
    }

    /// Shades the steps around alarms that passed.
    fn spikes(&self, plot: &mut egui_plot::PlotUi<'_>, metric: Metric) {
        use crate::run::alarm::AlarmKind;
        let kind = match metric {
            Metric::Loss => AlarmKind::LossSpike,
            Metric::GradNorm | Metric::StemNorm => AlarmKind::GradExplosion,
            _ => return,
        };
        for alarm in self.trace.run.state.alarms.iter().filter(|alarm| alarm.kind == kind) {
            let [low, high] = [alarm.step.saturating_sub(10), alarm.step + 10]
                .map(|step| self.scale.x(self.trace.run.x_of_step(self.scale.x_axis, step)));
            if high > low {
                let span = Span::new(String::new(), low..=high).fill(self.palette.warn.gamma_multiply(0.12));
                plot.span(span.border(Stroke::NONE));
            }
        }
    }
}

fn marker(slot: usize) -> egui_plot::MarkerShape {
    use egui_plot::MarkerShape::{Circle, Diamond, Square, Up};
    [Circle, Diamond, Square, Up][slot % 4]
}

/// Marks what is not finite along the bottom edge, each at its step; how many marks there are.
pub fn strip(ui: &Ui, spec: &ChartSpec, answer: &egui::Response, transform: &PlotTransform, traces: &[Trace]) -> usize {
    let (palette, scale, rect) = (theme::palette(ui), Scale::of(spec), answer.rect);
    let count: usize = traces.iter().map(|trace| trace.run.broken(spec.metric).len()).sum();
    if count == 0 {
        return 0;
    }
    let band = Rect::from_min_max(pos2(rect.left(), rect.bottom() - STRIP_HEIGHT), rect.max);
    let painter = ui.painter().with_clip_rect(rect);
    painter.rect_filled(band, 0.0, palette.bad.gamma_multiply(0.10));
    painter.hline(band.x_range(), band.top(), Stroke::new(1.0, palette.bad.gamma_multiply(0.5)));
    let pointer = answer.hover_pos().filter(|place| band.contains(*place));
    let mut nearest: Option<(f32, String)> = None;
    let mut rightmost = f32::NEG_INFINITY;
    for trace in traces {
        let color = if traces.len() > 1 { palette.run(trace.slot) } else { palette.bad };
        let mut last_x = f32::NEG_INFINITY;
        for &(ix, value) in trace.run.broken(spec.metric) {
            let x = transform.position_from_point(&PlotPoint::new(scale.x(trace.run.x_at(scale.x_axis, ix)), 0.0)).x;
            let distance = pointer.map_or(f32::INFINITY, |place| (place.x - x).abs());
            if distance < MARK_REACH && nearest.as_ref().is_none_or(|(known, _)| distance < *known) {
                nearest = Some((distance, format!("{}, step {}: {}", trace.run.name(), trace.run.step_at(ix), short(value))));
            }
            // Marks of a run that would cover each other are drawn once.
            if (x - last_x).abs() >= 3.0 {
                cross(&painter, pos2(x, band.center().y), color);
                last_x = x;
            }
        }
        rightmost = rightmost.max(last_x);
    }
    if let Some((_, text)) = nearest {
        answer.clone().on_hover_text_at_pointer(text);
    }
    // The word stands where no mark is.
    let word = painter.layout_no_wrap("not finite".to_string(), FontId::proportional(theme::SIZE_SMALL), palette.bad);
    let is_right_free = rightmost < band.right() - word.size().x - 16.0;
    let x = if is_right_free { band.right() - word.size().x - 6.0 } else { band.left() + 6.0 };
    painter.galley(pos2(x, band.center().y - 0.5 * word.size().y), word, palette.bad);
    count
}

fn cross(painter: &egui::Painter, at: Pos2, color: egui::Color32) {
    let stroke = Stroke::new(2.0, color);
    for (from, to) in [(vec2(-4.0, -4.0), vec2(4.0, 4.0)), (vec2(-4.0, 4.0), vec2(4.0, -4.0))] {
        painter.line_segment([at + from, at + to], stroke);
    }
}

fn level_word(ui: &Ui, rect: Rect, transform: &PlotTransform, y: f64, word: &str, palette: &Palette) {
    let height = transform.position_from_point(&PlotPoint::new(0.0, y)).y;
    if rect.y_range().contains(height) {
        let at = pos2(rect.right() - 6.0, height - 3.0);
        let galley = ui.painter().layout_no_wrap(word.to_string(), FontId::proportional(theme::SIZE_SMALL), palette.muted);
        let place = Align2::RIGHT_BOTTOM.anchor_size(at, galley.size());
        // A curve that passes behind the word leaves it legible.
        ui.painter().rect_filled(place.expand2(vec2(3.0, 0.0)), 3.0, palette.surface.gamma_multiply(0.85));
        ui.painter().galley(place.min, galley, palette.muted);
    }
}

/// The chart in words, for those who do not see it.
fn summary(spec: &ChartSpec, traces: &[Trace], broken: usize) -> String {
    let mut text = spec.metric.title().to_string();
    for trace in traces {
        let curve = trace.run.curve(spec.metric);
        if let Some(last) = curve.raw.len().checked_sub(1).and_then(|ix| curve.raw.get(ix)) {
            text += &format!(", {} {} at step {}", trace.run.name(), short(last), trace.run.last_step());
        }
    }
    if broken > 0 {
        text += &format!(", {broken} steps not finite");
    }
    text
}
