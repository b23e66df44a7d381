//! Mixup and cutmix of images: definition.

use super::rows::vectorised;
use crate::augment::mix::{Blend, ROW_LEN};
use crate::graph::{Io, Real};
use crate::platform::parallel::*;

/// λ·own + (1 − λ)·partner; inside the box the partner.
pub fn blend<T: Real>(op: &Blend, io: &mut Io<'_, T>) {
    let Io { ins: [own, mirror, rows, ..], outs: [mixed, ..], .. } = io;
    let row_len = op.side * 3;
    let image_len = op.side * row_len;
    let images = mixed.par_chunks_exact_mut(image_len).zip(own.par_chunks_exact(image_len));
    images.zip(mirror.par_chunks_exact(image_len).rev()).zip(rows.par_chunks_exact(ROW_LEN)).for_each(|(((mixed, own), partner), row)| {
        let (taken, given) = (row[0], T::ONE - row[0]);
        vectorised(
            #[inline(always)]
            || mixed.iter_mut().zip(own.iter().zip(partner)).for_each(|(mixed, (x, y))| *mixed = taken * *x + given * *y),
        );
        let [top, bottom, left, right] = std::array::from_fn(|ix| row[ix + 1].to_f64() as usize);
        for line in top..bottom {
            let span = line * row_len + left * 3..line * row_len + right * 3;
            mixed[span.clone()].copy_from_slice(&partner[span]);
        }
    });
}
