//! Stem lab: image → convolution → BatchNorm → ReLU → … → tokens, with what each channel does.

use egui::{Rect, RichText, Stroke, Ui, Vec2, vec2};
use egui_plot::{Bar, BarChart, Plot, Points};

use super::needs_run;
use crate::config::stem::StemGeometry;
use crate::dashboard::export::tables;
use crate::dashboard::host::Saved;
use crate::dashboard::model::{Action, Model};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::axes::{self, Axis};
use crate::dashboard::widgets::cells::{self, Cells};
use crate::dashboard::widgets::probe_view::{self, Shown};
use crate::dashboard::widgets::{card, state};
use crate::run::number::{is_finite, short};
use crate::run::probe::{Array, BINS, Stage, StageKind};
use crate::run::tensors::{Numbers, Tensors};

/// Side of a feature map, points.
const MAP_SIDE: f32 = 46.0;
/// Side of the image, points.
const IMAGE_SIDE: f32 = 168.0;
/// Below this width the maps of a stage stand below its name.
const NARROW_WIDTH: f32 = 620.0;
/// Filters shown at most.
const MAX_FILTERS: usize = 64;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Stem.title(), Screen::Stem.purpose());
    dropped_weights(ui, model);
    if model.weights.is_some() && model.view.runs.is_empty() {
        return;
    }
    if !needs_run(ui, model, "Select one in the list, or drop a safetensors file of any timm ViT to see its filters") {
        return;
    }
    let Some(shown) = probe_view::fetch(ui, model) else { return };
    let maps = shown.maps();
    strip(ui, model, &shown);
    ui.add_space(theme::GAP_M);
    card::columns(ui, 2, 340.0, |ui, ix| match ix {
        0 => {
            let [count, _, _, _] = maps.filters.shape[..] else { return };
            card::show(ui, &format!("Filters of the first convolution, {count}"), |ui| filters(ui, &shown, &maps.filters));
        }
        _ => theorem(ui, model, &shown),
    });
    bounds(ui, model, &shown);
}

/// Every stage of the stem: maps of the chosen image, histogram, dead channels.
fn strip(ui: &mut Ui, model: &mut Model, shown: &Shown) {
    let maps = shown.maps();
    let geometry = model.lead().and_then(|run| run.experiment.as_ref()?.model.stem_geometry().ok());
    let mut field = None;
    let image_rect = card::show(ui, "From pixels to tokens", |ui| {
        let is_narrow = ui.available_width() < NARROW_WIDTH;
        let image = |ui: &mut Ui, model: &mut Model| {
            ui.set_width(IMAGE_SIDE);
            let picture = probe_view::picture(maps, model.view.image);
            let answer = cells::show(ui, shown.id("stem image"), &picture, Vec2::splat(IMAGE_SIDE), "Probe image");
            let words = "Hover a map: the frame is what that pixel sees";
            ui.label(RichText::new(words).size(theme::SIZE_SMALL).color(theme::palette(ui).muted));
            probe_view::images(ui, model, shown);
            answer.rect
        };
        let mut stages = |ui: &mut Ui, model: &mut Model| {
            for (ix, stage) in maps.stages.iter().enumerate() {
                if ix > 0 || is_narrow {
                    ui.separator();
                }
                let hovered = stage_row(ui, model, shown, ix, stage, is_narrow);
                let seen = |(column, row, side)| receptive_field(geometry.as_ref()?, &stage.name.layer, side, column, row);
                field = field.or(hovered.and_then(seen));
            }
        };
        if is_narrow {
            let rect = image(ui, model);
            stages(ui, model);
            return rect;
        }
        ui.horizontal_top(|ui| {
            let rect = ui.vertical(|ui| image(ui, model)).inner;
            ui.add_space(theme::GAP_M);
            ui.vertical(|ui| stages(ui, model));
            rect
        })
        .inner
    });
    if let Some([left, top, right, bottom]) = field {
        let rect = image_rect.inner;
        let scale = rect.width() / maps.side as f32;
        let seen = Rect::from_min_max(rect.min + scale * vec2(left, top), rect.min + scale * vec2(right, bottom)).intersect(rect);
        ui.painter().rect_stroke(seen, 2.0, Stroke::new(2.0, theme::palette(ui).accent), egui::StrokeKind::Inside);
    }
}

