//! From tokens to logits.

/// LayerNorm, class token, linear layer.
pub mod class_token;

pub use class_token::head;
