//! Token sequences: definition.

use crate::platform::parallel::*;

use crate::graph::{Io, Real};
use crate::ops::tokens::{Embed, EmbedBackward, TakeFirst, TakeFirstBackward};

/// y = [cls; x] + pos.
pub fn embed<T: Real>(op: &Embed, io: &mut Io<'_, T>) {
    let Io { ins: [x, cls, pos, ..], outs: [y, ..], .. } = io;
    let (tokens, width) = (op.extent.tokens, op.extent.width);
    y.par_chunks_mut(tokens * width).zip(x.par_chunks((tokens - 1) * width)).for_each(|(y, x)| {
        y[..width].copy_from_slice(cls);
        y[width..].copy_from_slice(x);
        y.iter_mut().zip(*pos).for_each(|(y, pos)| *y += *pos);
    });
}

/// d_x, d_cls, d_pos.
pub fn embed_backward<T: Real>(op: &EmbedBackward, io: &mut Io<'_, T>) {
    let Io { ins: [d_y, ..], outs: [d_x, d_cls, d_pos, ..], .. } = io;
    let (tokens, width) = (op.extent.tokens, op.extent.width);
    d_x.par_chunks_mut((tokens - 1) * width).zip(d_y.par_chunks(tokens * width)).for_each(|(d_x, d_y)| d_x.copy_from_slice(&d_y[width..]));
    d_pos.par_chunks_mut(width).enumerate().for_each(|(token, d_pos)| {
        d_pos.fill(T::ZERO);
        for image in d_y.chunks_exact(tokens * width) {
            d_pos.iter_mut().zip(&image[token * width..]).for_each(|(sum, d)| *sum += *d);
        }
    });
    d_cls.copy_from_slice(&d_pos[..width]);
}

/// y[b] = x[b, 0].
pub fn take_first<T: Real>(op: &TakeFirst, io: &mut Io<'_, T>) {
    let Io { ins: [x, ..], outs: [y, ..], .. } = io;
    let (tokens, width) = (op.extent.tokens, op.extent.width);
    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(tokens * width)) {
        y.copy_from_slice(&x[..width]);
    }
}

/// Zeros but for token 0.
pub fn take_first_backward<T: Real>(op: &TakeFirstBackward, io: &mut Io<'_, T>) {
    let Io { ins: [d_y, ..], outs: [d_x, ..], .. } = io;
    let (tokens, width) = (op.extent.tokens, op.extent.width);
    d_x.par_chunks_mut(tokens * width).zip(d_y.par_chunks(width)).for_each(|(d_x, d_y)| {
        d_x[..width].copy_from_slice(d_y);
        d_x[width..].fill(T::ZERO);
    });
}
