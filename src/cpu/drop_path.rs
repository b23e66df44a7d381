//! Drop-path: definition.

use crate::platform::parallel::*;

use crate::graph::{Io, Real};
use crate::ops::drop_path::DropPath;

/// y[b] = x[b]·m_b.
pub fn apply<T: Real>(op: &DropPath, io: &mut Io<'_, T>) {
    let Io { ins: [x, ..], outs: [y, ..], scalars } = io;
    let scalars = *scalars;
    y.par_chunks_mut(op.sample_len).zip(x.par_chunks(op.sample_len)).enumerate().for_each(|(sample, (y, x))| {
        let factor = T::of(op.factor(scalars, sample));
        y.iter_mut().zip(x).for_each(|(y, x)| *y = *x * factor);
    });
}
