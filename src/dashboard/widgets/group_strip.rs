//! Gradient norms by parameter group over the steps, stem at the bottom: where a training gives way.
//!
//! A cell is the greatest norm of its stretch of steps over the median of its group, in powers of ten.

use std::ops::Range;
use std::sync::Arc;

use egui::{Id, RichText, Ui, vec2};

use super::cells::{self, Cells};
use super::strip::{self, Strip};
use crate::dashboard::runs::Run;
use crate::dashboard::theme;
use crate::run::number::{is_finite, short};

/// Columns at most.
const MAX_COLUMNS: usize = 240;
/// Powers of ten from the median to the brightest cell …
const DECADES: f64 = 2.0;
/// … and to the darkest.
const DECADES_BELOW: f64 = 1.0;
/// New steps that make the map be drawn anew.
const REDRAW_STEPS: usize = 16;
/// Height of a row, points, at most.
const MAX_ROW_HEIGHT: f32 = 16.0;
/// Room for the groups' names, points.
const NAME_WIDTH: f32 = 92.0;
/// Room that the legend needs beside the names, points.
const LEGEND_WIDTH: f32 = 440.0;

/// The map with what a cell says.
#[derive(Clone, Debug)]
struct Map {
    /// Points it covers.
    range: Range<usize>,
    cells: Cells,
    /// Of each group.
    medians: Vec<f64>,
}

/// Names of the groups whose norms a run has; none for a run that did not record them.
pub fn groups(run: &Run) -> &[String] {
    let names = &run.state.standing.started.groups;
    let is_recorded = run.state.steps.last().is_some_and(|stat| stat.groups.len() == names.len());
    if is_recorded { names } else { &[] }
}

/// Shows the strip of all steps, or of those from `steps.0` to `steps.1`; the step of a click. Says so where a run
/// has no such numbers.
pub fn show(ui: &mut Ui, run: &Run, height: f32, step: Option<u64>, steps: Option<(u64, u64)>) -> Option<u64> {
    let palette = theme::palette(ui);
    let names = groups(run);
    if names.is_empty() {
        ui.label(RichText::new("This run did not record gradient norms by parameter group").color(palette.muted));
        return None;
    }
    let range = steps.map_or(0..run.num_points(), |steps| run.points_of_steps(steps));
    let map = map_of(ui, run, names.len(), range.clone());
    let shown_ix = step.and_then(|step| run.point_near(step)).filter(|ix| range.contains(ix));
    let strip = Strip {
        id: Id::unique(("groups", &run.head.key.0)),
        cells: &map.cells,
        names,
        name_width: NAME_WIDTH,
        height: (height / names.len() as f32).min(MAX_ROW_HEIGHT) * names.len() as f32,
        words: &format!("{}: gradient norms of {} groups over {} steps", run.name(), names.len(), range.len()),
        playhead_frac: shown_ix.map(|ix| ((ix - range.start) as f32 + 0.5) / range.len() as f32),
    };
    let at = |column: usize, group: usize| greatest(run, group, stretch(column, map.cells.width, &map.range));
    let tip = |column: usize, group: usize| {
        let (step, norm) = at(column, group);
        format!("{}, step {step}: {} (median {})", names[group], short(norm), short(map.medians[group]))
    };
    let clicked = strip::show(ui, &strip, tip).map(|(column, group)| at(column, group).0);
    let not_finite = |ui: &mut Ui| {
        let (swatch, _) = ui.allocate_exact_size(vec2(10.0, 8.0), egui::Sense::hover());
        ui.painter().rect_filled(swatch, 1.0, palette.bad);
        ui.label(RichText::new("not finite").size(theme::SIZE_SMALL));
    };
    let is_narrow = ui.available_width() < LEGEND_WIDTH;
    ui.horizontal(|ui| {
        ui.add_space(if is_narrow { 0.0 } else { NAME_WIDTH + theme::GAP_XS });
        cells::legend(ui, "median / 10", "median × 100", theme::sequential);
        if !is_narrow {
            ui.add_space(theme::GAP_S);
            not_finite(ui);
        }
    });
    if is_narrow {
        ui.horizontal(not_finite);
    }
    clicked
}

/// The points of a column.
fn stretch(column: usize, num_columns: usize, range: &Range<usize>) -> Range<usize> {
    let edge = |column: usize| column * range.len() / num_columns;
    let first = edge(column);
    range.start + first..range.start + edge(column + 1).max(first + 1).min(range.len())
}

/// The step with the greatest norm of a stretch; what is not finite is greater than all.
fn greatest(run: &Run, group: usize, range: Range<usize>) -> (u64, f64) {
    let norm = |ix: &usize| run.state.steps[*ix].groups.get(group).copied().unwrap_or(0.0);
    let weight = |ix: &usize| if is_finite(norm(ix)) { norm(ix) } else { f64::MAX };
    let best = range.clone().max_by(|a, b| weight(a).total_cmp(&weight(b))).unwrap_or(range.start);
    (run.step_at(best), norm(&best))
}

fn map_of(ui: &Ui, run: &Run, num_groups: usize, range: Range<usize>) -> Arc<Map> {
    let palette = theme::palette(ui);
    let id = Id::unique(("group map", &run.head.key.0, ui.visuals().dark_mode, range.start));
    let kept: Option<Arc<Map>> = ui.data(|data| data.get_temp(id));
    let is_fresh = |map: &Arc<Map>| map.range.end <= range.end && range.end < map.range.end + REDRAW_STEPS;
    if let Some(map) = kept.filter(is_fresh) {
        return map;
    }
    let medians: Vec<f64> = (0..num_groups).map(|group| median(run, group)).collect();
    let num_columns = range.len().clamp(1, MAX_COLUMNS);
    let color = |group: usize, column: usize| {
        let (_, norm) = greatest(run, group, stretch(column, num_columns, &range));
        if !is_finite(norm) {
            palette.bad
        } else {
            theme::sequential(((norm / medians[group].max(1e-30)).max(1e-9).log10() + DECADES_BELOW) / (DECADES_BELOW + DECADES))
        }
    };
    let colors = (0..num_groups)
        .rev()
        .flat_map(|group| (0..num_columns).map(move |column| (group, column)))
        .map(|(group, column)| color(group, column))
        .collect();
    let map = Arc::new(Map { range, cells: Cells { width: num_columns, height: num_groups, colors }, medians });
    ui.data_mut(|data| data.insert_temp(id, map.clone()));
    map
}

/// The median norm of a group, from a thousand steps at most.
pub fn median(run: &Run, group: usize) -> f64 {
    let every = (run.num_points() / 1000).max(1);
    let norms = run.state.steps.iter().step_by(every).filter_map(|stat| stat.groups.get(group).copied());
    let mut norms: Vec<f64> = norms.filter(|&norm| is_finite(norm)).collect();
    norms.sort_by(f64::total_cmp);
    norms.get(norms.len() / 2).copied().unwrap_or(0.0)
}
