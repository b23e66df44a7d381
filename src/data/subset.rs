//! Class-balanced, nested subsets: ⌈p·n_c⌉ images of each class c.
//!
//! The order within a class is fixed, so 10 % lies inside 20 %, whatever the run's seed.
//! Source: paper, section 10 (Table 7).

use crate::error::{Error, Result};
use crate::rng::{Draws, Stream};

/// Subsets belong to the image set, not to the run.
const SUBSET_SEED: u64 = 0;

/// Errors unless `fraction` lies in (0, 1].
pub fn check_fraction(fraction: f64) -> Result<()> {
    if fraction > 0.0 && fraction <= 1.0 {
        return Ok(());
    }
    let what = format!("data.fraction = {fraction} is not a share of the training images");
    Err(Error::config(what, "set it above 0 and at most 1"))
}

/// The places of the subset in `labels`, ascending.
pub fn members(labels: &[u32], num_classes: usize, fraction: f64) -> Vec<u32> {
    let mut by_class = vec![Vec::new(); num_classes];
    for (place, &label) in labels.iter().enumerate() {
        by_class[label as usize].push(place as u32);
    }
    let mut members = Vec::new();
    for (class, places) in by_class.iter().enumerate() {
        // The product of a decimal fraction may lie a rounding error above a whole number.
        let wanted = (fraction * places.len() as f64 - 1e-9).ceil() as usize;
        let mut draws = Draws::new(SUBSET_SEED, Stream::Subset, class as u32, 0);
        let order = draws.permutation(places.len());
        members.extend(order[..wanted].iter().map(|&rank| places[rank as usize]));
    }
    members.sort_unstable();
    members
}
