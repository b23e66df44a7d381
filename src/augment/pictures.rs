//! The images of a batch as bytes, and what is left to do to them on the device.

use super::mix::{Mix, UNMIXED};
use super::normalise::ChannelStats;
use super::random_erasing::{HOLE_LEN, Hole, hole_row};

/// Images of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pictures {
    /// [B, S, S, 3], channels innermost; 0 where there is no image.
    pub bytes: Vec<u8>,
    /// What they are normalised with.
    pub stats: ChannelStats,
    /// What is erased of each; in evaluation empty.
    pub holes: Vec<Option<Hole>>,
    /// How each group is mixed; in evaluation empty.
    pub mixes: Vec<Option<Mix>>,
    /// Images of a group; the last group may be smaller.
    pub group: usize,
}

impl Pictures {
    /// Rows of the table of holes, for the images from place `first` of the batch on.
    pub fn hole_rows(&self, first: usize, count: usize) -> Vec<f32> {
        let row = |place: usize| -> [f32; HOLE_LEN] { hole_row(self.holes.get(place).copied().flatten(), place) };
        (first..first + count).flat_map(row).collect()
    }

    /// How the images from place `first` of the batch on are mixed; they lie in one group.
    pub fn mix_at(&self, first: usize) -> Option<Mix> {
        self.mixes.get(first / self.group.max(1)).copied().flatten()
    }

    /// The place of the first of `count` images whose last is the partner of the image at `first`.
    pub fn mirror_of(&self, first: usize, count: usize, batch: usize) -> usize {
        let group_start = first / self.group * self.group;
        let group_end = (group_start + self.group).min(batch);
        group_end - (first - group_start) - count
    }

    /// Rows of the table of mixing, for the images from place `first` of the batch on.
    pub fn mix_rows(&self, first: usize, count: usize) -> Vec<f32> {
        self.mix_at(first).map_or(UNMIXED, |mix| mix.row()).repeat(count)
    }
}
