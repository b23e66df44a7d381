//! Position embeddings for another grid of patches.
//!
//! Bicubic with Keys' a = −0.75, pixel centres (align_corners = false), edges repeated, no
//! antialiasing: what DeiT does when it fine-tunes at another resolution. Current timm resamples
//! with antialiasing, which differs.
//! Source: facebookresearch/deit main.py; torch.nn.functional.interpolate(mode="bicubic").

/// Keys' parameter, as PyTorch has it.
const A: f32 = -0.75;

/// Tokens that stand before the patches, and the side of the grid, of an embedding of `count`
/// positions; none if no square fits. A class token is likelier than none, a distillation token
/// comes with a class token.
pub fn layout(count: usize) -> Option<(usize, usize)> {
    [1, 2, 0].into_iter().find_map(|prefix| {
        let patches = count.checked_sub(prefix).filter(|&patches| patches > 0)?;
        let side = patches.isqrt();
        (side * side == patches).then_some((prefix, side))
    })
}

/// An embedding [1 + to², width] of one [prefix + from², width]: the class token's position as it is
/// (0 where there is none), a distillation token's left out, the patches' resized.
pub fn resized(values: &[f32], (prefix, from): (usize, usize), to: usize, width: usize) -> Vec<f32> {
    let mut result = match prefix {
        0 => vec![0.0; width],
        _ => values[..width].to_vec(),
    };
    let grid = &values[prefix * width..];
    if from == to {
        result.extend_from_slice(grid);
    } else {
        result.extend(bicubic(grid, from, to, width));
    }
    result
}

/// A grid [from², width] on `to` by `to` places.
fn bicubic(grid: &[f32], from: usize, to: usize, width: usize) -> Vec<f32> {
    let taps: Vec<([usize; 4], [f32; 4])> = (0..to).map(|ix| taps(ix, from, to)).collect();
    let mut result = Vec::with_capacity(to * to * width);
    for (rows, row_weights) in &taps {
        for (columns, column_weights) in &taps {
            result.extend((0..width).map(|channel| {
                let row_value = |row: usize| -> f32 {
                    let value = |column: usize| grid[(row * from + column) * width + channel];
                    columns.iter().zip(column_weights).map(|(&column, weight)| weight * value(column)).sum()
                };
                rows.iter().zip(row_weights).map(|(&row, weight)| weight * row_value(row)).sum::<f32>()
            }));
        }
    }
    result
}

/// The four places that the `ix`-th of `to` is made of, and their weights.
fn taps(ix: usize, from: usize, to: usize) -> ([usize; 4], [f32; 4]) {
    let place = (ix as f32 + 0.5) * (from as f32 / to as f32) - 0.5;
    let whole = place.floor();
    let t = place - whole;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
    let first = whole as isize - 1;
    let places = [0, 1, 2, 3].map(|tap| (first + tap).clamp(0, from as isize - 1) as usize);
    (places, weights)
}
