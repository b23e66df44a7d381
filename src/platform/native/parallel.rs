//! Rows, heads and images shared out over the processor's cores.

pub use rayon::current_num_threads;
pub use rayon::prelude::*;
