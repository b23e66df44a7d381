//! Softmax attention over packed queries, keys and values: definition.
//!
//! A task is one head of one image. It packs what it reads into panels (`cpu/panel.rs`), each used by several
//! products; its N×N scores exist one tile of query rows at a time, in thread-local memory. Padding is zero
//! throughout: scores of padded keys are never turned into weights.

use std::ops::Range;

use crate::platform::parallel::*;

use super::panel::{Panel, Product, pack, pack_transposed, padded};
use super::rows::{dot, largest, sum_of, vectorised, with_scratch};
use crate::graph::{Io, Real};
use crate::ops::attention::{Backward, Extent, Forward};

/// Most query rows of one tile of scores: with N = 800 a tile of 128 stays within L2.
const MAX_TILE_ROWS: usize = 128;

/// Query rows of a tile: all of few tokens, else tiles of about equal length.
fn tile_rows(tokens: usize) -> usize {
    tokens.div_ceil(tokens.div_ceil(MAX_TILE_ROWS))
}

/// out = softmax(Q·Kᵀ/√w)·V, with ℓ saved.
pub fn forward<T: Panel>(op: &Forward, io: &mut Io<'_, T>) {
    let Io { ins: [qkv, ..], outs: [out, lse, ..], .. } = io;
    let sides = Sides::of(&op.extent);
    let out = Heads::new(out, op.extent);
    let (tokens, tile_rows) = (sides.tokens, tile_rows(sides.tokens));
    lse.par_chunks_mut(tokens).enumerate().for_each(|(task_ix, lse)| {
        let lens = [sides.rows_len(tokens), sides.rows_len(tokens), sides.long_len(), sides.rows_len(tile_rows), tile_rows * sides.long];
        with_parts(lens, |[query, value, key_long, mixed, scores]: [&mut [T]; 5]| {
            let packed = Packed { words: qkv, stride: 3 * op.extent.width(), sides };
            let [query_at, key_at, value_at] = [0, 1, 2].map(|which| op.extent.head_offset(task_ix, which));
            packed.rows(query, query_at, T::of(op.extent.scale()));
            packed.rows(value, value_at, T::ONE);
            packed.long(key_long, key_at);
            for (tile_ix, lse) in lse.chunks_mut(tile_rows).enumerate() {
                let rows = tile_ix * tile_rows..tile_ix * tile_rows + lse.len();
                let [scores, mixed] = [&mut scores[..lse.len() * sides.long], &mut mixed[..sides.rows_len(lse.len())]];
                sides.scores(scores, &query[sides.of_rows(&rows)], key_long);
                let mut factors = [T::ZERO; MAX_TILE_ROWS];
                softmax(scores, lse, &mut factors, &sides);
                sides.mix(mixed, scores, value);
                for (row_ix, (mixed, factor)) in rows.zip(mixed.chunks_exact(sides.wide).zip(factors)) {
                    // SAFETY: this task alone writes its head's columns.
                    let out = unsafe { out.row(task_ix, 0, row_ix) };
                    out.iter_mut().zip(mixed).for_each(|(out, mixed)| *out = *mixed * factor);
                }
            }
        });
    });
}

