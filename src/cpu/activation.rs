//! Pointwise non-linearities: definition.

use rayon::prelude::*;

use super::rows::vectorised;
use crate::graph::{Io, Real};
use crate::ops::activation::{Activation, Backward, Kind};

/// Elements of one task.
const CHUNK: usize = 16_384;

/// y = f(x).
pub fn forward<T: Real>(op: &Activation, io: &mut Io<'_, T>) {
    let Io { ins: [x, ..], outs: [y, ..], .. } = io;
    y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(y, x)| {
        y.copy_from_slice(x);
        apply(op.kind, y);
    });
}

/// d_x = d_y·f'(x).
pub fn backward<T: Real>(op: &Backward, io: &mut Io<'_, T>) {
    let Io { ins: [d_y, saved, ..], outs: [d_x, ..], .. } = io;
    let kind = op.kind;
    d_x.par_chunks_mut(CHUNK).zip(d_y.par_chunks(CHUNK).zip(saved.par_chunks(CHUNK))).for_each(|(d_x, (d_y, saved))| match kind {
        Kind::Gelu => vectorised(
            #[inline(always)]
            || d_x.iter_mut().zip(d_y).zip(saved).for_each(|((d_x, d_y), x)| *d_x = *d_y * gelu_slope(*x)),
        ),
        Kind::Relu => vectorised(
            #[inline(always)]
            || d_x.iter_mut().zip(d_y).zip(saved).for_each(|((d_x, d_y), y)| *d_x = if *y > T::ZERO { *d_y } else { T::ZERO }),
        ),
    });
}

/// f of every element, in place: the epilogue of products and convolutions.
pub fn apply<T: Real>(kind: Kind, values: &mut [T]) {
    match kind {
        Kind::Gelu => vectorised(
            #[inline(always)]
            || values.iter_mut().for_each(|x| *x = gelu(*x)),
        ),
        Kind::Relu => vectorised(
            #[inline(always)]
            // Written so that NaN passes through, as in PyTorch.
            || values.iter_mut().for_each(|x| *x = if *x <= T::ZERO { T::ZERO } else { *x }),
        ),
    }
}

#[inline(always)]
fn gelu<T: Real>(x: T) -> T {
    x * x.normal().0
}

/// Φ(x) + x·φ(x).
#[inline(always)]
fn gelu_slope<T: Real>(x: T) -> T {
    let (cdf, density) = x.normal();
    cdf + x * density
}
