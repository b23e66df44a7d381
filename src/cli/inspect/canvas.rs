//! Pictures out of numbers: cells of colour in a grid, as PNG.

use std::io::Cursor;
use std::path::Path;

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use vitrine::error::{Error, Result};
use vitrine::run::palette::Rgb;

/// Pixels between cells.
const GAP: usize = 2;
/// Cells smaller than this are enlarged by a whole factor, pixels.
const LEAST_CELL: usize = 96;
const BACKGROUND: Rgb = [255, 255, 255];

/// A picture of [height, width] colours.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Colours a row.
    pub width: usize,
    /// Row by row.
    pub colours: Vec<Rgb>,
}

impl Cell {
    /// Numbers through a colour scale.
    pub fn of(values: &[f32], width: usize, colour: impl Fn(f32) -> Rgb) -> Self {
        Self { width, colours: values.iter().map(|value| colour(*value)).collect() }
    }

    fn height(&self) -> usize {
        self.colours.len() / self.width
    }

    /// Each colour as a square of `factor` pixels.
    pub fn enlarged(&self, factor: usize) -> Self {
        let rows = self.colours.chunks_exact(self.width);
        let row = |row: &[Rgb]| row.iter().flat_map(|colour| std::iter::repeat_n(*colour, factor)).collect::<Vec<Rgb>>();
        let colours = rows.flat_map(|colours| std::iter::repeat_n(row(colours), factor).flatten()).collect();
        Self { width: self.width * factor, colours }
    }
}

/// Cells of equal size in rows of `columns`, as the bytes of a PNG file.
pub fn grid(cells: &[Cell], columns: usize) -> Result<Vec<u8>> {
    let Some(first) = cells.first() else { return png(1, &[BACKGROUND]) };
    let factor = LEAST_CELL.div_ceil(first.width.max(first.height())).max(1);
    let (cell_width, cell_height) = (first.width * factor, first.height() * factor);
    let columns = columns.clamp(1, cells.len());
    let rows = cells.len().div_ceil(columns);
    let width = columns * (cell_width + GAP) - GAP;
    let height = rows * (cell_height + GAP) - GAP;
    let mut colours = vec![BACKGROUND; width * height];
    for (ix, cell) in cells.iter().enumerate() {
        let (top, left) = (ix / columns * (cell_height + GAP), ix % columns * (cell_width + GAP));
        let enlarged = cell.enlarged(factor);
        for (y, row) in enlarged.colours.chunks_exact(enlarged.width).enumerate() {
            colours[(top + y) * width + left..][..enlarged.width].copy_from_slice(row);
        }
    }
    png(width, &colours)
}

fn png(width: usize, colours: &[Rgb]) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let (width, height) = (width as u32, (colours.len() / width) as u32);
    let encoder = PngEncoder::new(&mut bytes);
    let refused = |error: image::ImageError| Error::io(Path::new("a picture"), "encode the PNG", std::io::Error::other(error));
    encoder.write_image(colours.as_flattened(), width, height, ExtendedColorType::Rgb8).map_err(refused)?;
    Ok(bytes.into_inner())
}
