//! The loss scale of mixed precision: definition.

use rayon::prelude::*;

use super::rows::vectorised;
use crate::graph::place::SLOT_LEN;
use crate::graph::{Io, Real};
use crate::optim::loss_scale::{BACKOFF, GROWTH, LEAST, MOST, OVERFLOW, Unscale, Update};

/// Elements of one task.
const CHUNK: usize = 16_384;

/// g ← g/s.
pub fn unscale<T: Real>(_op: &Unscale, io: &mut Io<'_, T>) {
    let Io { ins: [state, ..], outs: [gradients, ..], .. } = io;
    let factor = T::ONE / state[0];
    gradients.par_chunks_mut(CHUNK).for_each(|gradients| {
        vectorised(
            #[inline(always)]
            || gradients.iter_mut().for_each(|g| *g *= factor),
        );
    });
}

/// The scale of the next step; what this one had, and that it was skipped, in its slot of the ring.
pub fn update<T: Real>(op: &Update, io: &mut Io<'_, T>) {
    let Io { ins: [norm, ..], outs: [state, ring, ..], scalars } = io;
    let of = |value: f32| T::of(f64::from(value));
    let slot = &mut ring[scalars.ring_slot as usize * SLOT_LEN..][..SLOT_LEN];
    slot[8] = state[0];
    if norm[2] == of(OVERFLOW) {
        slot[7] = of(OVERFLOW);
        state[0] = (state[0] * of(BACKOFF)).max(of(LEAST));
        state[1] = T::ZERO;
        state[2] += T::ONE;
    } else if norm[2] == T::ZERO {
        state[1] += T::ONE;
        if state[1] >= T::of(op.every as f64) {
            state[1] = T::ZERO;
            if state[0] < of(MOST) {
                state[0] *= of(GROWTH);
            }
        }
    }
}
