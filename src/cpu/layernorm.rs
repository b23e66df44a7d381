//! Layer normalisation over the last axis: definition.

use rayon::prelude::*;

use super::rows::{BLOCK_ROWS, sum_of, vectorised, with_scratch};
use crate::graph::{Io, Real};
use crate::ops::layernorm::{Again, Backward, Forward};

/// y = (x − μ)·ρ·γ + β, with μ and ρ saved.
pub fn forward<T: Real>(op: &Forward, io: &mut Io<'_, T>) {
    let Io { ins: [x, gamma, beta, ..], outs: [y, mean, rstd, ..], .. } = io;
    let (width, eps) = (op.width, T::of(op.eps));
    y.par_chunks_mut(width * BLOCK_ROWS)
        .zip(x.par_chunks(width * BLOCK_ROWS))
        .zip(mean.par_chunks_mut(BLOCK_ROWS).zip(rstd.par_chunks_mut(BLOCK_ROWS)))
        .for_each(|((y, x), (mean, rstd))| {
            vectorised(
                #[inline(always)]
                || {
                    for (row_ix, (y, x)) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).enumerate() {
                        (mean[row_ix], rstd[row_ix]) = moments(x, eps);
                        apply(y, x, mean[row_ix], rstd[row_ix], gamma, beta);
                    }
                },
            );
        });
}

/// y again, from the saved μ and ρ.
pub fn again<T: Real>(op: &Again, io: &mut Io<'_, T>) {
    let Io { ins: [x, mean, rstd, gamma, beta, ..], outs: [y, ..], .. } = io;
    let width = op.width;
    y.par_chunks_mut(width * BLOCK_ROWS)
        .zip(x.par_chunks(width * BLOCK_ROWS))
        .zip(mean.par_chunks(BLOCK_ROWS).zip(rstd.par_chunks(BLOCK_ROWS)))
        .for_each(|((y, x), (mean, rstd))| {
            vectorised(
                #[inline(always)]
                || {
                    for (row_ix, (y, x)) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)).enumerate() {
                        apply(y, x, mean[row_ix], rstd[row_ix], gamma, beta);
                    }
                },
            );
        });
}

/// d_x (+ residual), d_γ, d_β.
pub fn backward<T: Real>(op: &Backward, io: &mut Io<'_, T>) {
    let Io { ins, outs: [d_x, d_gamma, d_beta, ..], .. } = io;
    let [d_y, x, mean, rstd, gamma, residual, ..] = *ins;
    let width = op.width;
    let num_blocks = op.rows.div_ceil(BLOCK_ROWS);
    with_scratch(num_blocks * 2 * width, |partial: &mut [T]| {
        d_x.par_chunks_mut(width * BLOCK_ROWS).zip(partial.par_chunks_mut(2 * width)).enumerate().for_each(|(block_ix, (d_x, partial))| {
            partial.fill(T::ZERO);
            let (sum_gamma, sum_beta) = partial.split_at_mut(width);
            vectorised(
                #[inline(always)]
                || {
                    for (in_block, d_x) in d_x.chunks_exact_mut(width).enumerate() {
                        let row_ix = block_ix * BLOCK_ROWS + in_block;
                        let row = row_ix * width..(row_ix + 1) * width;
                        let row_in = Row { d_y: &d_y[row.clone()], x: &x[row.clone()], mean: mean[row_ix], rstd: rstd[row_ix] };
                        backward_row(d_x, &row_in, gamma, sum_gamma, sum_beta);
                        if op.residual {
                            for (d, r) in d_x.iter_mut().zip(&residual[row]) {
                                *d += *r;
                            }
                        }
                    }
                },
            );
        });
        d_gamma.fill(T::ZERO);
        d_beta.fill(T::ZERO);
        for block in partial.chunks_exact(2 * width) {
            for column in 0..width {
                d_gamma[column] += block[column];
                d_beta[column] += block[width + column];
            }
        }
    });
}

struct Row<'a, T> {
    d_y: &'a [T],
    x: &'a [T],
    mean: T,
    rstd: T,
}

/// Mean, and 1/√(biased variance + ε), in two passes.
#[inline(always)]
fn moments<T: Real>(x: &[T], eps: T) -> (T, T) {
    let count = T::of(x.len() as f64);
    let mean = sum_of(x, |value| value) / count;
    let variance = sum_of(x, |value| (value - mean) * (value - mean)) / count;
    (mean, T::ONE / (variance + eps).sqrt())
}

#[inline(always)]
fn apply<T: Real>(y: &mut [T], x: &[T], mean: T, rstd: T, gamma: &[T], beta: &[T]) {
    for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
        *y = (*x - mean) * rstd * *gamma + *beta;
    }
}

#[inline(always)]
fn backward_row<T: Real>(d_x: &mut [T], row: &Row<'_, T>, gamma: &[T], sum_gamma: &mut [T], sum_beta: &mut [T]) {
    let count = T::of(d_x.len() as f64);
    let mut lanes_g = [T::ZERO; 16];
    let mut lanes_gx = [T::ZERO; 16];
    // The first pass leaves g = d_y·γ in d_x.
    let width = d_x.len();
    for start in (0..width).step_by(16) {
        for lane in 0..16.min(width - start) {
            let column = start + lane;
            let normalised = (row.x[column] - row.mean) * row.rstd;
            let d_y = row.d_y[column];
            let g = d_y * gamma[column];
            d_x[column] = g;
            lanes_g[lane] += g;
            lanes_gx[lane] += g * normalised;
            sum_gamma[column] += d_y * normalised;
            sum_beta[column] += d_y;
        }
    }
    let mean_g = lanes_g.into_iter().sum::<T>() / count;
    let mean_gx = lanes_gx.into_iter().sum::<T>() / count;
    for (d_x, x) in d_x.iter_mut().zip(row.x) {
        let normalised = (*x - row.mean) * row.rstd;
        *d_x = row.rstd * (*d_x - mean_g - normalised * mean_gx);
    }
}
