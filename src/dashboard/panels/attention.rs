//! Attention: layer × head as small pictures, one large on the image, rollout, distance and entropy.

use egui::{RichText, Ui, Vec2};
use egui_plot::{Plot, Points};

use super::{needs_run, tokens};
use crate::dashboard::export::tables;
use crate::dashboard::host::Saved;
use crate::dashboard::model::{Action, Model};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::axes::{self, Axis};
use crate::dashboard::widgets::probe_view::{self, Shown};
use crate::dashboard::widgets::{card, cells, sign};
use crate::run::number::short;
use crate::run::probe::{Array, Maps};

/// Side of the large picture, points.
const LARGE_SIDE: f32 = 340.0;
/// Side of a thumbnail at least, points; at most twice that.
const THUMB_SIDE: f32 = 52.0;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Attention.title(), Screen::Attention.purpose());
    if !needs_run(ui, model, "Select one in the list; its probes keep who looks at whom") {
        return;
    }
    let Some(shown) = probe_view::fetch(ui, model) else { return };
    let [_, num_blocks, num_heads, ..] = shown.maps().attention.weights.shape[..] else { return };
    model.view.head = model.view.head.filter(|&head| head < num_heads);
    let block = block_of(model.view.layer, num_blocks);
    // Whoever is hovered now says so while it is drawn; what is drawn before follows a frame later.
    let patch = model.patch();
    model.hovered_patch = None;
    card::columns(ui, 2, 340.0, |ui, ix| match ix {
        0 => large(ui, model, &shown, (block, patch)),
        _ => grid(ui, model, &shown),
    });
    let mut is_saved = false;
    card::columns(ui, 3, 260.0, |ui, ix| match ix {
        0 => rollout(ui, model, &shown),
        1 => is_saved |= by_head(ui, "Mean distance by head, pixels", "distance", &shown.maps().attention.distance),
        _ => is_saved |= by_head(ui, "Entropy by head, nats", "entropy", &shown.maps().attention.entropy),
    });
    if is_saved {
        model.ask(Action::Save(Saved::text("heads.csv", tables::heads_csv(shown.maps()))));
    }
}

/// The block of a layer of [`tokens::layer_name`]; of layers before the blocks, the first.
fn block_of(layer: usize, num_blocks: usize) -> usize {
    layer.saturating_sub(tokens::LAYERS_BEFORE_BLOCKS).min(num_blocks.saturating_sub(1))
}

/// Where the chosen token looks in a head, or in the mean of all heads: the patches' shares.
pub fn looks(maps: &Maps, image: usize, layer: usize, head: Option<usize>, patch: Option<usize>) -> Option<Vec<f32>> {
    let weights = &maps.attention.weights;
    let [_, _, num_heads, tokens, _] = weights.shape[..] else { return None };
    let coarse = probe_view::side_of(tokens - 1);
    let query = patch.map_or(0, |patch| 1 + probe_view::coarse_patch(patch, maps.grid, coarse));
    let heads = head.map_or(0..num_heads, |head| head..head + 1);
    let count = heads.len() as f32;
    let mut sum = vec![0.0; tokens - 1];
    for head in heads {
        let rows = weights.at(&[image, layer, head])?;
        let row = rows.get(query * tokens + 1..(query + 1) * tokens)?;
        sum.iter_mut().zip(row).for_each(|(sum, share)| *sum += share / count);
    }
    Some(sum)
}

fn greatest(values: &[f32]) -> f64 {
    f64::from(values.iter().copied().fold(0.0, f32::max)).max(1e-6)
}

fn large(ui: &mut Ui, model: &mut Model, shown: &Shown, (block, patch): (usize, Option<usize>)) {
    let maps = shown.maps();
    let from = patch.map_or("the class token".to_string(), |patch| format!("patch {patch}"));
    let head = model.view.head.map_or("all heads".to_string(), |head| format!("head {head}"));
    card::show(ui, &format!("Block {block}, {head}, from {from}"), |ui| {
        probe_view::images(ui, model, shown);
        ui.horizontal(|ui| {
            if sign::pill(ui, "class token", model.view.patch.is_none()).clicked() {
                model.view.patch = None;
            }
            if sign::pill(ui, "mean of heads", model.view.head.is_none()).clicked() {
                model.view.head = None;
            }
            ui.label(RichText::new("or hover a patch").size(theme::SIZE_SMALL).color(theme::palette(ui).muted));
        });
        let image = probe_view::picture(maps, model.view.image);
        let size = probe_view::picture_size(ui, LARGE_SIDE);
        let answer = cells::show(ui, shown.id("attention image"), &image, size, "Probe image: choose the patch that looks");
        if let Some(values) = looks(maps, model.view.image, block, model.view.head, patch) {
            let map = probe_view::map_cells(&values, 0.0, greatest(&values), theme::veil);
            probe_view::overlay(ui, shown.id("attention overlay"), &image, &map, answer.rect);
            cells::legend(ui, "0", &short(greatest(&values)), theme::sequential);
        }
        probe_view::choose_patch(ui, model, &answer, maps.grid);
    });
}