/// d_qkv from d_out.
pub fn backward<T: Panel>(op: &Backward, io: &mut Io<'_, T>) {
    let Io { ins: [d_out, qkv, out, lse, ..], outs: [d_qkv, ..], .. } = io;
    let (extent, sides) = (op.extent, Sides::of(&op.extent));
    let d_qkv = Heads::new(d_qkv, extent);
    let (tokens, tile_rows) = (sides.tokens, tile_rows(sides.tokens));
    lse.par_chunks(tokens).enumerate().for_each(|(task_ix, lse)| {
        let (rows_len, tile_len) = (sides.rows_len(tokens), tile_rows * sides.long);
        let lens = [rows_len, rows_len, rows_len, sides.long_len(), sides.long_len(), rows_len, rows_len, rows_len, tile_len, tile_len];
        with_parts(lens, |[query, d_mixed, key, key_long, value_long, d_query, d_key, d_value, weights, d_scores]: [&mut [T]; 10]| {
            let packed = Packed { words: qkv, stride: 3 * extent.width(), sides };
            let [query_at, key_at, value_at] = [0, 1, 2].map(|which| extent.head_offset(task_ix, which));
            packed.rows(query, query_at, T::of(extent.scale()));
            packed.rows(key, key_at, T::ONE);
            packed.long(key_long, key_at);
            packed.long(value_long, value_at);
            let head_at = extent.row_offset(task_ix);
            Packed { words: d_out, stride: extent.width(), sides }.rows(d_mixed, head_at, T::ONE);
            let out = Rows { words: out, stride: extent.width(), first: head_at, width: sides.width };
            for (tile_ix, lse) in lse.chunks(tile_rows).enumerate() {
                let first = tile_ix * tile_rows;
                let tile = sides.of_rows(&(first..first + lse.len()));
                let len = lse.len() * sides.long;
                let (weights, d_scores) = (&mut weights[..len], &mut d_scores[..len]);
                sides.scores(weights, &query[tile.clone()], key_long);
                sides.scores(d_scores, &d_mixed[tile.clone()], value_long);
                score_gradients(weights, d_scores, lse, &sides, |row| {
                    (out.row(first + row), &d_mixed[(first + row) * sides.wide..][..sides.width])
                });
                sides.mix(&mut d_query[tile.clone()], d_scores, key);
                sides.gather(d_value, weights, &d_mixed[tile.clone()], tile_ix > 0);
                sides.gather(d_key, d_scores, &query[tile], tile_ix > 0);
            }
            // The packed queries carry 1/√w, and so does what d_K gathered from them.
            let scale = T::of(extent.scale());
            for (which, (d, factor)) in [(&*d_query, scale), (d_key, T::ONE), (d_value, T::ONE)].into_iter().enumerate() {
                for (row_ix, d) in d.chunks_exact(sides.wide).enumerate() {
                    // SAFETY: this task alone writes its head's columns.
                    let to = unsafe { d_qkv.row(task_ix, which, row_ix) };
                    to.iter_mut().zip(d).for_each(|(to, d)| *to = *d * factor);
                }
            }
        });
    });
}

/// The sides of one head, and its products.
#[derive(Clone, Copy)]
struct Sides {
    tokens: usize,
    width: usize,
    /// `tokens`, padded.
    long: usize,
    /// `width`, padded.
    wide: usize,
}

impl Sides {
    fn of(extent: &Extent) -> Self {
        Self { tokens: extent.tokens, width: extent.head_width, long: padded(extent.tokens), wide: padded(extent.head_width) }
    }

    /// Elements of `rows` rows of padded width.
    fn rows_len(&self, rows: usize) -> usize {
        rows * self.wide
    }

    /// Elements of a transposed factor.
    fn long_len(&self) -> usize {
        self.width * self.long
    }

    /// Where rows of padded width lie.
    fn of_rows(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.wide..rows.end * self.wide
    }

    /// Rows against all tokens: lhs [rows, w]·rhs [w, N].
    fn scores<T: Panel>(&self, dst: &mut [T], lhs: &[T], rhs: &[T]) {
        let sizes = [dst.len() / self.long, self.long, self.width];
        T::multiply(Product { sizes, lhs: (lhs, self.wide, 1), rhs, dst, accumulate: false });
    }

    /// Sums over all tokens: weights [rows, N]·rhs [N, w].
    fn mix<T: Panel>(&self, dst: &mut [T], weights: &[T], rhs: &[T]) {
        let sizes = [dst.len() / self.wide, self.wide, self.tokens];
        T::multiply(Product { sizes, lhs: (weights, self.long, 1), rhs, dst, accumulate: false });
    }

    /// Sums over the rows of a tile: weightsᵀ [N, rows]·rhs [rows, w] (+ dst).
    fn gather<T: Panel>(&self, dst: &mut [T], weights: &[T], rhs: &[T], accumulate: bool) {
        let sizes = [self.tokens, self.wide, weights.len() / self.long];
        T::multiply(Product { sizes, lhs: (weights, 1, self.long), rhs, dst, accumulate });
    }
}

