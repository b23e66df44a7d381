//! Layer normalisation over the last axis: definition.

use crate::platform::parallel::*;

use super::rows::{BLOCK_ROWS, sum_of, vectorised, with_scratch};
use crate::graph::{Io, Real};
use crate::ops::layernorm::{Again, Backward, Forward};

/// Interleaved partial sums of a row, so that sums vectorise; fixed, so that they repeat bit for bit.
const LANES: usize = 16;

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
    let mut lanes = [[T::ZERO; LANES]; 2];
    // The first pass leaves g = d_y·γ in d_x.
    {
        let (d_x, d_x_rest) = d_x.as_chunks_mut::<LANES>();
        let (d_y, d_y_rest) = row.d_y.as_chunks::<LANES>();
        let (x, x_rest) = row.x.as_chunks::<LANES>();
        let (gamma, gamma_rest) = gamma.as_chunks::<LANES>();
        let (sum_gamma, sum_gamma_rest) = sum_gamma.as_chunks_mut::<LANES>();
        let (sum_beta, sum_beta_rest) = sum_beta.as_chunks_mut::<LANES>();
        let columns = d_x.iter_mut().zip(d_y).zip(x).zip(gamma).zip(sum_gamma.iter_mut().zip(sum_beta));
        for ((((d_x, d_y), x), gamma), (sum_gamma, sum_beta)) in columns {
            first_pass(d_x, [d_y, x, gamma], [sum_gamma, sum_beta], &mut lanes, [row.mean, row.rstd]);
        }
        let sums = [sum_gamma_rest, sum_beta_rest];
        first_pass(d_x_rest, [d_y_rest, x_rest, gamma_rest], sums, &mut lanes, [row.mean, row.rstd]);
    }
    let [mean_g, mean_gx] = lanes.map(|lanes| lanes.into_iter().sum::<T>() / count);
    for (d_x, x) in d_x.iter_mut().zip(row.x) {
        let normalised = (*x - row.mean) * row.rstd;
        *d_x = row.rstd * (*d_x - mean_g - normalised * mean_gx);
    }
}

/// g into d_x, Σg and Σg·x̂ into lanes, and what the row adds to d_γ and d_β, for at most `LANES` columns.
#[inline(always)]
fn first_pass<T: Real>(d_x: &mut [T], ins: [&[T]; 3], sums: [&mut [T]; 2], lanes: &mut [[T; LANES]; 2], [mean, rstd]: [T; 2]) {
    let ([d_y, x, gamma], [sum_gamma, sum_beta]) = (ins, sums);
    let [lanes_g, lanes_gx] = lanes;
    for lane in 0..d_x.len() {
        let normalised = (x[lane] - mean) * rstd;
        let g = d_y[lane] * gamma[lane];
        d_x[lane] = g;
        lanes_g[lane] += g;
        lanes_gx[lane] += g * normalised;
        sum_gamma[lane] += d_y[lane] * normalised;
        sum_beta[lane] += d_y[lane];
    }
}
