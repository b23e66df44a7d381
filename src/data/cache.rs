//! Memory of images that are costly to make again, within a budget.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::augment::crop::Picture;

/// Bytes of pixels one set may keep: small folders stay in memory, ImageNet does not.
const BUDGET_BYTES: usize = 256 << 20;

/// One slot an image, filled on first use.
#[derive(Debug)]
pub struct Cache {
    slots: Vec<OnceLock<Picture>>,
    held_bytes: AtomicUsize,
}

impl Cache {
    /// A cache for `len` images of about `expected_bytes` each; without slots if they cannot all fit.
    pub fn new(len: usize, expected_bytes: usize) -> Self {
        let fits = len.saturating_mul(expected_bytes) <= BUDGET_BYTES;
        let slots = (0..if fits { len } else { 0 }).map(|_| OnceLock::new()).collect();
        Self { slots, held_bytes: AtomicUsize::new(0) }
    }

    /// The image at `ix`, if it is kept.
    pub fn get(&self, ix: usize) -> Option<&Picture> {
        self.slots.get(ix)?.get()
    }

    /// Keeps a copy of `picture`, unless the budget is spent.
    pub fn put(&self, ix: usize, picture: &Picture) {
        let Some(slot) = self.slots.get(ix) else {
            return;
        };
        let bytes = picture.rgb.len();
        if self.held_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= BUDGET_BYTES {
            // A second thread may have been as quick; both copies are the same.
            slot.get_or_init(|| picture.clone());
        } else {
            self.held_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}
