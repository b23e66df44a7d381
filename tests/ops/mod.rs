//! Every op: its definition against central differences, its kernels against the definition.

mod batchnorm;
mod conv2d;
mod elementwise;
mod layernorm;
mod matmul;
