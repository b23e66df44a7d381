//! Cosine similarity of tokens: definition.

use crate::platform::parallel::*;

use super::rows::with_scratch;
use crate::graph::{Io, Real};
use crate::metric::similarity::Similarity;

/// (‖Σ u_i‖² − Σ ‖u_i‖²) / (n(n−1)) of each image.
pub fn cosine<T: Real>(op: &Similarity, io: &mut Io<'_, T>) {
    let Io { ins: [x, ..], outs: [result, ..], .. } = io;
    let n = T::of((op.tokens - op.skip) as f64);
    result.par_iter_mut().zip(x.par_chunks(op.tokens * op.width)).for_each(|(result, image)| {
        *result = with_scratch(op.width, |sum: &mut [T]| {
            sum.fill(T::ZERO);
            let mut own = T::ZERO;
            for token in image[op.skip * op.width..].chunks_exact(op.width) {
                let length = token.iter().map(|value| *value * *value).sum::<T>().sqrt();
                let inverse = T::ONE / length.max(T::of(1e-12));
                for (sum, value) in sum.iter_mut().zip(token) {
                    let unit = *value * inverse;
                    *sum += unit;
                    own += unit * unit;
                }
            }
            (sum.iter().map(|value| *value * *value).sum::<T>() - own) / (n * (n - T::ONE))
        });
    });
}
