//! The encoder: pre-norm blocks of attention and a feed-forward part, each around a residual.

/// One block.
pub mod block;
/// The feed-forward parts of the paper's Table 5.
pub mod feed_forward;
