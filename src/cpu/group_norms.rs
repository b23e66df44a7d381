//! Gradient norm of each group of parameters: definition.

use crate::platform::parallel::*;

use super::rows::with_scratch;
use crate::graph::place::{GROUPS_START, SLOT_LEN};
use crate::graph::{Io, Real};
use crate::optim::group_norms::{CHUNK, GroupNorms};

/// Words that the first column of the chunks counts in.
const BLOCK: usize = 64;

/// √Σ g² of each group, into the step's slot of the ring.
pub fn record<T: Real>(op: &GroupNorms, io: &mut Io<'_, T>) {
    let Io { ins: [gradients, chunks, firsts, ..], outs: [ring, ..], scalars } = io;
    if scalars.report == 0 {
        return;
    }
    let slot = &mut ring[scalars.ring_slot as usize * SLOT_LEN..][..SLOT_LEN];
    with_scratch(op.num_chunks, |squares: &mut [T]| {
        squares.par_iter_mut().zip(chunks.par_chunks_exact(2)).for_each(|(squares, chunk)| {
            let start = (BLOCK * index(chunk[0])).min(op.len);
            let end = (start + index(chunk[1]).min(CHUNK)).min(op.len);
            *squares = gradients[start..end].iter().map(|g| *g * *g).sum::<T>();
        });
        for group in 0..op.num_groups {
            let end = index(firsts[group + 1]).min(op.num_chunks);
            let own = squares.get(index(firsts[group])..end).unwrap_or(&[]);
            slot[GROUPS_START + group] = own.iter().copied().sum::<T>().sqrt();
        }
    });
}

/// A whole number kept as a float; below 0: 0.
fn index<T: Real>(value: T) -> usize {
    value.to_f64() as usize
}
