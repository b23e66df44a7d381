//! Noise over a box of each image: definition.

use crate::augment::random_erasing::{Fill, HOLE_LEN, NUMBERS_PER_INDEX};
use crate::graph::{Io, Real};
use crate::platform::parallel::*;
use crate::rng::{Stream, device_words};

/// Fills each image's hole, row by row; neighbouring numbers share a counter.
pub fn fill<T: Real>(op: &Fill, io: &mut Io<'_, T>) {
    let Io { ins: [_, holes, quantiles, ..], outs: [images, ..], scalars } = io;
    let (seed, step) = (scalars.seed, scalars.step);
    let row_len = op.side * 3;
    images.par_chunks_exact_mut(op.side * row_len).zip(holes.par_chunks_exact(HOLE_LEN)).for_each(|(image, hole)| {
        let [position, top, left, height, width] = std::array::from_fn(|ix| hole[ix].to_f64() as usize);
        let first = position.wrapping_mul(op.counters()) as u32;
        let numbers = (0..).flat_map(|ix: u32| {
            let words = device_words(seed, Stream::EraseNoise as u32, step, first.wrapping_add(ix));
            let halves: [usize; NUMBERS_PER_INDEX] = std::array::from_fn(|half| (words[half / 2] >> (half % 2 * 16) & 0xFFFF) as usize);
            halves
        });
        let places = image.chunks_exact_mut(row_len).skip(top).take(height).flat_map(|row| &mut row[left * 3..(left + width) * 3]);
        places.zip(numbers).for_each(|(place, number)| *place = quantiles[number]);
    });
}
