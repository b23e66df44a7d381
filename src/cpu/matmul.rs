//! Matrix products: definition, on the `gemm` crate.
//!
//! nt and nn go by chunks of rows, as many as there are threads to take them, so that bias, non-linearity and residual touch
//! a chunk while it is in cache. tn (the gradient of a weight: long k, small y) goes by chunks of k
//! that are added in order.

use std::ops::Range;

use crate::platform::parallel::*;

use super::activation;
use super::rows::{vectorised, with_scratch};
use crate::graph::real::GemmCall;
use crate::graph::{Io, Real};
use crate::ops::matmul::{Form, MatMul};

/// Rows of one chunk: long enough that packing `b` anew for each is cheap.
const CHUNK_ROWS: usize = 1024;
/// Columns and inner length of one call of `gemm`: a block of `b` this large stays in L2 while the
/// rows of a chunk pass it (a third faster than one call for all, which takes blocks over its size).
const BLOCK: usize = 384;
/// Inner length of one call for tn, where both factors are packed anew for each stretch of k.
const TN_BLOCK: usize = 256;
/// Elements of a product up to which `gemm` takes dot products along k, where both factors are contiguous in it.
const SMALL_PRODUCT: usize = 256;
/// Chunks have a multiple of so many rows: whole tiles of registers.
const ROW_STEP: usize = 16;
/// tn sums over chunks of at least so much of k …
const CHUNK_K: usize = 1024;
/// … and at most so many of them.
const MAX_K_CHUNKS: usize = 8;

/// y = f(a∘b + bias) + residual.
pub fn forward<T: Real>(op: &MatMul, io: &mut Io<'_, T>) {
    let Io { ins: [a, b, rest @ ..], outs: [y, pre, ..], .. } = io;
    let mut rest = rest.iter();
    let bias = if op.epilogue.bias { rest.next().copied() } else { None };
    let residual = if op.epilogue.residual { rest.next().copied() } else { None };
    let (a_len, b_len, y_len) = (op.m * op.k, op.k * op.n, op.m * op.n);
    for batch_ix in 0..op.batch {
        let a = &a[batch_ix * a_len..][..a_len];
        let b = &b[batch_ix * b_len..][..b_len];
        let y = &mut y[batch_ix * y_len..][..y_len];
        if op.form == Form::Tn {
            transposed_left(op, a, b, y);
        }
        let pre = if op.epilogue.keep { &mut pre[batch_ix * y_len..][..y_len] } else { &mut [] };
        let product = Product { op, a, b, bias, residual: residual.map(|r| &r[batch_ix * y_len..][..y_len]) };
        product.by_rows(y, pre);
    }
}

/// Equal stretches of 0..`len`, of at most `most`.
fn stretches(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let each = len.div_ceil(len.div_ceil(most).max(1)).max(1);
    (0..len).step_by(each).map(move |start| start..(start + each).min(len))
}

/// Rows of a chunk where `m` rows of `columns` are shared out over about `num_chunks` of them. How many
/// there are decides no bit: `gemm` sums an element along k in one order, but for single rows and products of at most
/// [`SMALL_PRODUCT`] elements. So no chunk is one of these unless all rows together are.
fn rows_of_chunks(m: usize, columns: usize, num_chunks: usize) -> usize {
    let least = (SMALL_PRODUCT / columns.max(1) + 1).next_multiple_of(ROW_STEP);
    let rows = |num_chunks: usize| m.div_ceil(num_chunks).next_multiple_of(ROW_STEP);
    let last = |rows: usize| m - (m.div_ceil(rows) - 1) * rows;
    let most = num_chunks.min(m / least).max(1);
    (2..=most).rev().map(rows).find(|rows| last(*rows) >= least).unwrap_or(m)
}

struct Product<'a, T> {
    op: &'a MatMul,
    a: &'a [T],
    b: &'a [T],
    bias: Option<&'a [T]>,
    residual: Option<&'a [T]>,
}