/// One stage; the pixel hovered in one of its maps, with the maps' side.
fn stage_row(ui: &mut Ui, model: &mut Model, shown: &Shown, ix: usize, stage: &Stage, is_narrow: bool) -> Option<(usize, usize, usize)> {
    if is_narrow {
        ui.horizontal_top(|ui| {
            about(ui, stage);
            histogram(ui, ix, stage, model.view.channel);
        });
        return stage_maps(ui, model, shown, ix, stage);
    }
    ui.horizontal_top(|ui| {
        about(ui, stage);
        histogram(ui, ix, stage, model.view.channel);
        stage_maps(ui, model, shown, ix, stage)
    })
    .inner
}

/// What a stage is: its op, layer, size, dead channels.
fn about(ui: &mut Ui, stage: &Stage) {
    let palette = theme::palette(ui);
    let [_, _, height, width] = stage.maps.shape[..] else { return };
    let dead = stage.dead_channels();
    ui.vertical(|ui| {
        ui.set_width(150.0);
        ui.label(RichText::new(stage.name.kind.name()).font(theme::title_font(theme::SIZE_TITLE)));
        ui.label(RichText::new(&stage.name.layer).size(theme::SIZE_SMALL).color(palette.muted));
        ui.label(
            RichText::new(format!("{} channels, {width} × {height}", stage.channels.len())).size(theme::SIZE_SMALL).color(palette.muted),
        );
        if stage.name.kind == StageKind::Relu {
            let ink = if dead.is_empty() { palette.good } else { palette.bad };
            ui.label(RichText::new(format!("{} dead", dead.len())).size(theme::SIZE_SMALL).color(ink));
        }
    });
}

/// The maps of the chosen image; the pixel hovered in one of them, with the maps' side.
fn stage_maps(ui: &mut Ui, model: &mut Model, shown: &Shown, ix: usize, stage: &Stage) -> Option<(usize, usize, usize)> {
    let [_, kept, height, width] = stage.maps.shape[..] else { return None };
    let mut hovered = None;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        for channel in 0..kept {
            let Some(values) = stage.maps.at(&[model.view.image, channel]) else { continue };
            let [low, high] = finite_extent(values).unwrap_or([f64::NAN; 2]);
            let span = (high - low).max(1e-9);
            let map = Cells::mapped(width, values.iter().map(|&value| (f64::from(value) - low) / span), theme::grey);
            let (layer, kind) = (&stage.name.layer, stage.name.kind.name());
            let name = format!("{layer} {kind}, channel {channel}: {} to {}", short(low), short(high));
            let answer = cells::show(ui, shown.id(("stage", ix, channel)), &map, Vec2::splat(MAP_SIDE), &name);
            if channel == model.view.channel {
                cells::outline(ui, answer.rect, 1, 1, (0, 0));
            }
            if let Some((column, row)) = answer.hover_pos().and_then(|place| cells::cell_at(answer.rect, width, height, place)) {
                hovered = Some((column, row, width));
            }
            if answer.on_hover_text(name).clicked() {
                model.view.channel = channel;
            }
        }
    });
    hovered
}

/// The least and the greatest finite value; none where nothing is finite.
fn finite_extent(values: &[f32]) -> Option<[f64; 2]> {
    let finite = values.iter().map(|&value| f64::from(value)).filter(|&value| is_finite(value));
    finite.fold(None, |extent, value| Some(extent.map_or([value; 2], |[low, high]: [f64; 2]| [low.min(value), high.max(value)])))
}

/// The values of the chosen channel over the probe batch.
fn histogram(ui: &mut Ui, ix: usize, stage: &Stage, channel: usize) {
    let palette = theme::palette(ui);
    let channel = channel.min(stage.channels.len().saturating_sub(1));
    let Some(shares) = stage.histogram.at(&[channel]) else { return };
    let [low, high] = stage.range.map(f64::from);
    let width = (high - low) / BINS as f64;
    let bars: Vec<Bar> = shares
        .iter()
        .enumerate()
        .map(|(bin, &share)| Bar::new(low + (bin as f64 + 0.5) * width, f64::from(share)).width(width).fill(palette.run(0)))
        .collect();
    let sums = stage.channels.get(channel).copied().unwrap_or_default();
    let words = format!(
        "channel {channel}: mean {}, deviation {}, {:.0} % not above 0",
        short(f64::from(sums.mean)),
        short(f64::from(sums.deviation)),
        100.0 * sums.zero_frac
    );
    let plot = axes::styled(ui, Plot::new(("histogram", ix)), Axis::default(), Axis::default());
    let plot = plot.width(150.0).height(76.0).show_axes([true, false]).show_grid(false).include_y(0.0);
    let plot = plot.allow_zoom(false).allow_drag(false).set_margin_fraction(vec2(0.02, 0.0));
    let answer = plot.show(ui, |plot| plot.bar_chart(BarChart::new("share", bars).allow_hover(false)));
    answer.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::GraphicsObject, true, format!("Histogram, {words}")));
    answer.response.on_hover_text(words);
}

