//! Pointwise non-linearities: definition.

use crate::platform::parallel::*;

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

/// d_x = d_y·f'(x) (, y = f(x)).
pub fn backward<T: Real>(op: &Backward, io: &mut Io<'_, T>) {
    let Io { ins: [d_y, saved, ..], outs: [d_x, y, ..], .. } = io;
    let inputs = d_y.par_chunks(CHUNK).zip(saved.par_chunks(CHUNK));
    if op.again {
        d_x.par_chunks_mut(CHUNK).zip(y.par_chunks_mut(CHUNK)).zip(inputs).for_each(|((d_x, y), (d_y, x))| gelu_both(d_x, y, d_y, x));
        return;
    }
    let kind = op.kind;
    d_x.par_chunks_mut(CHUNK).zip(inputs).for_each(|(d_x, (d_y, saved))| match kind {
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

fn gelu_both<T: Real>(d_x: &mut [T], y: &mut [T], d_y: &[T], x: &[T]) {
    vectorised(
        #[inline(always)]
        || {
            for (((d_x, y), d_y), x) in d_x.iter_mut().zip(y).zip(d_y).zip(x) {
                let (cdf, density) = x.normal();
                *y = *x * cdf;
                *d_x = *d_y * (cdf + *x * density);
            }
        },
    );
}

/// f of every element, in place: the epilogue of products and convolutions.
pub fn apply<T: Real>(kind: Kind, values: &mut [T]) {
    vectorised(
        #[inline(always)]
        || apply_inline(kind, values),
    );
}

/// [`apply`] for callers that are vectorised themselves.
#[inline(always)]
pub fn apply_inline<T: Real>(kind: Kind, values: &mut [T]) {
    match kind {
        Kind::Gelu => values.iter_mut().for_each(|x| *x = gelu(*x)),
        // Written so that NaN passes through, as in PyTorch.
        Kind::Relu => values.iter_mut().for_each(|x| *x = if *x <= T::ZERO { T::ZERO } else { *x }),
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
