//! Sums and multiples of values of one shape: definition.

use crate::platform::parallel::*;

use super::rows::vectorised;
use crate::graph::{Io, Real};
use crate::ops::elementwise::{Add, Scale};

/// Elements of one task.
const CHUNK: usize = 16_384;

/// y = a + b.
pub fn add<T: Real>(_op: &Add, io: &mut Io<'_, T>) {
    let Io { ins: [a, b, ..], outs: [y, ..], .. } = io;
    y.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK))).for_each(|(y, (a, b))| {
        vectorised(
            #[inline(always)]
            || y.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = *a + *b),
        );
    });
}

/// y = factor·a.
pub fn scale<T: Real>(op: &Scale, io: &mut Io<'_, T>) {
    let Io { ins: [a, ..], outs: [y, ..], .. } = io;
    let factor = T::of(op.factor);
    y.par_chunks_mut(CHUNK).zip(a.par_chunks(CHUNK)).for_each(|(y, a)| {
        vectorised(
            #[inline(always)]
            || y.iter_mut().zip(a).for_each(|(y, a)| *y = *a * factor),
        );
    });
}
