//! Global gradient norm: definition.

use crate::platform::parallel::*;

use super::rows::{vectorised, with_scratch};
use crate::graph::place::SLOT_LEN;
use crate::graph::{Io, Real};
use crate::optim::norm::Norm;

/// Elements of one task.
const CHUNK: usize = 65_536;

/// norm, clip factor, flags; and the step's slot of the ring.
pub fn global<T: Real>(op: &Norm, io: &mut Io<'_, T>) {
    let Io { ins: [gradients, parameters, ..], outs: [norm, ring, ..], scalars } = io;
    let num_chunks = op.len.div_ceil(CHUNK);
    let (squares, finite) = with_scratch(2 * num_chunks, |partial: &mut [T]| {
        partial.par_chunks_mut(2).zip(gradients.par_chunks(CHUNK)).enumerate().for_each(|(ix, (partial, g))| {
            let p = op.adaptive.then(|| &parameters[ix * CHUNK..][..g.len()]);
            let (squares, finite) = chunk_sum(g, p);
            partial.copy_from_slice(&[squares, if finite { T::ZERO } else { T::ONE }]);
        });
        (partial.chunks_exact(2).map(|pair| pair[0]).sum::<T>(), partial.chunks_exact(2).all(|pair| pair[1] == T::ZERO))
    });
    let length = squares.sqrt();
    let limit = T::of(f64::from(scalars.clip_norm));
    let clip = limit / (length + T::of(1e-6));
    norm[0] = length;
    norm[1] = if limit > T::ZERO && clip < T::ONE { clip } else { T::ONE };
    let flag = if finite { T::ZERO } else { T::ONE };
    norm[3] = if finite { norm[3] } else { T::ONE };
    norm[2] = if op.halts { norm[3] } else { flag };
    if scalars.report == 1 {
        let slot = &mut ring[scalars.ring_slot as usize * SLOT_LEN..][..SLOT_LEN];
        slot[6] = norm[0];
        slot[7] = flag;
    }
}

/// Σ g² (ASAM: Σ p²g²), and whether every g is finite.
fn chunk_sum<T: Real>(g: &[T], p: Option<&[T]>) -> (T, bool) {
    let mut lanes = [T::ZERO; 16];
    let mut odd = [false; 16];
    vectorised(
        #[inline(always)]
        || {
            for (chunk_ix, chunk) in g.chunks(16).enumerate() {
                for (lane, g) in chunk.iter().enumerate() {
                    let weight = p.map_or(T::ONE, |p| p[chunk_ix * 16 + lane]);
                    lanes[lane] += (*g * weight) * (*g * weight);
                    odd[lane] |= !g.is_finite_bits();
                }
            }
        },
    );
    (lanes.into_iter().sum(), !odd.contains(&true))
}
