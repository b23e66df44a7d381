//! AdamW: definition.

use crate::platform::parallel::*;

use super::rows::vectorised;
use crate::graph::{Io, Real};
use crate::optim::adamw::AdamW;

/// Elements of one task.
const CHUNK: usize = 16_384;

/// One update of p, m, v.
pub fn step<T: Real>(op: &AdamW, io: &mut Io<'_, T>) {
    let Io { ins: [gradients, norm, ..], outs: [p, m, v, ..], scalars } = io;
    if norm[2] != T::ZERO {
        return;
    }
    let [beta1, beta2] = op.betas.map(T::of);
    let [rest1, rest2] = op.betas.map(|beta| T::of(1.0 - beta));
    let lr = f64::from(scalars.lr);
    let clip = norm[1];
    let step_len = T::of(lr / f64::from(scalars.bias_correction1));
    let root = T::of(f64::from(scalars.bias_correction2).sqrt());
    let eps = T::of(op.eps);
    let kept = T::of(1.0 - lr * f64::from(scalars.weight_decay));
    let state = p.par_chunks_mut(CHUNK).zip(m.par_chunks_mut(CHUNK).zip(v.par_chunks_mut(CHUNK)));
    state.zip(gradients.par_chunks(CHUNK)).enumerate().for_each(|(ix, ((p, (m, v)), g))| {
        let num_decayed = op.decayed_len.saturating_sub(ix * CHUNK).min(p.len());
        vectorised(
            #[inline(always)]
            || {
                p[..num_decayed].iter_mut().for_each(|p| *p *= kept);
                for (((p, m), v), g) in p.iter_mut().zip(m).zip(v).zip(g) {
                    let g = *g * clip;
                    *m = beta1 * *m + rest1 * g;
                    *v = beta2 * *v + rest2 * g * g;
                    *p -= step_len * *m / (v.sqrt() / root + eps);
                }
            },
        );
    });
}
