//! How far each update moved the weights, group × probe: norm of the update over norm of the weights.
//!
//! About 10⁻³ is the usual pace of a training; a group that moves much faster or slower than the others
//! stands out as a row of another colour.

use egui::{Id, RichText, Ui};

use super::cells::{self, Cells};
use super::strip::{self, Strip};
use crate::dashboard::runs::Run;
use crate::dashboard::theme;
use crate::run::event::Probe;
use crate::run::number::{is_finite, short};

/// Powers of ten at the ends of the scale of colours.
const DECADES: [f64; 2] = [-5.0, -1.0];
/// Height of a row, points, at most.
const MAX_ROW_HEIGHT: f32 = 16.0;
/// Room for the groups' names, points.
const NAME_WIDTH: f32 = 92.0;

/// The probes that say it; none for a run that did not record it.
pub fn probes(run: &Run) -> Vec<&Probe> {
    let num_groups = run.state.standing.started.groups.len();
    run.state.probes.iter().filter(|probe| num_groups > 0 && probe.updates.len() == num_groups).collect()
}

/// Shows the strip; the step of a click. Says so where a run has no such numbers.
pub fn show(ui: &mut Ui, run: &Run, height: f32, step: Option<u64>) -> Option<u64> {
    let palette = theme::palette(ui);
    let probes = probes(run);
    let names = &run.state.standing.started.groups;
    if probes.is_empty() {
        ui.label(RichText::new("This run did not record how far its updates moved the weights").color(palette.muted));
        return None;
    }
    let color = |ratio: f64| {
        if !is_finite(ratio) {
            return palette.bad;
        }
        theme::sequential((ratio.max(1e-30).log10() - DECADES[0]) / (DECADES[1] - DECADES[0]))
    };
    let rows = (0..names.len()).rev();
    let colors = rows.flat_map(|group| probes.iter().map(move |probe| probe.updates[group])).map(color).collect();
    let cells = Cells { width: probes.len(), height: names.len(), colors };
    let shown_ix = step.map(|step| probes.partition_point(|probe| probe.step <= step).saturating_sub(1));
    let strip = Strip {
        id: Id::unique(("updates", &run.head.key.0)),
        cells: &cells,
        names,
        name_width: NAME_WIDTH,
        height: (height / names.len() as f32).min(MAX_ROW_HEIGHT) * names.len() as f32,
        words: &format!("{}: update ratios of {} groups over {} probes", run.name(), names.len(), probes.len()),
        playhead_frac: shown_ix.map(|ix| (ix as f32 + 0.5) / probes.len() as f32),
    };
    let tip = |column: usize, row: usize| {
        let probe = probes[column];
        format!("{}, step {}: the update is {} of the weights", names[row], probe.step, short(probe.updates[row]))
    };
    let clicked = strip::show(ui, &strip, tip).map(|(column, _)| probes[column].step);
    ui.horizontal(|ui| {
        ui.add_space(NAME_WIDTH + theme::GAP_XS);
        cells::legend(ui, "1e-5", "0.1 of the weights", theme::sequential);
    });
    clicked
}
