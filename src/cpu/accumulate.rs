//! Gradients of micro-batches, added up: definition.

use crate::platform::parallel::*;

use super::rows::vectorised;
use crate::graph::{Io, Real};
use crate::optim::accumulate::Accumulate;

/// Elements of one task.
const CHUNK: usize = 16_384;

/// total ← (first micro-batch ? 0 : total) + g.
pub fn add<T: Real>(_op: &Accumulate, io: &mut Io<'_, T>) {
    let Io { ins: [part, ..], outs: [total, ..], scalars } = io;
    if scalars.micro == 0 {
        total.copy_from_slice(part);
        return;
    }
    total.par_chunks_mut(CHUNK).zip(part.par_chunks(CHUNK)).for_each(|(total, part)| {
        vectorised(
            #[inline(always)]
            || total.iter_mut().zip(part).for_each(|(total, part)| *total += *part),
        );
    });
}
