//! The probe at the playhead: asked for, waited for, and shown part by part.

use std::sync::Arc;

use egui::{Color32, Id, Rect, Response, RichText, Ui, Vec2, vec2};

use super::cells::{self, Cells};
use super::{card, state};
use crate::dashboard::host::RunKey;
use crate::dashboard::model::{Action, Model};
use crate::dashboard::runs::ProbeState;
use crate::dashboard::theme;
use crate::run::probe::{Maps, ProbeFile};

/// Probes read at most to find one with maps.
const MAX_PROBES_READ: usize = 24;
/// Side of a small picture, points.
pub const THUMB_SIDE: f32 = 76.0;

/// A probe with the run and step it belongs to.
#[derive(Clone)]
pub struct Shown {
    /// The run.
    pub run: RunKey,
    /// The probe's step.
    pub step: u64,
    /// Its content.
    pub probe: Arc<ProbeFile>,
}

impl Shown {
    /// Everything but the similarity per layer.
    pub fn maps(&self) -> &Maps {
        self.probe.maps.as_ref().expect("`fetch` gives probes with maps only")
    }

    /// An id for a picture of this probe.
    pub fn id(&self, part: impl egui::AsIdSalt) -> Id {
        Id::unique((&self.run.0, part))
    }
}

/// The lead run's probe with maps nearest the playhead; says on screen why there is none, and asks for it.
///
/// Many probes hold the similarity per layer only: those are passed over, to earlier ones first.
pub fn fetch(ui: &mut Ui, model: &mut Model) -> Option<Shown> {
    let run = model.lead()?;
    let key = run.head.key.clone();
    let nearest = run.probe_steps_from(model.step_of(run));
    if nearest.is_empty() {
        state::empty(ui, "No probes yet", "A run looks inside its model every probe.every steps, and at its end");
        return None;
    }
    for step in nearest.into_iter().take(MAX_PROBES_READ) {
        match model.runs.get(&key)?.probes.get(&step) {
            Some(ProbeState::Ready(probe)) if probe.maps.is_none() => {}
            Some(ProbeState::Ready(probe)) => return Some(Shown { run: key, step, probe: probe.clone() }),
            Some(ProbeState::Failed(reason)) => {
                let reason = reason.clone();
                if state::failed(ui, &format!("The probe of step {step} cannot be shown"), &reason) {
                    model.runs.get_mut(&key).and_then(|run| run.probes.remove(&step));
                }
                return None;
            }
            is_known => {
                if is_known.is_none() {
                    model.ask(Action::ReadProbe(key, step));
                }
                state::loading(ui, &format!("Reading the probe of step {step}"));
                return None;
            }
        }
    }
    state::empty(
        ui,
        "The probes of this run hold the similarity per layer only",
        "probe.maps_every decides how often maps and matrices are kept",
    );
    None
}

/// Colours of a probe image.
pub fn picture(maps: &Maps, image: usize) -> Cells {
    let side = maps.side;
    let start = image * side * side * 3;
    let bytes = maps.images.get(start..start + side * side * 3).unwrap_or_default();
    let colors = bytes.chunks_exact(3).map(|pixel| theme::pixel([0, 1, 2].map(|channel| f64::from(pixel[channel]) / 255.0))).collect();
    Cells { width: side, height: side, colors }
}

/// The row of probe images; a click chooses one.
pub fn images(ui: &mut Ui, model: &mut Model, shown: &Shown) {
    let maps = shown.maps();
    model.view.image = model.view.image.min(maps.num_images.saturating_sub(1));
    ui.horizontal_wrapped(|ui| {
        for image in 0..maps.num_images {
            let name = format!("Probe image {}, class {}", image + 1, maps.labels.get(image).copied().unwrap_or(-1));
            let answer = cells::show(ui, shown.id(("image", image)), &picture(maps, image), Vec2::splat(44.0), &name);
            if image == model.view.image {
                cells::outline(ui, answer.rect, 1, 1, (0, 0));
            }
            if answer.on_hover_text(name).clicked() {
                model.view.image = image;
            }
        }
    });
    let is_later = model.runs.get(&shown.run).is_some_and(|run| model.step_of(run) < shown.step);
    let words = if is_later { "the first probe with maps" } else { "the last probe with maps up to the playhead" };
    ui.label(RichText::new(format!("Step {}: {words}", shown.step)).size(theme::SIZE_SMALL).color(theme::palette(ui).muted));
}

