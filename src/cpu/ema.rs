//! Running average: definition.

use crate::platform::parallel::*;

use super::rows::vectorised;
use crate::graph::{Io, Real};
use crate::optim::ema::Ema;

/// Elements of one task.
const CHUNK: usize = 16_384;

/// e ← d·e + (1 − d)·p.
pub fn average<T: Real>(_op: &Ema, io: &mut Io<'_, T>) {
    let Io { ins: [p, ..], outs: [e, ..], scalars } = io;
    let (kept, taken) = (T::of(f64::from(scalars.ema_decay)), T::of(f64::from(1.0 - scalars.ema_decay)));
    e.par_chunks_mut(CHUNK).zip(p.par_chunks(CHUNK)).for_each(|(e, p)| {
        vectorised(
            #[inline(always)]
            || e.iter_mut().zip(p).for_each(|(e, p)| *e = kept * *e + taken * *p),
        );
    });
}
