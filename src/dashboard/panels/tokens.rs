//! Tokens: how alike the patch tokens are, by layer and over training; the paper's Figure 1, live.

use egui::{Id, RichText, Ui};
use egui_plot::{Line, Plot, Points};

use super::needs_run;
use crate::dashboard::export::tables;
use crate::dashboard::host::Saved;
use crate::dashboard::model::{Action, Model};
use crate::dashboard::runs::Run;
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::axes::{self, Axis};
use crate::dashboard::widgets::cells::{self, Cells};
use crate::dashboard::widgets::strip::{self, Strip};
use crate::dashboard::widgets::{card, probe_view, state};
use crate::run::number::{is_finite, short};

/// Room for the names of layers, points.
const NAME_WIDTH: f32 = 56.0;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Tokens.title(), Screen::Tokens.purpose());
    if !needs_run(ui, model, "Select one in the list; its probes say how alike its tokens are") {
        return;
    }
    card::columns(ui, 2, 340.0, |ui, ix| match ix {
        0 => figure(ui, model),
        _ => histories(ui, model),
    });
    probe_view::similarity(ui, model);
}

/// Layers of `cossim` before the first block: the stem's output, and after the position embedding.
pub const LAYERS_BEFORE_BLOCKS: usize = 2;

/// Name of a layer of `cossim`: the stem's output, after the position embedding, each block.
pub fn layer_name(layer: usize) -> String {
    match layer {
        0 => "stem".to_string(),
        1 => "+ position".to_string(),
        later => format!("block {}", later - LAYERS_BEFORE_BLOCKS),
    }
}

/// Similarity by layer at the playhead, a line for each run.
fn figure(ui: &mut Ui, model: &mut Model) {
    card::show(ui, "Similarity by layer at the playhead", |ui| {
        let palette = theme::palette(ui);
        let rows: Vec<_> = model
            .selected()
            .into_iter()
            .filter_map(|run| {
                let step = run.probe_step_near(model.step_of(run))?;
                let probe = run.state.probes.iter().find(|probe| probe.step == step)?;
                Some((run.name().to_string(), model.runs.slot(&run.head.key), probe.clone()))
            })
            .collect();
        if rows.is_empty() {
            state::empty(ui, "No probes yet", "A run probes its tokens every probe.every steps");
            return;
        }
        let layer = model.view.layer as f64;
        let plot = layer_plot(ui);
        let summary: Vec<String> = rows
            .iter()
            .map(|(name, _, probe)| format!("{name} {}", probe.cossim.iter().map(|&value| short(value)).collect::<Vec<_>>().join(" ")))
            .collect();
        let answer = plot.show(ui, |plot| {
            plot.vline(egui_plot::VLine::new("layer", layer).color(palette.accent).width(1.0).allow_hover(false));
            for (name, slot, probe) in &rows {
                let points: Vec<[f64; 2]> = probe
                    .cossim
                    .iter()
                    .enumerate()
                    .filter(|(_, value)| is_finite(**value))
                    .map(|(ix, &value)| [ix as f64, value])
                    .collect();
                plot.line(Line::new(name.clone(), points.clone()).color(palette.run(*slot)).width(2.0).style(theme::dash(*slot)));
                plot.points(Points::new(format!("{name} layers"), points).color(palette.run(*slot)).radius(3.5).allow_hover(false));
            }
        });
        answer.response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::GraphicsObject, true, format!("Similarity by layer: {}", summary.join("; ")))
        });
        if answer.response.clicked()
            && let Some(place) = answer.response.interact_pointer_pos()
        {
            let layers = rows.iter().map(|(_, _, probe)| probe.cossim.len()).max().unwrap_or(1);
            model.view.layer = (answer.transform.value_from_position(place).x.round().max(0.0) as usize).min(layers - 1);
        }
        ui.label(
            RichText::new("Mean cosine of the patch tokens of an image; lower is more diverse. A click chooses the layer.")
                .size(theme::SIZE_SMALL)
                .color(palette.muted),
        );
    });
}

