//! Softmax attention over packed queries, keys and values: definition.
//!
//! A task is one head of one image. Its N×N scores exist one tile of query rows at a time, in
//! thread-local memory; every product is a matrix product on strided views of the packed arrays.

use std::ops::Range;

use crate::platform::parallel::*;

use super::rows::{dot, largest, sum_of, vectorised, with_scratch};
use crate::graph::real::GemmCall;
use crate::graph::{Io, Real};
use crate::ops::attention::{Backward, Extent, Forward};

/// Most query rows of one tile of scores: with N = 800 a tile of 128 stays within L2.
const MAX_TILE_ROWS: usize = 128;

/// Query rows of a tile: all of few tokens, else tiles of about equal length.
fn tile_rows(tokens: usize) -> usize {
    tokens.div_ceil(tokens.div_ceil(MAX_TILE_ROWS))
}

/// out = softmax(Q·Kᵀ/√w)·V, with ℓ saved.
pub fn forward<T: Real>(op: &Forward, io: &mut Io<'_, T>) {
    let Io { ins: [qkv, ..], outs: [out, lse, ..], .. } = io;
    let extent = op.extent;
    let tokens = extent.tokens;
    let out = Array::of_mut(out, extent.width());
    let qkv = Array::of(qkv, 3 * extent.width());
    lse.par_chunks_mut(tokens).enumerate().for_each(|(task_ix, lse)| {
        let [query, key, value] = [0, 1, 2].map(|which| qkv.head(&extent, task_ix, which));
        let out = out.head(&extent, task_ix, 0);
        let tile_rows = tile_rows(tokens);
        with_scratch(tile_rows * tokens, |scores: &mut [T]| {
            for (tile_ix, lse) in lse.chunks_mut(tile_rows).enumerate() {
                let rows = tile_ix * tile_rows..tile_ix * tile_rows + lse.len();
                let scores = &mut scores[..lse.len() * tokens];
                let tile = Matrix::of(scores, tokens);
                // SAFETY: the views lie within `qkv` and `out`; the tasks write disjoint columns and
                // rows of `out`, and `scores` belongs to this thread.
                unsafe { multiply(tile, query.rows(rows.clone()), key.transposed(), T::of(extent.scale()), false) };
                softmax(scores, lse, tokens);
                // SAFETY: as above.
                unsafe { multiply(out.rows(rows), tile, value, T::ONE, false) };
            }
        });
    });
}

/// d_qkv from d_out.
pub fn backward<T: Real>(op: &Backward, io: &mut Io<'_, T>) {
    let Io { ins: [d_out, qkv, out, lse, ..], outs: [d_qkv, ..], .. } = io;
    let extent = op.extent;
    let tokens = extent.tokens;
    let [d_out, out] = [d_out, out].map(|array| Array::of(array, extent.width()));
    let qkv = Array::of(qkv, 3 * extent.width());
    let d_qkv = Array::of_mut(d_qkv, 3 * extent.width());
    lse.par_chunks(tokens).enumerate().for_each(|(task_ix, lse)| {
        let task = Task {
            inputs: [0, 1, 2].map(|which| qkv.head(&extent, task_ix, which)),
            d_inputs: [0, 1, 2].map(|which| d_qkv.head(&extent, task_ix, which)),
            out: out.head(&extent, task_ix, 0),
            d_out: d_out.head(&extent, task_ix, 0),
            scale: T::of(extent.scale()),
        };
        let tile_rows = tile_rows(tokens);
        with_scratch(2 * tile_rows * tokens, |scratch: &mut [T]| {
            let (weights, d_scores) = scratch.split_at_mut(tile_rows * tokens);
            for (tile_ix, lse) in lse.chunks(tile_rows).enumerate() {
                let len = lse.len() * tokens;
                task.backward_tile(tile_ix * tile_rows, lse, &mut weights[..len], &mut d_scores[..len]);
            }
        });
    });
}

/// One head of one image in the backward pass.
struct Task<T> {
    inputs: [Matrix<T>; 3],
    d_inputs: [Matrix<T>; 3],
    out: Matrix<T>,
    d_out: Matrix<T>,
    scale: T,
}

