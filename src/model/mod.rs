//! ViT: stem × encoder × head, joined by [`tokens::Tokens`] alone.

/// Attention and feed-forward part of a block.
pub mod encoder;
/// Groups of parameters whose gradient norms are reported.
pub mod groups;
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
