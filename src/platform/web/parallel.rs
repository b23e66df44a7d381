//! The one thread of a page's worker under the names that native code shares work out with: every `par_` method is its
//! plain twin, so a sum has the same order and every result the same bits.

use std::slice::{Chunks, ChunksExact, ChunksExactMut, ChunksMut, Iter, IterMut};

/// Threads that compute.
pub fn current_num_threads() -> usize {
    1
}

/// Slices in pieces.
pub trait ParallelSlice<T> {
    /// [`slice::chunks`].
    fn par_chunks(&self, len: usize) -> Chunks<'_, T>;
    /// [`slice::chunks_exact`].
    fn par_chunks_exact(&self, len: usize) -> ChunksExact<'_, T>;
    /// [`slice::chunks_mut`].
    fn par_chunks_mut(&mut self, len: usize) -> ChunksMut<'_, T>;
    /// [`slice::chunks_exact_mut`].
    fn par_chunks_exact_mut(&mut self, len: usize) -> ChunksExactMut<'_, T>;
    /// [`slice::iter`].
    fn par_iter(&self) -> Iter<'_, T>;
    /// [`slice::iter_mut`].
    fn par_iter_mut(&mut self) -> IterMut<'_, T>;
}

impl<T> ParallelSlice<T> for [T] {
    #[inline]
    fn par_chunks(&self, len: usize) -> Chunks<'_, T> {
        self.chunks(len)
    }

    #[inline]
    fn par_chunks_exact(&self, len: usize) -> ChunksExact<'_, T> {
        self.chunks_exact(len)
    }

    #[inline]
    fn par_chunks_mut(&mut self, len: usize) -> ChunksMut<'_, T> {
        self.chunks_mut(len)
    }

    #[inline]
    fn par_chunks_exact_mut(&mut self, len: usize) -> ChunksExactMut<'_, T> {
        self.chunks_exact_mut(len)
    }

    #[inline]
    fn par_iter(&self) -> Iter<'_, T> {
        self.iter()
    }

    #[inline]
    fn par_iter_mut(&mut self) -> IterMut<'_, T> {
        self.iter_mut()
    }
}

/// Ranges and vectors, element by element.
pub trait IntoParallelIterator: IntoIterator + Sized {
    /// [`IntoIterator::into_iter`].
    #[inline]
    fn into_par_iter(self) -> Self::IntoIter {
        self.into_iter()
    }
}

impl<I: IntoIterator> IntoParallelIterator for I {}

/// Iterators with something of each thread's own.
pub trait MapInit: Iterator + Sized {
    /// [`Iterator::map`] with a state that is made once.
    #[inline]
    fn map_init<S, R>(self, make: impl Fn() -> S, map: impl Fn(&mut S, Self::Item) -> R) -> impl Iterator<Item = R> {
        let mut state = make();
        self.map(move |item| map(&mut state, item))
    }
}

impl<I: Iterator> MapInit for I {}
