//! Every op: its definition against central differences, its kernels against the definition.

mod activation;
mod attention;
mod batchnorm;
mod bias;
mod conv2d;
mod cross_entropy;
mod drop_path;
mod elementwise;
mod layernorm;
mod matmul;
mod tokens;
