//! One file an op: shape rule, adjoint, cost, kernel launch.
//!
//! Each has three siblings of its name: the definition in `cpu/`, the kernel in `shaders/ops/`, the
//! test in `tests/ops/`.

/// Exact GELU and ReLU.
pub mod activation;
/// Softmax attention.
pub mod attention;
/// Batch normalisation and scaled ReLU.
pub mod batchnorm;
/// A vector added to every row.
pub mod bias;
/// Convolution of images.
pub mod conv2d;
/// Cross-entropy with soft targets.
pub mod cross_entropy;
/// Drop-path.
pub mod drop_path;
/// Sums and multiples of values of one shape.
pub mod elementwise;
/// Layer normalisation.
pub mod layernorm;
/// Matrix products with epilogues.
pub mod matmul;
/// Class token and positions.
pub mod tokens;
