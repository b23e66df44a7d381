//! Loss and accuracy of a batch: definition.

use super::rows::with_scratch;
use crate::graph::place::SLOT_LEN;
use crate::graph::{Io, Real};
use crate::metric::record::Record;

/// Adds the batch to its slot.
pub fn batch<T: Real>(op: &Record, io: &mut Io<'_, T>) {
    let Io { ins: [row_loss, logits, targets, ..], outs: [slots, ..], scalars } = io;
    if scalars.report == 0 {
        return;
    }
    let slot_ix = if op.totals { 0 } else { scalars.ring_slot as usize };
    let slot = &mut slots[slot_ix * SLOT_LEN..][..SLOT_LEN];
    if scalars.micro == 0 && !op.totals {
        slot.fill(T::ZERO);
    }
    let valid = (scalars.valid as usize).min(op.batch);
    let [mut top1, mut top5] = [0, 0];
    let modal = with_scratch(op.classes, |counts: &mut [T]| {
        counts.fill(T::ZERO);
        for (logits, targets) in logits.chunks_exact(op.classes).zip(targets.chunks_exact(op.classes)).take(valid) {
            let ahead = num_ahead(logits, first_largest(targets));
            top1 += usize::from(ahead == 0);
            top5 += usize::from(ahead < 5);
            counts[first_largest(logits)] += T::ONE;
        }
        counts.iter().fold(T::ZERO, |most, count| most.max(*count))
    });
    let row_loss = &row_loss[..valid];
    slot[0] += row_loss.iter().copied().sum::<T>();
    slot[1] += T::of(valid as f64);
    slot[2] += T::of(top1 as f64);
    slot[3] += T::of(top5 as f64);
    slot[4] += modal;
    if !row_loss.iter().all(|loss| loss.is_finite_bits()) {
        slot[5] = T::ONE;
    }
}

/// Classes predicted before `label`: with a larger logit, or an equal one and a lower index. A NaN
/// counts as larger; a label whose own logit is not finite comes last.
fn num_ahead<T: Real>(logits: &[T], label: usize) -> usize {
    let own = logits[label];
    if !own.is_finite_bits() {
        return usize::MAX;
    }
    let is_ahead = |ix: usize, logit: T| logit > own || (logit == own && ix < label) || logit.partial_cmp(&own).is_none();
    logits.iter().enumerate().filter(|(ix, logit)| is_ahead(*ix, **logit)).count()
}

/// Index of the first largest value; a NaN never replaces another value.
fn first_largest<T: Real>(values: &[T]) -> usize {
    let mut best = 0;
    for (ix, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = ix;
        }
    }
    best
}
