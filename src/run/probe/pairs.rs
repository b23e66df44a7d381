//! Arrays over pairs of tokens grow with the fourth power of the grid, so a file may keep them on a
//! coarser one: blocks of b × b patches stand for one.
//!
//! Attention from a block is the mean over its patches, attention to a block the sum: rows still sum
//! to 1. Similarity of two blocks is the mean over their pairs.

/// Most numbers of one such array in a file (4 MiB in 16 bits).
pub const MAX_PAIRS: usize = 1 << 21;

/// The finest grid, its side a divisor of `grid`, on which `matrices` square matrices over the
/// patches and `prefix` other tokens keep within [`MAX_PAIRS`]; 1 where none does.
pub fn grid_for(grid: usize, prefix: usize, matrices: usize) -> usize {
    let fits = |side: usize| matrices.saturating_mul((side * side + prefix).pow(2)) <= MAX_PAIRS;
    (1..=grid).rev().find(|side| grid.is_multiple_of(*side) && fits(*side)).unwrap_or(1)
}

/// The coarse token of every token; `prefix` tokens stand for themselves.
fn coarse_tokens(grid: usize, coarse: usize, prefix: usize) -> Vec<usize> {
    let block = grid / coarse;
    let patch = |ix: usize| prefix + (ix / grid / block) * coarse + ix % grid / block;
    (0..prefix).chain((0..grid * grid).map(patch)).collect()
}

/// Attention [T, T] on a coarser grid: mean over rows of a block, sum over its columns.
pub fn coarse_attention(rows: &[f64], grid: usize, coarse: usize, prefix: usize) -> Vec<f64> {
    sums(rows, grid, coarse, prefix, |block| 1.0 / block)
}

/// Similarity [n, n] on a coarser grid: mean over pairs.
pub fn coarse_similarity(matrix: &[f64], grid: usize, coarse: usize) -> Vec<f64> {
    sums(matrix, grid, coarse, 0, |block| 1.0 / (block * block))
}

/// Sums over blocks; those between patches are scaled by `scale` of the block's patches, those from
/// or to a prefix token by what is left of it.
fn sums(matrix: &[f64], grid: usize, coarse: usize, prefix: usize, scale: fn(f64) -> f64) -> Vec<f64> {
    let tokens = coarse_tokens(grid, coarse, prefix);
    let width = coarse * coarse + prefix;
    let patches = (grid / coarse).pow(2) as f64;
    let mut result = vec![0.0; width * width];
    for (row, values) in matrix.chunks_exact(tokens.len()).enumerate() {
        // The mean over rows applies to rows of patches only.
        let factor = if row < prefix { 1.0 } else { scale(patches) };
        for (column, value) in values.iter().enumerate() {
            result[tokens[row] * width + tokens[column]] += factor * value;
        }
    }
    result
}