/// The patch of the grid that a patch of the finer `grid` lies in.
pub fn coarse_patch(patch: usize, grid: usize, coarse: usize) -> usize {
    let block = (grid / coarse.max(1)).max(1);
    let (row, column) = (patch / grid.max(1), patch % grid.max(1));
    (row / block).min(coarse.saturating_sub(1)) * coarse + (column / block).min(coarse.saturating_sub(1))
}

/// Side of a square grid with so many patches.
pub fn side_of(num_patches: usize) -> usize {
    (num_patches as f64).sqrt().round() as usize
}

/// Numbers of a patch grid over the image, as one picture of `grid` × `grid` cells.
pub fn map_cells(values: &[f32], low: f64, high: f64, color: impl Fn(f64) -> Color32) -> Cells {
    let scale = 1.0 / (high - low).max(1e-9);
    Cells::mapped(side_of(values.len()), values.iter().map(|&value| (f64::from(value) - low) * scale), color)
}

/// Lets a person hover and choose a patch on a picture of `grid` × `grid` patches.
pub fn choose_patch(ui: &Ui, model: &mut Model, answer: &Response, grid: usize) {
    if let Some((column, row)) = answer.hover_pos().and_then(|place| cells::cell_at(answer.rect, grid, grid, place)) {
        let patch = row * grid + column;
        model.hovered_patch = Some(patch);
        if answer.clicked() {
            model.view.patch = if model.view.patch == Some(patch) { None } else { Some(patch) };
        }
    }
    if answer.has_focus() {
        step_patch(ui, model, answer.id, grid);
    }
    if let Some(patch) = model.patch().filter(|&patch| patch < grid * grid) {
        cells::outline(ui, answer.rect, grid, grid, (patch % grid.max(1), patch / grid.max(1)));
    }
}

/// Moves the chosen patch by the arrow keys; the first of them chooses the first patch.
fn step_patch(ui: &Ui, model: &mut Model, id: Id, grid: usize) {
    let arrows = egui::EventFilter { horizontal_arrows: true, vertical_arrows: true, ..Default::default() };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(id, arrows));
    let pressed = |key| ui.input_mut(|input| input.count_and_consume_key(egui::Modifiers::NONE, key)) as isize;
    use egui::Key::{ArrowDown, ArrowLeft, ArrowRight, ArrowUp};
    let (columns, rows) = (pressed(ArrowRight) - pressed(ArrowLeft), pressed(ArrowDown) - pressed(ArrowUp));
    if columns == 0 && rows == 0 {
        return;
    }
    let last = grid.saturating_sub(1);
    model.view.patch = Some(match model.view.patch {
        None => 0,
        Some(patch) => {
            let (row, column) = (patch / grid.max(1), patch % grid.max(1));
            row.saturating_add_signed(rows).min(last) * grid + column.saturating_add_signed(columns).min(last)
        }
    });
}

/// A picture of the image with a map of the patches, in see-through colours, laid over it.
pub fn overlay(ui: &Ui, id: Id, image: &Cells, map: &Cells, rect: Rect) {
    cells::paint(ui, id.with("image"), image, rect);
    cells::paint(ui, id.with("map"), map, rect);
}

/// Space for a picture, as large as fits, at most `side`.
pub fn picture_size(ui: &Ui, side: f32) -> Vec2 {
    vec2(1.0, 1.0) * side.min(ui.available_width())
}

