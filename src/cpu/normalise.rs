//! Bytes to floats: definition.

use crate::augment::normalise::{BYTES_PER_WORD, Normalise};
use crate::graph::{Io, Real};
use crate::platform::parallel::*;

/// Red, green, blue.
const CHANNELS: usize = 3;
/// Words of one task: a whole number of pixels, so that each task begins with red.
const TASK_WORDS: usize = CHANNELS * 1024;

/// y = table[channel][byte]; 0 in images that do not count.
pub fn forward<T: Real>(op: &Normalise, io: &mut Io<'_, T>) {
    let Io { ins: [words, table, ..], outs: [y, ..], scalars } = io;
    let tables: [&[T]; CHANNELS] = std::array::from_fn(|channel| &table[channel * 256..][..256]);
    let valid_len = scalars.valid as usize * op.image_len();
    y.par_chunks_mut(TASK_WORDS * BYTES_PER_WORD).zip(words.par_chunks(TASK_WORDS)).enumerate().for_each(|(task, (y, words))| {
        let first = task * TASK_WORDS * BYTES_PER_WORD;
        let num_valid = valid_len.saturating_sub(first).min(y.len());
        let (valid, padding) = y.split_at_mut(num_valid);
        for (values, words) in valid.chunks_mut(CHANNELS * BYTES_PER_WORD).zip(words.chunks(CHANNELS)) {
            let mut bytes = [0; CHANNELS * BYTES_PER_WORD];
            for (bytes, word) in bytes.chunks_exact_mut(BYTES_PER_WORD).zip(words) {
                bytes.copy_from_slice(&word.word().to_le_bytes());
            }
            for (pixel, bytes) in values.chunks_exact_mut(CHANNELS).zip(bytes.chunks_exact(CHANNELS)) {
                for ((value, byte), table) in pixel.iter_mut().zip(bytes).zip(&tables) {
                    *value = table[usize::from(*byte)];
                }
            }
        }
        padding.fill(T::ZERO);
    });
}
