//! Each picture of a look.

use vitrine::error::Result;
use vitrine::run::palette::{Rgb, position, range, viridis};
use vitrine::run::probe::{Array, Maps, Stage};
use vitrine::train::inspect::Report;

use super::Written;
use super::canvas::{Cell, grid};

/// Cells of a row where nothing else decides.
const COLUMNS: usize = 8;
/// How much of an overlay is colour, the rest being the picture.
const OVERLAY: f32 = 0.6;

/// All of them.
pub fn all(report: &Report) -> Result<Vec<Written>> {
    let Some(maps) = &report.probe.maps else { return Ok(Vec::new()) };
    let mut files = vec![images(maps)?, filters(maps)?];
    for (ix, stage) in maps.stages.iter().enumerate() {
        files.push(stage_maps(ix, stage, maps.num_images)?);
    }
    for image in 0..maps.num_images {
        let name = &report.names[image];
        files.push(similarity(maps, image, name)?);
        files.push(attention(maps, image, name)?);
        files.push(rollout(maps, image, name)?);
    }
    Ok(files)
}

fn written(name: String, caption: String, cells: &[Cell], columns: usize) -> Result<Written> {
    Ok(Written { name, caption, bytes: grid(cells, columns)? })
}

/// Values over their own range.
fn scaled(values: &[f32], width: usize) -> Cell {
    let ends = range(values);
    Cell::of(values, width, |value| viridis(position(value, ends)))
}

/// The part of an array that belongs to leading indices within its sides.
fn part<'a>(array: &'a Array, leading: &[usize]) -> &'a [f32] {
    array.at(leading).expect("the index runs over the array's own sides")
}

fn picture(maps: &Maps, image: usize) -> Cell {
    let len = maps.side * maps.side * 3;
    let (pixels, _) = maps.images[image * len..][..len].as_chunks::<3>();
    Cell { width: maps.side, colours: pixels.to_vec() }
}

fn images(maps: &Maps) -> Result<Written> {
    let cells: Vec<Cell> = (0..maps.num_images).map(|image| picture(maps, image)).collect();
    written("images.png".into(), "The images, as the model saw them".into(), &cells, COLUMNS)
}

/// Each filter over its own range, its three channels as red, green and blue.
fn filters(maps: &Maps) -> Result<Written> {
    let [count, _, height, width] = maps.filters.shape[..] else { unreachable!("filters have four sides") };
    let plane = height * width;
    let cell = |filter: usize| {
        let values = part(&maps.filters, &[filter]);
        let ends = range(values);
        let level = |value: f32| (255.0 * position(value, ends).clamp(0.0, 1.0)).round() as u8;
        let colour = |ix: usize| [0, 1, 2].map(|channel| level(values[channel * plane + ix]));
        Cell { width, colours: (0..plane).map(colour).collect() }
    };
    let cells: Vec<Cell> = (0..count).map(cell).collect();
    let caption = format!("{count} filters of the stem's first convolution, {height}×{width} pixels, each over its own range");
    written("filters.png".into(), caption, &cells, COLUMNS)
}

fn stage_maps(ix: usize, stage: &Stage, num_images: usize) -> Result<Written> {
    let [_, channels, _, width] = stage.maps.shape[..] else { unreachable!("maps have four sides") };
    let ends = stage.range;
    let places = (0..num_images).flat_map(|image| (0..channels).map(move |channel| [image, channel]));
    let cells: Vec<Cell> = places.map(|place| Cell::of(part(&stage.maps, &place), width, |value| viridis(position(value, ends)))).collect();
    let caption = format!(
        "{} of {}: the first {channels} of {} channels, a row for each image, from {:.3} (dark) to {:.3} (light)",
        stage.name.kind.name(),
        stage.name.layer,
        stage.channels.len(),
        ends[0],
        ends[1]
    );
    written(format!("stem-{ix}-{}.png", stage.name.kind.name().to_lowercase()), caption, &cells, channels)
}

fn similarity(maps: &Maps, image: usize, name: &str) -> Result<Written> {
    let [_, layers, pairs, _] = maps.similarity.shape[..] else { unreachable!("similarity has four sides") };
    let cell = |layer: usize| Cell::of(part(&maps.similarity, &[image, layer]), pairs, viridis);
    let cells: Vec<Cell> = (0..layers).map(cell).collect();
    let caption = format!("Cosine of every pair of patch tokens of {name}: stem, position, each block; 0 dark, 1 light");
    written(format!("similarity-{image}.png"), caption, &cells, COLUMNS)
}

/// What the class token attends to.
fn attention(maps: &Maps, image: usize, name: &str) -> Result<Written> {
    let [_, blocks, heads, tokens, _] = maps.attention.weights.shape[..] else { unreachable!("attention has five sides") };
    let places = (0..blocks).flat_map(|block| (0..heads).map(move |head| [image, block, head, 0]));
    // The grid may be a coarser one; whatever is not a patch stands in front.
    let patches = tokens.isqrt().pow(2);
    let cell = |place: [usize; 4]| scaled(&part(&maps.attention.weights, &place)[tokens - patches..], patches.isqrt());
    let cells: Vec<Cell> = places.map(cell).collect();
    let caption = format!("Attention of the class token in {name}: a row for each block, a column for each head, each over its own range");
    written(format!("attention-{image}.png"), caption, &cells, heads)
}

fn rollout(maps: &Maps, image: usize, name: &str) -> Result<Written> {
    let values = part(&maps.attention.rollout, &[image]);
    let map = scaled(values, maps.grid);
    let under = picture(maps, image);
    let mix = |(ix, below): (usize, &Rgb)| {
        let (y, x) = (ix / maps.side * maps.grid / maps.side, ix % maps.side * maps.grid / maps.side);
        let above = map.colours[y * maps.grid + x];
        [0, 1, 2].map(|part| (OVERLAY * f32::from(above[part]) + (1.0 - OVERLAY) * f32::from(below[part])).round() as u8)
    };
    let over = Cell { width: maps.side, colours: under.colours.iter().enumerate().map(mix).collect() };
    let caption = format!("{name}, and attention rollout from the class token over it");
    written(format!("rollout-{image}.png"), caption, &[under, over], 2)
}