/// The similarity of the chosen patch to all others, in every layer, and the whole matrix of one layer.
pub fn similarity(ui: &mut Ui, model: &mut Model) {
    ui.add_space(theme::GAP_M);
    let Some(shown) = fetch(ui, model) else { return };
    let maps = shown.maps();
    card::show(ui, "Similarity of one patch to all others, layer by layer", |ui| {
        images(ui, model, &shown);
        let [_, layers, pairs, _] = maps.similarity.shape[..] else { return };
        let coarse = side_of(pairs);
        let patch = model.patch().unwrap_or(maps.grid * maps.grid / 2);
        let row_ix = coarse_patch(patch, maps.grid, coarse);
        model.hovered_patch = None;
        let image = picture(maps, model.view.image);
        ui.horizontal_top(|ui| {
            let side = Vec2::splat(THUMB_SIDE * 2.0);
            let answer = cells::show(ui, shown.id("chooser"), &image, side, "Probe image: choose a patch");
            choose_patch(ui, model, &answer, maps.grid);
            ui.horizontal_wrapped(|ui| {
                for layer in 0..layers {
                    let Some(matrix) = maps.similarity.at(&[model.view.image, layer]) else { continue };
                    let row = &matrix[row_ix * pairs..(row_ix + 1) * pairs];
                    let map = map_cells(row, 0.0, 1.0, theme::veil);
                    let name = crate::dashboard::panels::tokens::layer_name(layer);
                    let words = format!("Similarity to the patch, {name}");
                    let answer = captioned(ui, shown.id(("similarity", layer)), [&image, &map], &name, &words);
                    if layer == model.view.layer {
                        cells::outline(ui, Rect::from_min_size(answer.rect.min, Vec2::splat(THUMB_SIDE)), 1, 1, (0, 0));
                    }
                    if answer.clicked() {
                        model.view.layer = layer;
                    }
                }
            });
        });
        cells::legend(ui, "0 diverse", "1 alike", theme::sequential);
    });
    ui.add_space(theme::GAP_M);
    matrix(ui, model, &shown);
}

/// A small picture of a map over the image with a word below it, in one piece: a row breaks between two of them.
fn captioned(ui: &mut Ui, id: Id, [image, map]: [&Cells; 2], caption: &str, words: &str) -> Response {
    let (rect, answer) = ui.allocate_exact_size(vec2(THUMB_SIDE, THUMB_SIDE + 18.0), egui::Sense::click());
    answer.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, words));
    overlay(ui, id, image, map, Rect::from_min_size(rect.min, Vec2::splat(THUMB_SIDE)));
    let at = egui::pos2(rect.center().x, rect.bottom());
    let font = egui::FontId::proportional(theme::SIZE_SMALL);
    ui.painter().text(at, egui::Align2::CENTER_BOTTOM, caption, font, theme::palette(ui).muted);
    answer
}

fn matrix(ui: &mut Ui, model: &Model, shown: &Shown) {
    let maps = shown.maps();
    let [_, layers, pairs, _] = maps.similarity.shape[..] else { return };
    let layer = model.view.layer.min(layers.saturating_sub(1));
    let name = crate::dashboard::panels::tokens::layer_name(layer);
    card::show(ui, &format!("Every pair of patches, {name}"), |ui| {
        let Some(matrix) = maps.similarity.at(&[model.view.image, layer]) else { return };
        let map = Cells::mapped(pairs, matrix.iter().map(|&value| f64::from(value)), theme::sequential);
        let side = picture_size(ui, 360.0);
        let answer = cells::show(ui, shown.id("matrix"), &map, side, &format!("Similarity of {pairs} × {pairs} patches, {name}"));
        if let Some((column, row)) = answer.hover_pos().and_then(|place| cells::cell_at(answer.rect, pairs, pairs, place)) {
            answer.on_hover_text_at_pointer(format!("patches {row} and {column}: {:.3}", matrix[row * pairs + column]));
        }
    });
}
