//! What each op *is*: one file an op, plain loops over rows, generic over f32 and f64.
//!
//! In f64 these are the oracle that every kernel is held against; in f32 they are the cpu device.
//! Sums run in a fixed order that does not depend on the number of threads, so a run repeats bit
//! for bit.

/// Exact GELU and ReLU.
pub mod activation;
/// A vector added to every row.
pub mod bias;
/// Sums and multiples of values of one shape.
pub mod elementwise;
/// Layer normalisation.
pub mod layernorm;
/// The executor.
pub mod machine;
/// Matrix products.
pub mod matmul;
/// Scratch memory, widths and row blocks.
pub mod rows;
