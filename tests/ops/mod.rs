//! Every op: its definition against central differences, its kernels against the definition.

mod elementwise;
mod layernorm;