/// What a pixel of a map sees of the image, in its pixels: left, top, right, bottom. `side` is that of
/// the map as shown, which may be coarser than the layer's.
pub fn receptive_field(stem: &StemGeometry, layer: &str, side: usize, column: usize, row: usize) -> Option<[f32; 4]> {
    let last = stem.layers.iter().position(|own| own.name == layer)?;
    let scale = stem.layers[last].out_side as f32 / side.max(1) as f32;
    let edges = |at: usize| {
        let (mut first, mut end) = (at as f32 * scale, (at + 1) as f32 * scale);
        for own in stem.layers[..=last].iter().rev() {
            let (stride, padding, kernel) = (own.stride as f32, own.padding as f32, own.kernel as f32);
            first = first * stride - padding;
            end = (end - 1.0) * stride - padding + kernel;
        }
        (first, end)
    };
    let ((left, right), (top, bottom)) = (edges(column), edges(row));
    Some([left, top, right, bottom])
}

/// Filters [F, 3, k, k] as colour pictures, each scaled to its own greatest number.
fn filters(ui: &mut Ui, shown: &Shown, array: &Array) {
    let [count, channels, height, width] = array.shape[..] else { return };
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        for filter in 0..count.min(MAX_FILTERS) {
            if let Some(values) = array.at(&[filter]) {
                cells::show(
                    ui,
                    shown.id(("filter", filter)),
                    &filter_cells(values, channels, height, width),
                    Vec2::splat(34.0),
                    &format!("Filter {filter}"),
                );
            }
        }
    });
}

/// A filter [channels, k, k]: three channels are red, green and blue, grey at 0; others by their mean.
pub fn filter_cells(values: &[f32], channels: usize, height: usize, width: usize) -> Cells {
    let largest = f64::from(values.iter().fold(0.0f32, |largest, value| largest.max(value.abs()))).max(1e-9);
    let at = |channel: usize, pixel: usize| f64::from(values[channel * height * width + pixel]) / largest;
    let color = |pixel: usize| {
        if channels == 3 {
            theme::pixel([0, 1, 2].map(|channel| 0.5 + 0.5 * at(channel, pixel)))
        } else {
            theme::diverging((0..channels).map(|channel| at(channel, pixel)).sum::<f64>() / channels as f64)
        }
    };
    Cells { width, height, colors: (0..height * width).map(color).collect() }
}

/// Theorem 1, channel by channel: the scale of the last BatchNorm against the weights behind it.
fn theorem(ui: &mut Ui, model: &mut Model, shown: &Shown) {
    let is_saved = card::show_saved(ui, "Theorem 1: √(α² + β²) against ‖W_c‖₁", "theorem1.csv", |ui| {
        let palette = theme::palette(ui);
        let Some(theorem) = &shown.maps().theorem1 else {
            state::empty(ui, "This stem has no BatchNorm", "Theorem 1 is about stems with BN and ReLU, such as 3Conv+3BN+3ReLU+1Proj");
            return;
        };
        let points: Vec<[f64; 2]> = theorem.channels.iter().map(|channel| [f64::from(channel.scale), f64::from(channel.l1)]).collect();
        let penalty: f64 = theorem.channels.iter().map(|channel| f64::from(channel.penalty)).sum();
        let plot = axes::styled(ui, Plot::new("theorem 1").height(220.0).include_y(0.0), Axis::default(), Axis::default());
        let chosen = points.get(model.view.channel).copied();
        let answer = plot.show(ui, |plot| {
            plot.points(Points::new("channel", points.clone()).color(palette.run(0)).radius(4.0));
            if let Some(point) = chosen {
                plot.points(Points::new("chosen channel", vec![point]).color(palette.accent).radius(6.0).filled(false));
            }
        });
        let words = format!("{} channels, penalty {} at λ = 1", theorem.channels.len(), short(penalty));
        answer.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::GraphicsObject, true, format!("Theorem 1: {words}")));
        ui.label(RichText::new(format!("{words}; W_c from {}", theorem.weight)).size(theme::SIZE_SMALL).color(palette.muted));
    });
    if let (true, Some(theorem)) = (is_saved, &shown.maps().theorem1) {
        model.ask(Action::Save(Saved::text("theorem1.csv", tables::theorem1_csv(theorem))));
    }
}

