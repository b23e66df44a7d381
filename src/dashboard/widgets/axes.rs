//! Axes that look alike in every chart: small ticks, lines at round numbers, powers of ten where the
//! axis is logarithmic.

use egui::{FontId, Rangef, Ui};
use egui_plot::{AxisHints, GridInput, GridMark, Plot};

use crate::dashboard::theme;
use crate::run::number::short;

/// Distance of ticks along the bottom, points, at least …
const X_TICK_POINTS: f64 = 72.0;
/// … and along the side.
const Y_TICK_POINTS: f64 = 30.0;
/// Grid lines closer than the first are hidden, farther than the second drawn in full.
const GRID_POINTS: Rangef = Rangef { min: 8.0, max: 24.0 };

/// One axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Axis {
    /// Whether places are logarithms.
    pub is_log: bool,
    /// Whether there is nothing between whole numbers.
    pub is_whole: bool,
}

impl Axis {
    /// The number at a place.
    pub fn back(self, place: f64) -> f64 {
        if self.is_log { 10f64.powf(place) } else { place }
    }

    fn tick(self, place: f64, size: f64) -> String {
        let value = self.back(place);
        let size = if self.is_log { value.abs() } else { size };
        let rounded = if value.abs() < 1e-9 * size { 0.0 } else { value };
        if rounded == 0.0 {
            return "0".to_string();
        }
        match size {
            huge if huge >= 1e10 => short(rounded),
            big if big >= 1e6 => format!("{}M", short(rounded / 1e6)),
            big if big >= 1e4 => format!("{}k", short(rounded / 1e3)),
            _ => short(rounded),
        }
    }

    fn marks(self, input: &GridInput, tick_points: f64) -> Vec<GridMark> {
        let (low, high) = input.bounds;
        let width = input.base_step_size / f64::from(GRID_POINTS.min) * tick_points;
        let is_usable = low < high && width > 0.0 && (high - low) / width < 200.0;
        if !is_usable {
            return Vec::new();
        }
        let mark = |value: f64| GridMark { value, step_size: width };
        if !self.is_log {
            let step = round_step(if self.is_whole { width.max(1.0) } else { width });
            return ((low / step).ceil() as i64..=(high / step).floor() as i64).map(|ix| mark(ix as f64 * step)).collect();
        }
        if high - low < 1.0 {
            // Within a decade, round numbers are easier to read than its parts.
            let (least, greatest) = (self.back(low), self.back(high));
            let step = round_step((greatest - least) * width / (high - low));
            let numbers = ((least / step).ceil() as i64..=(greatest / step).floor() as i64).map(|ix| ix as f64 * step);
            return numbers.filter(|number| *number > 0.0).map(|number| mark(number.log10())).collect();
        }
        let every = width.ceil().max(1.0) as i64;
        let factors: &[f64] = if width < 0.3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let decades = (low.floor() as i64..=high.ceil() as i64).filter(|decade| decade % every == 0);
        let places = decades.flat_map(|decade| factors.iter().map(move |factor| decade as f64 + factor.log10()));
        places.filter(|place| (low..=high).contains(place)).map(mark).collect()
    }
}

/// 1, 2 or 5 times a power of ten, at least `least`.
pub fn round_step(least: f64) -> f64 {
    let decade = 10f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * decade >= least * (1.0 - 1e-9)).unwrap_or(10.0);
    factor * decade
}

/// A plot with these axes and the look of all charts.
pub fn styled<'a>(ui: &Ui, plot: Plot<'a>, x: Axis, y: Axis) -> Plot<'a> {
    let palette = theme::palette(ui);
    let hints = |hints: AxisHints<'a>, axis: Axis| {
        hints
            .formatter(move |mark, range| axis.tick(mark.value, range.start().abs().max(range.end().abs())))
            .tick_label_font(FontId::proportional(theme::SIZE_SMALL))
            .tick_label_color(palette.muted)
            .label_spacing(Rangef::new(4.0, 8.0))
    };
    plot.show_background(false)
        .allow_scroll(false)
        .grid_color(palette.line)
        .grid_spacing(GRID_POINTS)
        .cursor_color(palette.faint)
        .custom_x_axes(vec![hints(AxisHints::new_x(), x)])
        .custom_y_axes(vec![hints(AxisHints::new_y(), y).min_thickness(38.0)])
        .x_grid_spacer(move |input| x.marks(&input, X_TICK_POINTS))
        .y_grid_spacer(move |input| y.marks(&input, Y_TICK_POINTS))
}
