//! Numbers about a model: definitions by hand, kernels against the definition.

mod record;
mod similarity;
