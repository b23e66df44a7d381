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

/// Interleaved partial results of one row: they vectorise, round less than one running sum, and combine in
/// an order that depends on the length only.
const LANES: usize = 16;

/// The largest element.
#[inline(always)]
pub fn largest<T: Real>(row: &[T]) -> T {
    let mut lanes = [row[0]; LANES];
    for chunk in row.chunks(LANES) {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane = lane.max(*value);
        }
    }
    halved(lanes, T::max)
}

/// Σ term(x).
#[inline(always)]
pub fn sum_of<T: Real>(row: &[T], term: impl Fn(T) -> T) -> T {
    let mut lanes = [T::ZERO; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += term(*value);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += term(*value);
    }
    halved(lanes, |a, b| a + b)
}

/// Σ a·b.
#[inline(always)]
pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_chunks.remainder().iter().zip(b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += *a * *b;
        }
    }
    for (lane, (a, b)) in lanes.iter_mut().zip(rest) {
        *lane += *a * *b;
    }
    halved(lanes, |a, b| a + b)
}

/// Lanes combined by halves, so that the chain of dependent operations is short.
#[inline(always)]
fn halved<T: Real>(mut lanes: [T; LANES], combine: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] = combine(lanes[lane], lanes[lane + half]);
        }
        half /= 2;
    }
    lanes[0]
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
