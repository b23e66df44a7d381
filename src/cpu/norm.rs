//! Global gradient norm: definition.

use crate::platform::parallel::*;

use super::rows::{vectorised, with_scratch};
use crate::graph::place::SLOT_LEN;
use crate::graph::{Io, Real};
use crate::optim::norm::{LEAST, Norm, OVERFLOW};

/// Elements of one task.
const CHUNK: usize = 65_536;

/// norm, clip factor, flags; and the step's slot of the ring.
pub fn global<T: Real>(op: &Norm, io: &mut Io<'_, T>) {
    let Io { ins: [gradients, parameters, _, _, scale, ..], outs: [norm, ring, ..], scalars } = io;
    let num_chunks = op.len.div_ceil(CHUNK);
    let (squares, weighted, finite) = with_scratch(3 * num_chunks, |partial: &mut [T]| {
        partial.par_chunks_mut(3).zip(gradients.par_chunks(CHUNK)).enumerate().for_each(|(ix, (partial, g))| {
            let p = op.adaptive.then(|| &parameters[ix * CHUNK..][..g.len()]);
            let (squares, weighted, finite) = chunk_sum(g, p);
            partial.copy_from_slice(&[squares, weighted, if finite { T::ZERO } else { T::ONE }]);
        });
        let sum = |word: usize| partial.iter().skip(word).step_by(3).copied().sum::<T>();
        (sum(0), sum(1), sum(2) == T::ZERO)
    });
    let length = if op.adaptive { weighted.sqrt() } else { squares.sqrt() };
    let limit = T::of(f64::from(scalars.clip_norm));
    let clip = limit / (length + T::of(1e-6));
    norm[0] = length;
    norm[1] = if limit > T::ZERO && clip < T::ONE { clip } else { T::ONE };
    let slot = &mut ring[scalars.ring_slot as usize * SLOT_LEN..][..SLOT_LEN];
    let mut flag = if finite { T::ZERO } else { T::ONE };
    let mut crash = flag;
    if op.scaled {
        // SAM's second pass goes on from the first, which has said what it met.
        if scalars.report == 0 && slot[7] != T::ZERO {
            flag = T::ONE;
        }
        let is_overflow = flag != T::ZERO && slot[5] == T::ZERO && scale[0] > T::of(f64::from(LEAST));
        flag = if is_overflow { T::of(f64::from(OVERFLOW)) } else { flag };
        crash = if is_overflow { T::ZERO } else { flag };
    }
    norm[3] = norm[3].max(crash);
    norm[2] = if op.halts { norm[3].max(flag) } else { flag };
    if scalars.report == 1 {
        slot[6] = squares.sqrt();
        slot[7] = flag;
    }
}

/// Σ g², Σ p²g² where there are p, and whether every g is finite.
fn chunk_sum<T: Real>(g: &[T], p: Option<&[T]>) -> (T, T, bool) {
    let mut lanes = [T::ZERO; 16];
    let mut weighted = [T::ZERO; 16];
    let mut odd = [false; 16];
    vectorised(
        #[inline(always)]
        || {
            for (chunk_ix, chunk) in g.chunks(16).enumerate() {
                for (lane, g) in chunk.iter().enumerate() {
                    lanes[lane] += *g * *g;
                    if let Some(p) = p {
                        let product = *g * p[chunk_ix * 16 + lane];
                        weighted[lane] += product * product;
                    }
                    odd[lane] |= !g.is_finite_bits();
                }
            }
        },
    );
    (lanes.into_iter().sum(), weighted.into_iter().sum(), !odd.contains(&true))
}