/// Rows of scores to e^(score − largest); `lse` gets ln Σ exp, `factors` what makes the weights sum to one.
fn softmax<T: Real>(scores: &mut [T], lse: &mut [T], factors: &mut [T], sides: &Sides) {
    vectorised(
        #[inline(always)]
        || {
            for ((row, lse), factor) in scores.chunks_exact_mut(sides.long).zip(lse).zip(factors) {
                let row = &mut row[..sides.tokens];
                let largest = largest(row);
                row.iter_mut().for_each(|value| *value = (*value - largest).exp());
                let sum = sum_of(row, |value| value);
                *factor = T::ONE / sum;
                *lse = largest + sum.ln();
            }
        },
    );
}

/// P from scores and ℓ, and d_S = P ∘ (d_P − δ) in place; `outputs` gives a row of O and of d_O.
fn score_gradients<'a, T: Real>(
    weights: &mut [T],
    d_scores: &mut [T],
    lse: &[T],
    sides: &Sides,
    outputs: impl Fn(usize) -> (&'a [T], &'a [T]),
) {
    vectorised(
        #[inline(always)]
        || {
            let rows = weights.chunks_exact_mut(sides.long).zip(d_scores.chunks_exact_mut(sides.long));
            for (ix, (weights, d_scores)) in rows.enumerate() {
                let (out, d_out) = outputs(ix);
                let delta = dot(out, d_out);
                for (weight, d_score) in weights[..sides.tokens].iter_mut().zip(d_scores) {
                    *weight = (*weight - lse[ix]).exp();
                    *d_score = *weight * (*d_score - delta);
                }
            }
        },
    );
}

/// Lends memory in parts of these lengths, each of whole panels.
fn with_parts<T: Real, const PARTS: usize>(lens: [usize; PARTS], work: impl FnOnce([&mut [T]; PARTS])) {
    with_scratch(lens.iter().sum(), |mut rest: &mut [T]| {
        work(lens.map(|len| {
            let (part, behind) = std::mem::take(&mut rest).split_at_mut(len);
            rest = behind;
            part
        }));
    });
}

/// A packed activation that panels are made from.
struct Packed<'a, T> {
    words: &'a [T],
    stride: usize,
    sides: Sides,
}

impl<T: Real> Packed<'_, T> {
    /// The head at `offset` as rows of padded width, times `factor`.
    fn rows(&self, dst: &mut [T], offset: usize, factor: T) {
        vectorised(
            #[inline(always)]
            || pack(dst, &self.words[offset..], self.stride, self.sides.width, factor),
        );
    }

    /// The head at `offset`, transposed.
    fn long(&self, dst: &mut [T], offset: usize) {
        vectorised(
            #[inline(always)]
            || pack_transposed(dst, &self.words[offset..], self.stride, [self.sides.tokens, self.sides.width]),
        );
    }
}

/// Rows of one head within an array.
struct Rows<'a, T> {
    words: &'a [T],
    stride: usize,
    first: usize,
    width: usize,
}

impl<'a, T> Rows<'a, T> {
    fn row(&self, row_ix: usize) -> &'a [T] {
        &self.words[self.first + row_ix * self.stride..][..self.width]
    }
}

/// An array [B·N, blocks·D] whose heads are handed out to tasks.
struct Heads<T> {
    start: *mut T,
    len: usize,
    extent: Extent,
}

// SAFETY: a task writes only the columns of its own head (see `Heads::row`).
unsafe impl<T: Send> Send for Heads<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Heads<T> {}

impl<T> Heads<T> {
    fn new(words: &mut [T], extent: Extent) -> Self {
        Self { start: words.as_mut_ptr(), len: words.len(), extent }
    }

    /// Row `row_ix` of head `task_ix` (= image·H + head), in block `which` of D columns.
    ///
    /// # Safety
    /// Nobody else may hold a row of this task.
    #[expect(clippy::mut_from_ref, reason = "the rows of different tasks are disjoint")]
    unsafe fn row(&self, task_ix: usize, which: usize, row_ix: usize) -> &mut [T] {
        let Extent { batch, tokens, heads, head_width } = self.extent;
        let stride = self.len / (batch * tokens);
        let (image_ix, head_ix) = (task_ix / heads, task_ix % heads);
        let offset = (image_ix * tokens + row_ix) * stride + which * self.extent.width() + head_ix * head_width;
        assert!(offset + head_width <= self.len, "a head outside of its array");
        // SAFETY: within the array; the caller vouches that nobody else holds it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(offset), head_width) }
    }
}
