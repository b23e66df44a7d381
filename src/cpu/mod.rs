//! What each op *is*: one file an op, plain loops over rows, generic over f32 and f64.
//!
//! In f64 these are the oracle that every kernel is held against; in f32 they are the cpu device.
//! Sums run in a fixed order that does not depend on the number of threads, so a run repeats bit
//! for bit.

/// Sums and multiples of values of one shape.
pub mod elementwise;
/// Layer normalisation.
pub mod layernorm;
/// The executor.
pub mod machine;
/// Scratch memory, widths and row blocks.
pub mod rows;
