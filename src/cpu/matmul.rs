//! Matrix products: definition, on the `gemm` crate.
//!
//! nt and nn go by chunks of rows, one thread each, so that bias, non-linearity and residual touch
//! a chunk while it is in cache. tn (the gradient of a weight: long k, small y) goes by chunks of k
//! that are added in order.

use rayon::prelude::*;

use super::activation;
use super::rows::{vectorised, with_scratch};
use crate::graph::real::GemmCall;
use crate::graph::{Io, Real};
use crate::ops::matmul::{Form, MatMul};

/// Rows of one chunk: long enough that packing `b` anew for each is cheap, short enough for L2.
const CHUNK_ROWS: usize = 512;
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
        let chunk = Chunk { op, a, b, bias, residual: residual.map(|r| &r[batch_ix * y_len..][..y_len]) };
        chunk.by_rows(y, pre);
    }
}

struct Chunk<'a, T> {
    op: &'a MatMul,
    a: &'a [T],
    b: &'a [T],
    bias: Option<&'a [T]>,
    residual: Option<&'a [T]>,
}

impl<T: Real> Chunk<'_, T> {
    fn by_rows(&self, y: &mut [T], pre: &mut [T]) {
        let (op, n) = (self.op, self.op.n);
        if op.form == Form::Tn && op.epilogue == Default::default() {
            return;
        }
        let threads = rayon::current_num_threads();
        let num_chunks = op.m.div_ceil(CHUNK_ROWS).next_multiple_of(threads);
        let rows = op.m.div_ceil(num_chunks).max(16);
        if op.epilogue.keep {
            y.par_chunks_mut(rows * n).zip(pre.par_chunks_mut(rows * n)).enumerate().for_each(|(ix, (y, pre))| {
                // tn's product is there already.
                match op.form {
                    Form::Tn => pre.copy_from_slice(y),
                    Form::Nt | Form::Nn => self.product(ix * rows, pre),
                }
                self.add_bias(pre);
                y.copy_from_slice(pre);
                self.finish(ix * rows, y);
            });
        } else {
            y.par_chunks_mut(rows * n).enumerate().for_each(|(ix, y)| {
                self.product(ix * rows, y);
                self.add_bias(y);
                self.finish(ix * rows, y);
            });
        }
    }

    /// Rows of the product, from `first_row` on.
    fn product(&self, first_row: usize, y: &mut [T]) {
        let MatMul { n, k, form, .. } = *self.op;
        let rhs = match form {
            Form::Nt => (self.b.as_ptr(), 1, k as isize),
            Form::Nn => (self.b.as_ptr(), n as isize, 1),
            Form::Tn => return,
        };
        let rows = y.len() / n;
        let a = &self.a[first_row * k..(first_row + rows) * k];
        let call = GemmCall {
            sizes: [rows, n, k],
            dst: (y.as_mut_ptr(), n as isize, 1),
            lhs: (a.as_ptr(), k as isize, 1),
            rhs,
            alpha: T::ONE,
            accumulate: false,
            threads: 1,
        };
        // SAFETY: `y` holds rows·n and `a` rows·k elements, `b` n·k; `y` is a unique borrow.
        unsafe { T::gemm(call) };
    }

    fn add_bias(&self, y: &mut [T]) {
        let Some(bias) = self.bias else { return };
        vectorised(
            #[inline(always)]
            || {
                for row in y.chunks_exact_mut(bias.len()) {
                    row.iter_mut().zip(bias).for_each(|(y, bias)| *y += *bias);
                }
            },
        );
    }

    fn finish(&self, first_row: usize, y: &mut [T]) {
        if let Some(kind) = self.op.epilogue.activation {
            activation::apply(kind, y);
        }
        if let Some(residual) = self.residual {
            let residual = &residual[first_row * self.op.n..][..y.len()];
            vectorised(
                #[inline(always)]
                || y.iter_mut().zip(residual).for_each(|(y, residual)| *y += *residual),
            );
        }
    }
}

/// y = aᵀ·b with a [k, m], b [k, n].
fn transposed_left<T: Real>(op: &MatMul, a: &[T], b: &[T], y: &mut [T]) {
    let MatMul { m, n, k, .. } = *op;
    let num_chunks = if k >= 2 * CHUNK_K && k > 2 * m.max(n) { (k / CHUNK_K).min(MAX_K_CHUNKS) } else { 1 };
    let product = |y: *mut T, a: &[T], b: &[T], threads: usize| {
        let call = GemmCall {
            sizes: [m, n, a.len() / m],
            dst: (y, n as isize, 1),
            lhs: (a.as_ptr(), 1, m as isize),
            rhs: (b.as_ptr(), n as isize, 1),
            alpha: T::ONE,
            accumulate: false,
            threads,
        };
        // SAFETY: `a` and `b` hold the same number of rows of m and n elements; y holds m·n and is unique.
        unsafe { T::gemm(call) };
    };
    if num_chunks == 1 {
        product(y.as_mut_ptr(), a, b, rayon::current_num_threads());
        return;
    }
    let rows = k.div_ceil(num_chunks);
    with_scratch(num_chunks * m * n, |partial: &mut [T]| {
        let inputs = a.par_chunks(rows * m).zip(b.par_chunks(rows * n));
        partial.par_chunks_mut(m * n).zip(inputs).for_each(|(partial, (a, b))| product(partial.as_mut_ptr(), a, b, 1));
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