impl<T: Real> Product<'_, T> {
    fn by_rows(&self, y: &mut [T], pre: &mut [T]) {
        let (op, n) = (self.op, self.op.n);
        if op.form == Form::Tn && op.epilogue == Default::default() {
            return;
        }
        let num_chunks = op.m.div_ceil(CHUNK_ROWS).next_multiple_of(current_num_threads());
        let columns = stretches(n, BLOCK).map(|columns| columns.len()).min().unwrap_or(n);
        let rows = rows_of_chunks(op.m, columns, num_chunks);
        if op.epilogue.keep {
            y.par_chunks_mut(rows * n).zip(pre.par_chunks_mut(rows * n)).enumerate().for_each(|(ix, (y, pre))| {
                self.chunk(ix * rows, y, pre);
            });
        } else {
            y.par_chunks_mut(rows * n).enumerate().for_each(|(ix, y)| self.chunk(ix * rows, y, &mut []));
        }
    }

    /// Rows of y, from `first_row` on, in blocks of columns; with `keep` the product itself goes to `pre`.
    fn chunk(&self, first_row: usize, y: &mut [T], pre: &mut [T]) {
        let is_plain = self.op.epilogue == Default::default();
        for columns in stretches(self.op.n, BLOCK) {
            match self.op.form {
                Form::Nt | Form::Nn => self.product(first_row, columns.clone(), if pre.is_empty() { y } else { pre }),
                // tn's product is there already.
                Form::Tn if !pre.is_empty() && columns.start == 0 => pre.copy_from_slice(y),
                Form::Tn => {}
            }
            if !is_plain {
                self.finish(first_row, columns, y, pre);
            }
        }
    }

    fn product(&self, first_row: usize, columns: Range<usize>, y: &mut [T]) {
        let MatMul { n, k, form, .. } = *self.op;
        let rows = y.len() / n;
        for inner in stretches(k, BLOCK) {
            let a = &self.a[first_row * k + inner.start..(first_row + rows - 1) * k + inner.end];
            let (b_start, b_strides) = match form {
                Form::Nt => (columns.start * k + inner.start, (1, k as isize)),
                Form::Nn | Form::Tn => (inner.start * n + columns.start, (n as isize, 1)),
            };
            let call = GemmCall {
                sizes: [rows, columns.len(), inner.len()],
                dst: (y[columns.start..].as_mut_ptr(), n as isize, 1),
                lhs: (a.as_ptr(), k as isize, 1),
                rhs: (self.b[b_start..].as_ptr(), b_strides.0, b_strides.1),
                alpha: T::ONE,
                accumulate: inner.start > 0,
                threads: 1,
            };
            // SAFETY: `y` holds rows·n elements and is a unique borrow, `b` holds n·k, and `a` reaches
            // from the first element of the block to its last.
            unsafe { T::gemm(call) };
        }
    }

    /// y ← f(x + bias) + residual on a block of columns, x being what the product left.
    fn finish(&self, first_row: usize, columns: Range<usize>, y: &mut [T], pre: &mut [T]) {
        let n = self.op.n;
        let bias = self.bias.map(|bias| &bias[columns.clone()]);
        vectorised(
            #[inline(always)]
            || {
                for (row_ix, y) in y.chunks_exact_mut(n).enumerate() {
                    let y = &mut y[columns.clone()];
                    if !pre.is_empty() {
                        let pre = &mut pre[row_ix * n..][columns.clone()];
                        add_to(pre, bias);
                        y.copy_from_slice(pre);
                    } else {
                        add_to(y, bias);
                    }
                    if let Some(kind) = self.op.epilogue.activation {
                        activation::apply_inline(kind, y);
                    }
                    add_to(y, self.residual.map(|residual| &residual[(first_row + row_ix) * n..][columns.clone()]));
                }
            },
        );
    }
}

#[inline(always)]
fn add_to<T: Real>(y: &mut [T], x: Option<&[T]>) {
    if let Some(x) = x {
        y.iter_mut().zip(x).for_each(|(y, x)| *y += *x);
    }
}

/// y = aᵀ·b with a [k, m], b [k, n].
fn transposed_left<T: Real>(op: &MatMul, a: &[T], b: &[T], y: &mut [T]) {
    let MatMul { m, n, k, .. } = *op;
    let num_chunks = if k >= 2 * CHUNK_K && k > 2 * m.max(n) { (k / CHUNK_K).min(MAX_K_CHUNKS) } else { 1 };
    if num_chunks == 1 {
        // Each thread makes rows of y, over all of k.
        let rows = rows_of_chunks(m, n, current_num_threads());
        y.par_chunks_mut(rows * n).enumerate().for_each(|(ix, y)| sum_outer(y, ix * rows, [m, n], a, b));
        return;
    }
    let rows = k.div_ceil(num_chunks);
    with_scratch(num_chunks * m * n, |partial: &mut [T]| {
        let inputs = a.par_chunks(rows * m).zip(b.par_chunks(rows * n));
        partial.par_chunks_mut(m * n).zip(inputs).for_each(|(partial, (a, b))| sum_outer(partial, 0, [m, n], a, b));
        let used = k.div_ceil(rows);
        y.copy_from_slice(&partial[..m * n]);
        for partial in partial[..used * m * n].chunks_exact(m * n).skip(1) {
            vectorised(
                #[inline(always)]
                || y.iter_mut().zip(partial).for_each(|(y, partial)| *y += *partial),
            );
        }
    });
}

/// Rows of aᵀ·b from `first_row` on, on the calling thread; a is [.., m], b [.., n].
fn sum_outer<T: Real>(y: &mut [T], first_row: usize, [m, n]: [usize; 2], a: &[T], b: &[T]) {
    for inner in stretches(a.len() / m, TN_BLOCK) {
        let call = GemmCall {
            sizes: [y.len() / n, n, inner.len()],
            dst: (y.as_mut_ptr(), n as isize, 1),
            lhs: (a[inner.start * m + first_row..].as_ptr(), 1, m as isize),
            rhs: (b[inner.start * n..].as_ptr(), n as isize, 1),
            alpha: T::ONE,
            accumulate: inner.start > 0,
            threads: 1,
        };
        // SAFETY: `a` and `b` hold the same number of rows, of m and n elements; `y` is a unique
        // borrow of rows that end at m at most.
        unsafe { T::gemm(call) };
    }
}
