//! Which images come when: a random order of the set for each epoch, each image once or several times.
//!
//!   repeats r: the order has each image r times in a row and is cut off at the size of the set, so
//!   an epoch is as long as ever and shows 1/r of the images; the i-th of a step goes to group i mod G,
//!   so that the copies of an image are mixed with others
//!
//! Source      Hoffer et al. 2019, arXiv:1901.09335; DeiT's `RASampler`, whose ranks are our groups.
//!             Differs: none (with one group the copies stand side by side).

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use crate::rng::{Draws, Stream};

/// Epochs whose order is remembered: at their border two are in use.
const REMEMBERED_EPOCHS: usize = 2;

/// The orders of all epochs.
#[derive(Debug)]
pub struct Orders {
    seed: u64,
    num_images: usize,
    repeats: usize,
    groups: usize,
    remembered: Mutex<Vec<(usize, Arc<Vec<u32>>)>>,
}

impl Orders {
    /// Orders of `num_images` images, each `repeats` times, in batches of `groups` equal groups.
    pub fn new(seed: u64, num_images: usize, repeats: usize, groups: usize) -> Self {
        Self { seed, num_images, repeats: repeats.max(1), groups: groups.max(1), remembered: Mutex::default() }
    }

    /// The images at `places` of `epoch`: those of one step.
    pub fn numbers(&self, epoch: usize, places: Range<usize>) -> Vec<u32> {
        let order = self.order(epoch);
        if self.repeats == 1 {
            return order[places].to_vec();
        }
        let per_group = places.len() / self.groups;
        let place = |ix: usize| places.start + ix % per_group * self.groups + ix / per_group;
        (0..places.len()).map(|ix| order[place(ix) / self.repeats]).collect()
    }

    fn order(&self, epoch: usize) -> Arc<Vec<u32>> {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = remembered.iter().find(|(of, _)| *of == epoch) {
            return order.clone();
        }
        let order = Arc::new(Draws::new(self.seed, Stream::Shuffle, epoch as u32, 0).permutation(self.num_images));
        if remembered.len() == REMEMBERED_EPOCHS {
            remembered.remove(0);
        }
        remembered.push((epoch, order.clone()));
        order
    }
}
