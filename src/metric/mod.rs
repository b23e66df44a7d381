//! Numbers about a model: accuracy, token similarity.

/// Loss and accuracy of a batch, into the ring of recent steps.
pub mod record;
/// Cosine similarity of tokens.
pub mod similarity;
