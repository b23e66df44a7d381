//! Cross-entropy with soft targets: definition.

use super::rows::{largest, sum_of, vectorised};
use crate::graph::{Io, Real};
use crate::ops::cross_entropy::{Backward, Forward};

/// −Σ y·log_softmax(z) of each row.
pub fn forward<T: Real>(op: &Forward, io: &mut Io<'_, T>) {
    let Io { ins: [logits, targets, ..], outs: [row_loss, ..], scalars } = io;
    let rows = logits.chunks_exact(op.classes).zip(targets.chunks_exact(op.classes));
    vectorised(
        #[inline(always)]
        || {
            for (row_ix, (loss, (logits, targets))) in row_loss.iter_mut().zip(rows).enumerate() {
                *loss = T::ZERO;
                if row_ix < scalars.valid as usize {
                    let log_sum = log_sum_exp(logits);
                    *loss = logits.iter().zip(targets).map(|(z, y)| *y * (log_sum - *z)).sum();
                }
            }
        },
    );
}

/// (softmax(z)·Σy − y)·loss_scale/B.
pub fn backward<T: Real>(op: &Backward, io: &mut Io<'_, T>) {
    let Io { ins: [logits, targets, scale, ..], outs: [d_logits, ..], scalars } = io;
    let scale = if op.scaled { scale[0] } else { T::ONE };
    let factor = T::of(f64::from(scalars.loss_scale) / op.batch as f64) * scale;
    let rows = logits.chunks_exact(op.classes).zip(targets.chunks_exact(op.classes));
    vectorised(
        #[inline(always)]
        || {
            for (d, (logits, targets)) in d_logits.chunks_exact_mut(op.classes).zip(rows) {
                let log_sum = log_sum_exp(logits);
                let mass = sum_of(targets, |y| y);
                for ((d, z), y) in d.iter_mut().zip(logits).zip(targets) {
                    *d = ((*z - log_sum).exp() * mass - *y) * factor;
                }
            }
        },
    );
}

#[inline(always)]
fn log_sum_exp<T: Real>(logits: &[T]) -> T {
    let largest = largest(logits);
    largest + sum_of(logits, |z| (z - largest).exp()).ln()
}
