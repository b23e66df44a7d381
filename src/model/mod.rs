//! ViT: stem × encoder × head, joined by [`tokens::Tokens`] alone.

/// Initial weights.
pub mod init;
/// Parameters by name, and where they lie.
pub mod parameters;
/// The contract between stem, encoder and head.
pub mod tokens;
