//! How definitions walk rows: blocks for rayon, vector width, scratch memory.

use std::cell::RefCell;

use crate::graph::Real;

/// Rows of one partial sum. Fixed, so that the order of summation (and every bit of the result) is
/// the same with any number of threads.
pub const BLOCK_ROWS: usize = 256;

/// Runs `work` compiled for the widest vectors of this processor (AVX-512, AVX2, NEON, …).
///
/// `work` and what it calls must be small enough to inline.
#[inline(always)]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Combines the elements of a row in 16 interleaved lanes, which vectorises, and rounds less than one
/// running sum.
#[inline(always)]
pub fn fold<T: Real>(row: &[T], start: T, combine: impl Fn(T, T) -> T) -> T {
    let mut lanes = [start; 16];
    let chunks = row.chunks_exact(16);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = combine(*lane, *value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = combine(*lane, *value);
    }
    lanes.into_iter().fold(start, &combine)
}

thread_local! {
    static SCRATCH: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` elements of thread-local memory with arbitrary content; grown once, then reused.
/// A nested call gets memory of its own.
pub fn with_scratch<T: Real, R>(len: usize, work: impl FnOnce(&mut [T]) -> R) -> R {
    let mut words = SCRATCH.with(RefCell::take);
    let needed = (len * size_of::<T>()).div_ceil(8);
    if words.len() < needed {
        words.resize(needed, 0);
    }
    let result = work(&mut bytemuck::cast_slice_mut::<u64, T>(&mut words)[..len]);
    SCRATCH.with(|cell| {
        // Keep the larger of this memory and what a nested call may have left.
        let mut kept = cell.borrow_mut();
        if kept.len() < words.len() {
            *kept = words;
        }
    });
    result
}