/// Theorem 2, stage by stage: the similarity of a stage's rows and the bound on it.
fn bounds(ui: &mut Ui, model: &mut Model, shown: &Shown) {
    let palette = theme::palette(ui);
    let is_saved = card::show_saved(ui, "Theorem 2: similarity of the tokens and its bound", "theorem2.csv", |ui| {
        egui::ScrollArea::horizontal().id_salt("bounds").show(ui, |ui| {
            egui::Grid::new("bounds").striped(true).spacing([theme::GAP_L, 4.0]).show(ui, |ui| {
                for title in ["stage", "μ", "σ", "operator norm", "least row", "similarity", "bound"] {
                    ui.label(RichText::new(title).color(palette.muted));
                }
                ui.end_row();
                for stage in &shown.maps().stages {
                    let Some(bound) = stage.bound.get(model.view.image) else { continue };
                    ui.label(format!("{} {}", stage.name.layer, stage.name.kind.name()));
                    for number in [bound.mean, bound.deviation, bound.operator_norm, bound.least_row_norm, bound.cossim, bound.bound] {
                        ui.label(RichText::new(short(f64::from(number))).monospace());
                    }
                    ui.end_row();
                }
            });
        });
        ui.label(RichText::new("The bound holds where no entry is below 0, as after ReLU").size(theme::SIZE_SMALL).color(palette.muted));
    });
    if is_saved {
        model.ask(Action::Save(Saved::text("theorem2.csv", tables::bounds_csv(shown.maps()))));
    }
}

/// Filters of a dropped safetensors file: its first convolution with three input channels.
fn dropped_weights(ui: &mut Ui, model: &mut Model) {
    let Some((name, tensors)) = &model.weights else { return };
    let (name, found) = (name.clone(), first_filters(tensors));
    let mut is_closed = false;
    let close = |ui: &mut Ui| is_closed = ui.button("Close").clicked();
    card::show_with(ui, &format!("Filters of {name}"), close, |ui| match &found {
        Some((layer, array)) => {
            let [count, channels, height, width] = array.shape[..] else { return };
            ui.label(RichText::new(format!("{layer}: {count} filters of {width} × {height}")).color(theme::palette(ui).muted));
            ui.horizontal_wrapped(|ui| {
                ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
                for filter in 0..count.min(4 * MAX_FILTERS) {
                    if let Some(values) = array.at(&[filter]) {
                        let id = egui::Id::unique(("dropped", &name, filter));
                        cells::show(ui, id, &filter_cells(values, channels, height, width), Vec2::splat(34.0), &format!("Filter {filter}"));
                    }
                }
            });
        }
        None => {
            ui.label("It holds no convolution over three colour channels, so there are no filters to show");
        }
    });
    ui.add_space(theme::GAP_M);
    if is_closed {
        model.weights = None;
    }
}

/// The first weight [F, 3, k, k] of a state dict; the stem's own names come first.
pub fn first_filters(tensors: &Tensors) -> Option<(String, Array)> {
    let is_filter = |shape: &[usize]| matches!(shape, [_, 3, height, width] if height == width && *height > 1);
    let mut found: Vec<_> = tensors.by_name.iter().filter(|(_, tensor)| is_filter(&tensor.shape)).collect();
    found.sort_by_key(|(name, _)| (!name.starts_with("patch_embed"), (*name).clone()));
    let (name, tensor) = found.first()?;
    match &tensor.numbers {
        Numbers::F32(values) | Numbers::F16(values) => Some(((*name).clone(), Array::new(&tensor.shape, values.clone()))),
        _ => None,
    }
}
