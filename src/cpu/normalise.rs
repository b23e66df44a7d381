//! Bytes to floats: definition.

use crate::augment::normalise::{BYTES_PER_WORD, Normalise};
use crate::graph::{Io, Real};
use crate::platform::parallel::*;

/// Words of one task: a whole number of pixels, so that each task begins with red.
const TASK_WORDS: usize = 3 * 1024;

/// y = table[channel][byte]; 0 in images that do not count.
pub fn forward<T: Real>(op: &Normalise, io: &mut Io<'_, T>) {
    let Io { ins: [words, table, ..], outs: [y, ..], scalars } = io;
    let valid_len = scalars.valid as usize * op.image_len();
    y.par_chunks_mut(TASK_WORDS * BYTES_PER_WORD).zip(words.par_chunks(TASK_WORDS)).enumerate().for_each(|(task, (y, words))| {
        let first = task * TASK_WORDS * BYTES_PER_WORD;
        let num_valid = valid_len.saturating_sub(first).min(y.len());
        let (valid, padding) = y.split_at_mut(num_valid);
        let bytes = words.iter().flat_map(|word| word.word().to_le_bytes());
        for ((ix, value), byte) in valid.iter_mut().enumerate().zip(bytes) {
            *value = table[ix % 3 * 256 + usize::from(byte)];
        }
        padding.fill(T::ZERO);
    });
}
