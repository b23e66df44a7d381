//! The only contract between stem, encoder and head.

use crate::graph::Value;

/// Tokens of a batch of images.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    /// [B, N, D].
    pub value: Value,
    /// Side of the patch grid.
    pub grid: usize,
    /// Tokens before the patches: the class token, or none.
    pub prefix: usize,
}

impl Tokens {
    /// N, prefix included.
    pub fn count(&self) -> usize {
        self.grid * self.grid + self.prefix
    }
}
