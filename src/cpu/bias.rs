//! A vector added to every row, and the sum of the rows: definition.

use crate::platform::parallel::*;

use super::rows::{BLOCK_ROWS, vectorised, with_scratch};
use crate::graph::{Io, Real};
use crate::ops::bias::{AddBias, ColumnSum};

/// y = x + b.
pub fn add<T: Real>(op: &AddBias, io: &mut Io<'_, T>) {
    let Io { ins: [x, bias, ..], outs: [y, ..], .. } = io;
    let block = op.width * BLOCK_ROWS;
    y.par_chunks_mut(block).zip(x.par_chunks(block)).for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(op.width).zip(x.chunks_exact(op.width)) {
                    y.iter_mut().zip(x).zip(*bias).for_each(|((y, x), bias)| *y = *x + *bias);
                }
            },
        );
    });
}

/// s = Σ_rows x, over blocks of rows and then over the blocks in order.
pub fn column_sum<T: Real>(op: &ColumnSum, io: &mut Io<'_, T>) {
    let Io { ins: [x, ..], outs: [sum, ..], .. } = io;
    let num_blocks = op.rows.div_ceil(BLOCK_ROWS);
    with_scratch(num_blocks * op.width, |partial: &mut [T]| {
        partial.par_chunks_mut(op.width).zip(x.par_chunks(op.width * BLOCK_ROWS)).for_each(|(partial, x)| {
            partial.fill(T::ZERO);
            vectorised(
                #[inline(always)]
                || {
                    for row in x.chunks_exact(op.width) {
                        partial.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
                    }
                },
            );
        });
        sum.fill(T::ZERO);
        for partial in partial.chunks_exact(op.width) {
            sum.iter_mut().zip(partial).for_each(|(sum, x)| *sum += *x);
        }
    });
}
