//! Groups of runs in one chart: the mean, and least to greatest as a band; or the difference to a
//! baseline. Curves are read at as many places as the chart has pixels.

use egui::Ui;
use egui_plot::{FilledArea, HLine, Line, Plot};

use super::axes::{self, Axis};
use crate::dashboard::runs::{Metric, Run};
use crate::dashboard::theme;
use crate::dashboard::view::XAxis;
use crate::run::number::{is_finite, short};

/// Places at which curves are read.
const NUM_PLACES: usize = 480;

/// Runs that make one line.
pub struct Group<'a> {
    /// Name of the line.
    pub name: String,
    /// Its place in the row of colours.
    pub slot: usize,
    /// Its runs.
    pub runs: Vec<&'a Run>,
}

/// A place of a line: x, mean, least, greatest.
pub type Place = [f64; 4];

/// The smoothed curve of a run at a place of the axis; none before its first and after its last step.
fn value_at(run: &Run, metric: Metric, axis: XAxis, x: f64) -> Option<f64> {
    let count = run.num_points();
    if count == 0 || x < run.x_at(axis, 0) || x > run.x_at(axis, count - 1) {
        return None;
    }
    let step = run.step_of_x(axis, x);
    run.curve(metric).smooth.get(run.point_near(step)?).filter(|&value| is_finite(value))
}

/// The line of a group, less the baseline where there is one.
pub fn places(group: &Group, baseline: Option<&Run>, metric: Metric, axis: XAxis) -> Vec<Place> {
    let ends = |run: &&Run| (run.num_points() > 0).then(|| (run.x_at(axis, 0), run.x_at(axis, run.num_points() - 1)));
    let (low, high) = group
        .runs
        .iter()
        .filter_map(ends)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (first, last)| (low.min(first), high.max(last)));
    if low > high {
        return Vec::new();
    }
    let place = |ix: usize| {
        let x = low + (high - low) * ix as f64 / (NUM_PLACES - 1) as f64;
        let base = match baseline {
            Some(run) => value_at(run, metric, axis, x)?,
            None => 0.0,
        };
        let values: Vec<f64> = group.runs.iter().filter_map(|run| value_at(run, metric, axis, x)).map(|value| value - base).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (!values.is_empty()).then_some([x, mean, least, greatest])
    };
    (0..NUM_PLACES).filter_map(place).collect()
}

/// Shows the groups; `axes` are the bottom axis, and whether each axis is logarithmic.
pub fn show(ui: &mut Ui, groups: &[Group], baseline: Option<&Run>, metric: Metric, axes: (XAxis, bool, bool), height: f32) {
    let palette = theme::palette(ui);
    let (axis, is_log_x, is_log_y) = (axes.0, axes.1, axes.2 && baseline.is_none());
    let (x, y) = (Axis { is_log: is_log_x, is_whole: false }, Axis { is_log: is_log_y, is_whole: false });
    let to_x = move |x: f64| if is_log_x { x.max(1e-3).log10() } else { x };
    let to_y = move |y: f64| if is_log_y { y.max(1e-12).log10() } else { y };
    let plot = axes::styled(ui, Plot::new("groups").height(height), x, y).label_formatter(move |place| match place {
        egui_plot::HoverPosition::NearDataPoint { plot_name, position, .. } => {
            Some(format!("{plot_name}\n{}\n{} {}", short(y.back(position.y)), axis.name(), short(x.back(position.x))))
        }
        egui_plot::HoverPosition::Elsewhere { .. } => None,
    });
    let lines: Vec<(&Group, Vec<Place>)> = groups.iter().map(|group| (group, places(group, baseline, metric, axis))).collect();
    let answer = plot.show(ui, |plot| {
        if baseline.is_some() {
            plot.hline(HLine::new("baseline", 0.0).color(palette.muted).width(1.0).allow_hover(false));
        }
        for (group, places) in &lines {
            let color = palette.run(group.slot);
            if group.runs.len() > 1 && places.len() > 1 {
                let column =
                    |ix: usize| places.iter().map(|place| if ix == 0 { to_x(place[0]) } else { to_y(place[ix]) }).collect::<Vec<f64>>();
                plot.add(
                    FilledArea::new(format!("{} band", group.name), &column(0), &column(2), &column(3))
                        .fill_color(color.gamma_multiply(0.22))
                        .allow_hover(false),
                );
            }
            let points: Vec<[f64; 2]> = places.iter().map(|place| [to_x(place[0]), to_y(place[1])]).collect();
            plot.line(Line::new(group.name.clone(), points).color(color).width(2.0).style(theme::dash(group.slot)));
        }
    });
    let summary: Vec<String> =
        lines.iter().filter_map(|(group, places)| Some(format!("{} {}", group.name, short(places.last()?[1])))).collect();
    answer.response.widget_info(|| {
        egui::WidgetInfo::labeled(egui::Role::GraphicsObject, true, format!("{} by group: {}", metric.title(), summary.join(", ")))
    });
}
