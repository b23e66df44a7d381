//! What each op *is*: one file an op, plain loops over rows, generic over f32 and f64.
//!
//! In f64 these are the oracle that every kernel is held against; in f32 they are the cpu device.
//! Sums run in a fixed order that does not depend on the number of threads, so a run repeats bit
//! for bit.

/// Gradients of micro-batches.
pub mod accumulate;
/// Exact GELU and ReLU.
pub mod activation;
/// AdamW.
pub mod adamw;
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
/// Running averages.
pub mod ema;
/// Gradient norms of parameter groups.
pub mod group_norms;
/// Layer normalisation.
pub mod layernorm;
/// The loss scale of mixed precision.
pub mod loss_scale;
/// The executor.
pub mod machine;
/// Matrix products.
pub mod matmul;
/// Mixup and cutmix of images.
pub mod mix;
/// Global gradient norm.
pub mod norm;
/// Bytes to floats.
pub mod normalise;
/// Noise over a box of each image.
pub mod random_erasing;
/// Loss and accuracy of a batch.
pub mod record;
/// Scratch memory, widths and row blocks.
pub mod rows;
/// Sharpness-aware minimisation.
pub mod sam;
/// SGD with momentum.
pub mod sgd;
/// Cosine similarity of tokens.
pub mod similarity;
/// Class token and positions.
pub mod tokens;
