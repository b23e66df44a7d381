//! Batch normalisation: definition.

use crate::platform::parallel::*;

use super::rows::{BLOCK_ROWS, vectorised, with_scratch};
use crate::graph::{Io, Real};
use crate::ops::batchnorm::{Backward, EPS, Evaluate, Forward};

/// y, μ, ρ and the running statistics.
pub fn forward<T: Real>(op: &Forward, io: &mut Io<'_, T>) {
    let momentum = f64::from(io.scalars.bn_momentum);
    let Io { ins: [x, gamma, beta, ..], outs: [y, mean, rstd, running_mean, running_var, ..], .. } = io;
    let width = op.width;
    with_scratch(op.rows.div_ceil(BLOCK_ROWS) * 2 * width, |partial: &mut [T]| {
        partial.par_chunks_mut(2 * width).zip(x.par_chunks(width * BLOCK_ROWS)).for_each(|(partial, x)| block_moments(x, partial));
        for column in 0..width {
            let (batch_mean, squares) = join_moments(partial, column, width, op.rows);
            let variance = squares / op.rows as f64;
            mean[column] = T::of(batch_mean);
            rstd[column] = T::of(1.0 / (variance + EPS).sqrt());
            let unbiased = squares / (op.rows - 1) as f64;
            if T::of(batch_mean).is_finite_bits() && T::of(unbiased).is_finite_bits() {
                move_towards(&mut running_mean[column], batch_mean, momentum);
                move_towards(&mut running_var[column], unbiased, momentum);
            }
        }
    });
    normalise(y, x, &Column { mean, rstd, gamma, beta }, op.relu);
}

/// y from the running statistics.
pub fn evaluate<T: Real>(op: &Evaluate, io: &mut Io<'_, T>) {
    let Io { ins: [x, gamma, beta, mean, var, ..], outs: [y, ..], .. } = io;
    with_scratch(op.width, |rstd: &mut [T]| {
        for (rstd, var) in rstd.iter_mut().zip(*var) {
            *rstd = T::ONE / (*var + T::of(EPS)).sqrt();
        }
        normalise(y, x, &Column { mean, rstd, gamma, beta }, op.relu);
    });
}

/// d_x, d_γ, d_β.
pub fn backward<T: Real>(op: &Backward, io: &mut Io<'_, T>) {
    let Io { ins, outs: [d_x, d_gamma, d_beta, ..], .. } = io;
    let d_y = ins[0];
    let [x, mean, rstd, gamma, beta] = std::array::from_fn(|ix| ins[op.first_saved() + ix]);
    let (width, block_len) = (op.width, op.width * BLOCK_ROWS);
    let num_blocks = op.rows.div_ceil(BLOCK_ROWS);
    with_scratch((num_blocks * 2 + 3) * width, |scratch: &mut [T]| {
        let (partial, columns) = scratch.split_at_mut(num_blocks * 2 * width);
        let (scale, columns) = columns.split_at_mut(width);
        let (slope, offset) = columns.split_at_mut(width);
        for (scale, (rstd, gamma)) in scale.iter_mut().zip(rstd.iter().zip(gamma)) {
            *scale = *rstd * *gamma;
        }
        let mask = Mask { mean, scale, beta, relu: op.relu };
        partial.par_chunks_mut(2 * width).zip(d_y.par_chunks(block_len).zip(x.par_chunks(block_len))).for_each(|(partial, (d_y, x))| {
            block_sums(d_y, x, &mask, partial);
        });
        let rows = T::of(op.rows as f64);
        for column in 0..width {
            let sum = |part: usize| T::of(partial.chunks_exact(2 * width).map(|block| block[part * width + column].to_f64()).sum::<f64>());
            d_beta[column] = sum(0);
            d_gamma[column] = sum(1) * rstd[column];
            // d_x = scale·g + slope·(x − μ) + offset.
            slope[column] = -mask.scale[column] * rstd[column] * d_gamma[column] / rows;
            offset[column] = -mask.scale[column] * d_beta[column] / rows;
        }
        d_x.par_chunks_mut(block_len).zip(d_y.par_chunks(block_len).zip(x.par_chunks(block_len))).for_each(|(d_x, (d_y, x))| {
            input_gradient(d_x, d_y, x, &mask, slope, offset);
        });
    });
}

/// What makes y from x, by column.
struct Column<'a, T> {
    mean: &'a [T],
    rstd: &'a [T],
    gamma: &'a [T],
    beta: &'a [T],
}

/// What tells whether the ReLU let a value through: (x − mean)·scale + beta > 0.
struct Mask<'a, T> {
    mean: &'a [T],
    scale: &'a [T],
    beta: &'a [T],
    relu: bool,
}