fn grid(ui: &mut Ui, model: &mut Model, shown: &Shown) {
    let maps = shown.maps();
    let [_, num_blocks, num_heads, ..] = maps.attention.weights.shape[..] else { return };
    card::show(ui, "Block × head", |ui| {
        egui::ScrollArea::both().id_salt("heads").max_height(LARGE_SIDE + 140.0).show(ui, |ui| {
            let room = [(ui.available_width() - 64.0) / num_heads as f32, (LARGE_SIDE + 80.0) / num_blocks as f32];
            let side = (room[0].min(room[1]) - 6.0).clamp(THUMB_SIDE, 2.0 * THUMB_SIDE).floor();
            egui::Grid::new("heads").spacing([6.0, 6.0]).show(ui, |ui| {
                ui.label("");
                for head in 0..num_heads {
                    ui.label(RichText::new(format!("head {head}")).size(theme::SIZE_SMALL));
                }
                ui.end_row();
                for block in 0..num_blocks {
                    ui.label(RichText::new(format!("block {block}")).size(theme::SIZE_SMALL));
                    for head in 0..num_heads {
                        thumbnail(ui, model, shown, (block, head), side);
                    }
                    ui.end_row();
                }
            });
        });
    });
}

fn thumbnail(ui: &mut Ui, model: &mut Model, shown: &Shown, (block, head): (usize, usize), side: f32) {
    let Some(values) = looks(shown.maps(), model.view.image, block, Some(head), model.patch()) else { return };
    let is_chosen = block == block_of(model.view.layer, shown.maps().attention.weights.shape[1]);
    let map = probe_view::map_cells(&values, 0.0, greatest(&values), theme::sequential);
    let answer = cells::show(ui, shown.id((block, head)), &map, Vec2::splat(side), &format!("Block {block}, head {head}"));
    if is_chosen && model.view.head.is_none_or(|chosen| chosen == head) {
        cells::outline(ui, answer.rect, 1, 1, (0, 0));
    }
    if answer.clicked() {
        model.view.layer = block + tokens::LAYERS_BEFORE_BLOCKS;
        model.view.head = Some(head);
    }
}

fn rollout(ui: &mut Ui, model: &Model, shown: &Shown) {
    let maps = shown.maps();
    card::show(ui, "Rollout from the class token", |ui| {
        let Some(values) = maps.attention.rollout.at(&[model.view.image]) else { return };
        let low = f64::from(values.iter().copied().fold(f32::INFINITY, f32::min));
        let map = probe_view::map_cells(values, low, greatest(values), theme::veil);
        let image = probe_view::picture(maps, model.view.image);
        let size = probe_view::picture_size(ui, 180.0);
        let answer = cells::show(ui, shown.id("rollout image"), &image, size, "Attention rollout over the image");
        probe_view::overlay(ui, shown.id("rollout"), &image, &map, answer.rect);
        ui.label(
            RichText::new("What the class token holds in the end came from here (Abnar and Zuidema 2020)")
                .size(theme::SIZE_SMALL)
                .color(theme::palette(ui).muted),
        );
    });
}

/// A number of each head, block by block; true if it is to be saved.
fn by_head(ui: &mut Ui, title: &str, id: &'static str, numbers: &Array) -> bool {
    let palette = theme::palette(ui);
    let [num_layers, num_heads] = numbers.shape[..] else { return false };
    card::show_saved(ui, title, "heads.csv", |ui| {
        let plot = Plot::new(id).height(180.0).include_y(0.0).include_x(-0.4).include_x(num_layers as f64 - 0.6);
        let plot = axes::styled(ui, plot, Axis::default(), Axis::default())
            .x_grid_spacer(move |_| (0..num_layers).map(|layer| egui_plot::GridMark { value: layer as f64, step_size: 1.0 }).collect())
            .x_axis_formatter(|mark, _| format!("{}", mark.value.round()));
        let answer = plot.show(ui, |plot| {
            for head in 0..num_heads {
                let points: Vec<[f64; 2]> = (0..num_layers)
                    .filter_map(|layer| {
                        Some([layer as f64 + 0.06 * (head as f64 - num_heads as f64 / 2.0), f64::from(numbers.at(&[layer, head])?[0])])
                    })
                    .collect();
                plot.points(Points::new(format!("head {head}"), points).color(palette.run(head)).radius(4.0));
            }
        });
        answer.response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::GraphicsObject, true, title));
        ui.label(RichText::new("block, from the first").size(theme::SIZE_SMALL).color(palette.muted));
    })
}
