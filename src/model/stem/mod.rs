//! From images to tokens: the eight stems of the paper's Table 2 are one loop over convolutions,
//! each followed by what the stem's name says.

/// Convolution, then BatchNorm and activation where the stem has them.
pub mod conv;

pub use conv::stem;