impl<T: Real> Task<T> {
    /// d_Q of the query rows from `first` on, and what they add to d_K and d_V.
    fn backward_tile(&self, first: usize, lse: &[T], weights: &mut [T], d_scores: &mut [T]) {
        let [query, key, value] = self.inputs;
        let [d_query, d_key, d_value] = self.d_inputs;
        let rows = first..first + lse.len();
        let (query, d_out) = (query.rows(rows.clone()), self.d_out.rows(rows.clone()));
        let tokens = key.rows;
        let (weights_tile, d_scores_tile) = (Matrix::of(weights, tokens), Matrix::of(d_scores, tokens));
        let accumulate = first > 0;
        // SAFETY: the views lie within their arrays; the tasks write disjoint columns and rows of
        // `d_qkv`, and both tiles belong to this thread.
        unsafe {
            multiply(weights_tile, query, key.transposed(), self.scale, false);
            multiply(d_scores_tile, d_out, value.transposed(), T::ONE, false);
        }
        vectorised(
            #[inline(always)]
            || {
                for (ix, (weights, d_scores)) in weights.chunks_exact_mut(tokens).zip(d_scores.chunks_exact_mut(tokens)).enumerate() {
                    // SAFETY: `row` stays within the two views.
                    let delta = unsafe { dot(self.out.row(first + ix), self.d_out.row(first + ix)) };
                    for (weight, d_score) in weights.iter_mut().zip(d_scores) {
                        *weight = (*weight - lse[ix]).exp();
                        *d_score = *weight * (*d_score - delta);
                    }
                }
            },
        );
        // SAFETY: as above.
        unsafe {
            multiply(d_value, weights_tile.transposed(), d_out, T::ONE, accumulate);
            multiply(d_query.rows(rows), d_scores_tile, key, self.scale, false);
            multiply(d_key, d_scores_tile.transposed(), query, self.scale, accumulate);
        }
    }
}

/// Rows of scores to rows of weights that sum to one; `lse` gets ln Σ exp.
fn softmax<T: Real>(scores: &mut [T], lse: &mut [T], tokens: usize) {
    vectorised(
        #[inline(always)]
        || {
            for (row, lse) in scores.chunks_exact_mut(tokens).zip(lse) {
                let largest = largest(row);
                row.iter_mut().for_each(|value| *value = (*value - largest).exp());
                let sum = sum_of(row, |value| value);
                let factor = T::ONE / sum;
                row.iter_mut().for_each(|value| *value *= factor);
                *lse = largest + sum.ln();
            }
        },
    );
}

/// A packed activation [B·N, width] whose heads are handed out to tasks.
#[derive(Clone, Copy)]
struct Array<T> {
    start: *mut T,
    width: usize,
}

// SAFETY: tasks read anything and write only their own head (see `forward` and `backward`).
unsafe impl<T: Send> Send for Array<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Array<T> {}

impl<T> Array<T> {
    /// An array that is only read.
    fn of(words: &[T], width: usize) -> Self {
        Self { start: words.as_ptr().cast_mut(), width }
    }

    fn of_mut(words: &mut [T], width: usize) -> Self {
        Self { start: words.as_mut_ptr(), width }
    }

    /// The rows of head `task_ix` (= image·H + head), in block `which` of D columns.
    fn head(&self, extent: &Extent, task_ix: usize, which: usize) -> Matrix<T> {
        let (image_ix, head_ix) = (task_ix / extent.heads, task_ix % extent.heads);
        let offset = image_ix * extent.tokens * self.width + which * extent.width() + head_ix * extent.head_width;
        Matrix {
            // Stays within the array: task_ix < B·H, and `which` names one of its blocks.
            start: self.start.wrapping_add(offset),
            rows: extent.tokens,
            columns: extent.head_width,
            strides: [self.width as isize, 1],
        }
    }
}

/// A view of a matrix, with row and column stride.
#[derive(Clone, Copy)]
struct Matrix<T> {
    start: *mut T,
    rows: usize,
    columns: usize,
    strides: [isize; 2],
}

impl<T> Matrix<T> {
    /// Dense rows of `columns`.
    fn of(words: &mut [T], columns: usize) -> Self {
        Self { start: words.as_mut_ptr(), rows: words.len() / columns, columns, strides: [columns as isize, 1] }
    }

    fn transposed(self) -> Self {
        Self { rows: self.columns, columns: self.rows, strides: [self.strides[1], self.strides[0]], ..self }
    }

    fn rows(self, rows: Range<usize>) -> Self {
        Self { start: self.start.wrapping_offset(rows.start as isize * self.strides[0]), rows: rows.len(), ..self }
    }

    /// # Safety
    /// The view must be valid, with columns side by side, and nobody may write the row meanwhile.
    unsafe fn row<'a>(self, row_ix: usize) -> &'a [T] {
        debug_assert!(row_ix < self.rows && self.strides[1] == 1, "row {row_ix} of {}", self.rows);
        // SAFETY: the caller vouches for the view.
        unsafe { std::slice::from_raw_parts(self.start.wrapping_offset(row_ix as isize * self.strides[0]), self.columns) }
    }
}

/// dst = alpha·lhs·rhs (+ dst).
///
/// # Safety
/// The views must be valid, and `dst` must overlap neither factor.
unsafe fn multiply<T: Real>(dst: Matrix<T>, lhs: Matrix<T>, rhs: Matrix<T>, alpha: T, accumulate: bool) {
    debug_assert!(lhs.rows == dst.rows && lhs.columns == rhs.rows && rhs.columns == dst.columns);
    // SAFETY: the caller vouches for the views.
    unsafe {
        T::gemm(GemmCall {
            sizes: [dst.rows, dst.columns, lhs.columns],
            dst: (dst.start, dst.strides[0], dst.strides[1]),
            lhs: (lhs.start, lhs.strides[0], lhs.strides[1]),
            rhs: (rhs.start, rhs.strides[0], rhs.strides[1]),
            alpha,
            accumulate,
            threads: 1,
        });
    }
}