/// Mean and sum of squared deviations of each column of a block.
fn block_moments<T: Real>(x: &[T], partial: &mut [T]) {
    let width = partial.len() / 2;
    let (mean, squares) = partial.split_at_mut(width);
    let count = T::of((x.len() / width) as f64);
    vectorised(
        #[inline(always)]
        || {
            mean.fill(T::ZERO);
            squares.fill(T::ZERO);
            // Around the first row: a mean far from zero costs no digits.
            let shift = &x[..width];
            for row in x.chunks_exact(width) {
                mean.iter_mut().zip(row.iter().zip(shift)).for_each(|(sum, (x, shift))| *sum += *x - *shift);
            }
            mean.iter_mut().zip(shift).for_each(|(sum, shift)| *sum = *shift + *sum / count);
            for row in x.chunks_exact(width) {
                for ((squares, mean), x) in squares.iter_mut().zip(mean.iter()).zip(row) {
                    *squares += (*x - *mean) * (*x - *mean);
                }
            }
        },
    );
}

/// Mean and sum of squared deviations of a column over all blocks (Chan, Golub & LeVeque 1983).
fn join_moments<T: Real>(partial: &[T], column: usize, width: usize, rows: usize) -> (f64, f64) {
    let blocks = || {
        partial.chunks_exact(2 * width).enumerate().map(|(ix, block)| {
            let count = BLOCK_ROWS.min(rows - ix * BLOCK_ROWS) as f64;
            (count, block[column].to_f64(), block[width + column].to_f64())
        })
    };
    let mean = blocks().map(|(count, mean, _)| count * mean).sum::<f64>() / rows as f64;
    let squares = blocks().map(|(count, block_mean, squares)| squares + count * (block_mean - mean) * (block_mean - mean)).sum();
    (mean, squares)
}

fn move_towards<T: Real>(running: &mut T, batch: f64, momentum: f64) {
    let old = running.to_f64();
    *running = T::of(old + momentum * (batch - old));
}

fn normalise<T: Real>(y: &mut [T], x: &[T], column: &Column<'_, T>, relu: bool) {
    let width = column.mean.len();
    with_scratch(width, |scale: &mut [T]| {
        for (scale, (rstd, gamma)) in scale.iter_mut().zip(column.rstd.iter().zip(column.gamma)) {
            *scale = *rstd * *gamma;
        }
        let scale = &*scale;
        y.par_chunks_mut(width * BLOCK_ROWS).zip(x.par_chunks(width * BLOCK_ROWS)).for_each(|(y, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        for ((y, x), ((mean, scale), beta)) in y.iter_mut().zip(x).zip(column.mean.iter().zip(scale).zip(column.beta)) {
                            let value = (*x - *mean) * *scale + *beta;
                            // Written so that NaN passes through.
                            *y = if relu & (value <= T::ZERO) { T::ZERO } else { value };
                        }
                    }
                },
            );
        });
    });
}

/// Σ g and Σ g·(x − μ) of each column of a block.
fn block_sums<T: Real>(d_y: &[T], x: &[T], mask: &Mask<'_, T>, partial: &mut [T]) {
    let width = partial.len() / 2;
    let (sum, sum_x) = partial.split_at_mut(width);
    vectorised(
        #[inline(always)]
        || {
            sum.fill(T::ZERO);
            sum_x.fill(T::ZERO);
            for (d_y, x) in d_y.chunks_exact(width).zip(x.chunks_exact(width)) {
                let sums = sum.iter_mut().zip(sum_x.iter_mut());
                for (((sum, sum_x), (d_y, x)), column) in sums.zip(d_y.iter().zip(x)).zip(mask.columns()) {
                    let (g, centred) = passed(*d_y, *x, column, mask.relu);
                    *sum += g;
                    *sum_x += g * centred;
                }
            }
        },
    );
}

fn input_gradient<T: Real>(d_x: &mut [T], d_y: &[T], x: &[T], mask: &Mask<'_, T>, slope: &[T], offset: &[T]) {
    let width = slope.len();
    vectorised(
        #[inline(always)]
        || {
            for ((d_x, d_y), x) in d_x.chunks_exact_mut(width).zip(d_y.chunks_exact(width)).zip(x.chunks_exact(width)) {
                let values = d_x.iter_mut().zip(d_y.iter().zip(x));
                for (((d_x, (d_y, x)), column), (slope, offset)) in values.zip(mask.columns()).zip(slope.iter().zip(offset)) {
                    let (g, centred) = passed(*d_y, *x, column, mask.relu);
                    *d_x = column.1 * g + *slope * centred + *offset;
                }
            }
        },
    );
}

impl<T: Real> Mask<'_, T> {
    /// Mean, scale and β of each column.
    #[inline(always)]
    fn columns(&self) -> impl Iterator<Item = (T, T, T)> + '_ {
        self.mean.iter().zip(self.scale).zip(self.beta).map(|((mean, scale), beta)| (*mean, *scale, *beta))
    }
}

/// The gradient that the ReLU lets through, and x − μ. No branch: the sign is as good as random.
#[inline(always)]
fn passed<T: Real>(d_y: T, x: T, (mean, scale, beta): (T, T, T), relu: bool) -> (T, T) {
    let centred = x - mean;
    let blocked = relu & (centred * scale + beta <= T::ZERO);
    (if blocked { T::ZERO } else { d_y }, centred)
}
