//! ViT: stem × encoder × head, joined by [`tokens::Tokens`] alone.

/// Attention and feed-forward part of a block.
pub mod encoder;
/// From tokens to logits.
pub mod head;
/// Initial weights.
pub mod init;
/// Parameters by name, and where they lie.
pub mod parameters;
/// From images to tokens.
pub mod stem;
/// The contract between stem, encoder and head.
pub mod tokens;
/// The whole model.
pub mod vit;
