//! Sharpness-aware minimisation: definition.

use crate::platform::parallel::*;

use super::rows::vectorised;
use crate::graph::{Io, Real};
use crate::optim::sam::{Ascend, Restore};

/// Elements of one task.
const CHUNK: usize = 16_384;

/// saved ← p; p ← p + ρ·g/(norm + 1e-12).
pub fn ascend<T: Real>(op: &Ascend, io: &mut Io<'_, T>) {
    let Io { ins: [gradients, norm, ..], outs: [p, saved, ..], scalars } = io;
    saved.copy_from_slice(p);
    if norm[2] != T::ZERO {
        return;
    }
    let factor = T::of(f64::from(scalars.sam_rho)) / (norm[0] + T::of(1e-12));
    let adaptive = op.adaptive;
    p.par_chunks_mut(CHUNK).zip(gradients.par_chunks(CHUNK)).for_each(|(p, g)| {
        vectorised(
            #[inline(always)]
            || {
                for (p, g) in p.iter_mut().zip(g) {
                    let weight = if adaptive { *p * *p } else { T::ONE };
                    *p += factor * weight * *g;
                }
            },
        );
    });
}

/// p ← saved.
pub fn restore<T: Real>(_op: &Restore, io: &mut Io<'_, T>) {
    let Io { ins: [saved, ..], outs: [p, ..], .. } = io;
    p.copy_from_slice(saved);
}
