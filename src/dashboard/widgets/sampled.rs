//! Groups of runs in one chart: the mean, and least to greatest as a band; or the difference to a
//! baseline. Curves are read at as many places as the chart has pixels.

use egui::Ui;
use egui_plot::{FilledArea, HLine, Line};

use super::chart::{self, ChartAnswer, ChartSpec, Scale, Trace};
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

/// Mean, least, greatest.
pub type Place = [f64; 3];

/// Lines of groups, all read at the same places.
pub struct Sampled {
    /// Places along the bottom axis.
    pub xs: Vec<f64>,
    /// A line a group, a value a place; none where no run of the group has a finite number.
    pub lines: Vec<Vec<Option<Place>>>,
}

/// The smoothed curve of a run at a place of the axis; none before its first and after its last step, and where the
/// run has no finite number.
fn value_at(run: &Run, metric: Metric, axis: XAxis, x: f64) -> Option<f64> {
    let count = run.num_points();
    if count == 0 || x < run.x_at(axis, 0) || x > run.x_at(axis, count - 1) {
        return None;
    }
    let ix = run.point_near(run.step_of_x(axis, x))?;
    run.curve(metric).smooth.get(ix).filter(|&value| is_finite(value))
}

/// The lines of groups, less the baseline where there is one, at places evenly spread over the axis as it is drawn.
pub fn sample(groups: &[Group], baseline: Option<&Run>, spec: &ChartSpec) -> Sampled {
    let (scale, axis) = (Scale::of(spec), spec.x_axis);
    let all = groups.iter().flat_map(|group| &group.runs).filter(|run| run.num_points() > 0);
    let ends = all.flat_map(|run| [0, run.num_points() - 1].map(|ix| scale.x(run.x_at(axis, ix))));
    let (low, high) = ends.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    if low > high {
        return Sampled { xs: Vec::new(), lines: groups.iter().map(|_| Vec::new()).collect() };
    }
    let place = |ix: usize| scale.x_back(low + (high - low) * ix as f64 / (NUM_PLACES - 1) as f64);
    let xs: Vec<f64> = (0..NUM_PLACES).map(place).collect();
    let base = |x: f64| baseline.map_or(Some(0.0), |run| value_at(run, spec.metric, axis, x));
    let at = |group: &Group, x: f64| {
        let base = base(x)?;
        let values: Vec<f64> = group.runs.iter().filter_map(|run| value_at(run, spec.metric, axis, x)).map(|value| value - base).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (!values.is_empty()).then_some([mean, least, greatest])
    };
    let lines = groups.iter().map(|group| xs.iter().map(|&x| at(group, x)).collect()).collect();
    Sampled { xs, lines }
}

/// Shows the groups in a chart like every other, with what is not finite along its edge.
pub fn show(ui: &mut Ui, spec: &ChartSpec, groups: &[Group], baseline: Option<&Run>) -> ChartAnswer {
    let palette = theme::palette(ui);
    let scale = Scale::of(spec);
    let trace = |group: &Group, run| Trace { run, slot: group.slot };
    let traces: Vec<Trace> = groups.iter().flat_map(|group| group.runs.iter().map(|&run| trace(group, run))).collect();
    let sampled = sample(groups, baseline, spec);
    let answer = chart::plot(ui, spec, &traces).show(ui, |plot| {
        if baseline.is_some() {
            plot.hline(HLine::new("baseline", 0.0).color(palette.muted).width(1.0).allow_hover(false));
        }
        for (group, line) in groups.iter().zip(&sampled.lines) {
            let places: Vec<(f64, Option<Place>)> = sampled.xs.iter().copied().zip(line.iter().copied()).collect();
            for stretch in places.split(|(_, place)| place.is_none()).filter(|stretch| stretch.len() > 1) {
                let points: Vec<(f64, Place)> =
                    stretch.iter().filter_map(|(x, place)| Some((scale.x(*x), place.as_ref()?.map(|value| scale.y(value))))).collect();
                draw(plot, group, &points, palette);
            }
        }
        chart::furniture(plot, spec, palette, &traces);
    });
    let broken = chart::strip(ui, spec, &answer.response, &answer.transform, &traces);
    let last = |line: &Vec<Option<Place>>| line.iter().rev().flatten().next().copied();
    let ends = groups.iter().zip(&sampled.lines).filter_map(|(group, line)| Some(format!("{} {}", group.name, short(last(line)?[0]))));
    let mut words = format!("{} by group: {}", spec.metric.title(), ends.collect::<Vec<_>>().join(", "));
    if broken > 0 {
        words += &format!(", {broken} steps not finite");
    }
    chart::finish(ui, spec, &answer.response, &answer.transform, (&traces, words))
}

/// A stretch of a line without a gap; points are places of the plot.
fn draw(plot: &mut egui_plot::PlotUi<'_>, group: &Group, points: &[(f64, Place)], palette: &theme::Palette) {
    let color = palette.run(group.slot);
    if group.runs.len() > 1 {
        let xs: Vec<f64> = points.iter().map(|(x, _)| *x).collect();
        let column = |ix: usize| points.iter().map(|(_, place)| place[ix]).collect::<Vec<f64>>();
        let area = FilledArea::new(format!("{} band", group.name), &xs, &column(1), &column(2));
        plot.add(area.fill_color(color.gamma_multiply(0.22)).allow_hover(false));
    }
    let middle: Vec<[f64; 2]> = points.iter().map(|(x, place)| [*x, place[0]]).collect();
    plot.line(Line::new(group.name.clone(), middle).color(color).width(2.0).style(theme::dash(group.slot)));
}