/// An empty plot of similarities over layers.
fn layer_plot<'a>(ui: &Ui) -> Plot<'a> {
    let plot = Plot::new("similarity by layer").height(240.0).include_y(0.0).include_y(1.0);
    axes::styled(ui, plot, Axis::default(), Axis::default())
        .x_grid_spacer(|input| {
            let whole = |layer: i32| egui_plot::GridMark { value: f64::from(layer), step_size: 1.0 };
            (input.bounds.0.ceil() as i32..=input.bounds.1.floor() as i32).map(whole).collect()
        })
        .x_axis_formatter(|mark, _| if mark.value < 0.0 { String::new() } else { short_layer(mark.value.round() as usize) })
        .label_formatter(|place| match place {
            egui_plot::HoverPosition::NearDataPoint { plot_name, position, .. } => {
                Some(format!("{plot_name}\n{}: {}", layer_name(position.x.round().max(0.0) as usize), short(position.y)))
            }
            egui_plot::HoverPosition::Elsewhere { .. } => None,
        })
}

fn short_layer(layer: usize) -> String {
    match layer {
        0 => "stem".to_string(),
        1 => "+pos".to_string(),
        later => (later - LAYERS_BEFORE_BLOCKS).to_string(),
    }
}

fn histories(ui: &mut Ui, model: &mut Model) {
    let mut actions = Vec::new();
    let is_saved = card::show_saved(ui, "History, layer × probe", "similarity.csv", |ui| {
        for run in model.selected() {
            ui.horizontal(|ui| {
                crate::dashboard::widgets::sign::run_line(ui, model.runs.slot(&run.head.key));
                ui.label(run.name());
            });
            actions.extend(history(ui, run, 110.0, model.view.step).map(|step| Action::Seek(Some(step))));
        }
    });
    if is_saved {
        actions.push(Action::Save(Saved::text("similarity.csv", tables::similarity_csv(&model.selected()))));
    }
    actions.into_iter().for_each(|action| model.ask(action));
}

/// Similarity as a map, layers from bottom to top, probes from left to right; a clicked probe's step.
pub fn history(ui: &mut Ui, run: &Run, height: f32, step: Option<u64>) -> Option<u64> {
    let probes = &run.state.probes;
    let num_layers = probes.iter().map(|probe| probe.cossim.len()).max().unwrap_or(0);
    if num_layers == 0 {
        state::empty(ui, "No probes yet", "A run probes its tokens every probe.every steps");
        return None;
    }
    let palette = theme::palette(ui);
    let value = |layer: usize, probe: usize| probes[probe].cossim.get(layer).copied().unwrap_or(f64::NAN);
    let values: Vec<f64> = (0..num_layers)
        .rev()
        .flat_map(|layer| (0..probes.len()).map(move |probe| (layer, probe)))
        .map(|(layer, probe)| value(layer, probe))
        .collect();
    let map = Cells::mapped(probes.len(), values, |value| if is_finite(value) { theme::sequential(value) } else { palette.bad });
    let names: Vec<String> = (0..num_layers).map(layer_name).collect();
    let near = step.and_then(|step| run.probe_step_near(step));
    let near_ix = near.and_then(|near| probes.iter().position(|probe| probe.step == near));
    let strip = Strip {
        id: Id::unique(("history", &run.head.key.0)),
        cells: &map,
        names: &names,
        name_width: NAME_WIDTH,
        height,
        words: &format!("{}: similarity of {num_layers} layers over {} probes", run.name(), probes.len()),
        playhead_frac: near_ix.map(|ix| (ix as f32 + 0.5) / probes.len() as f32),
    };
    let tip = |probe: usize, layer: usize| format!("{}, step {}: {}", names[layer], probes[probe].step, short(value(layer, probe)));
    let clicked = strip::show(ui, &strip, tip).map(|(probe, _)| probes[probe].step);
    ui.horizontal(|ui| {
        ui.add_space(NAME_WIDTH + theme::GAP_XS);
        cells::legend(ui, "0 diverse", "1 all alike", theme::sequential);
    });
    clicked
}
