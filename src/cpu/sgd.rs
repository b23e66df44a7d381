//! SGD with momentum: definition.

use crate::platform::parallel::*;

use super::rows::vectorised;
use crate::graph::{Io, Real};
use crate::optim::sgd::Sgd;

/// Elements of one task.
const CHUNK: usize = 16_384;

/// One update of p and b.
pub fn step<T: Real>(op: &Sgd, io: &mut Io<'_, T>) {
    let Io { ins: [gradients, norm, ..], outs: [p, b, ..], scalars } = io;
    if norm[2] != T::ZERO {
        return;
    }
    let (clip, mu) = (norm[1], T::of(op.momentum));
    let (lr, decay) = (T::of(f64::from(scalars.lr)), T::of(f64::from(scalars.weight_decay)));
    let state = p.par_chunks_mut(CHUNK).zip(b.par_chunks_mut(CHUNK));
    state.zip(gradients.par_chunks(CHUNK)).enumerate().for_each(|(ix, ((p, b), g))| {
        let num_decayed = op.decayed_len.saturating_sub(ix * CHUNK).min(p.len());
        vectorised(
            #[inline(always)]
            || {
                for (ix, ((p, b), g)) in p.iter_mut().zip(b).zip(g).enumerate() {
                    let pull = if ix < num_decayed { decay * *p } else { T::ZERO };
                    *b = mu * *b + (*g * clip + pull);
                    *p -= lr * *b;
                }
            },
        );
    });
}
