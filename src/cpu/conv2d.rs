//! Convolution: definition, as matrix products over unrolled patches.
//!
//! Patches of a block of output positions are copied into columns [positions, k²·Ci] that stay in
//! the second-level cache; one product of the block with the weight gives its outputs.

use std::ops::Range;

use crate::platform::parallel::*;

use super::activation::apply;
use super::rows::{vectorised, with_scratch};
use crate::graph::real::GemmCall;
use crate::graph::{Io, Real};
use crate::ops::activation::Kind;
use crate::ops::conv2d::{BackwardInput, BackwardWeight, Forward, Geometry};

/// Values of one block of columns: 384 KiB in f32, which leaves room for the product's own panels.
const BLOCK_LEN: usize = 98_304;
/// Most values that the partial sums of d_w may take together.
const PARTIAL_LEN: usize = 1 << 22;
/// Rows of the transposed weight that one task writes: whole cache lines of the weight it reads.
const TRANSPOSED_ROWS: usize = 64;
/// Most parts that the positions are cut into for d_w.
const MAX_PARTS: usize = 16;

/// y, with the epilogue applied while a block is in cache.
pub fn forward<T: Real>(op: &Forward, io: &mut Io<'_, T>) {
    let Io { ins: [x, w, bias, ..], outs: [y, ..], .. } = io;
    let (patch_len, width) = (op.geometry.patch_len(), op.geometry.channels_out);
    with_scratch(w.len(), |across: &mut [T]| {
        // [k²·Ci, Co]: products read it along the channels without rearranging it for every block.
        across.par_chunks_mut(TRANSPOSED_ROWS * width).enumerate().for_each(|(ix, rows)| {
            for (channel, w) in w.chunks_exact(patch_len).enumerate() {
                for (row, w) in rows.chunks_exact_mut(width).zip(&w[ix * TRANSPOSED_ROWS..]) {
                    row[channel] = *w;
                }
            }
        });
        convolve(&op.geometry, x, across, y, |y| {
            if op.bias {
                add_bias(y, bias);
            }
            if op.relu {
                apply(Kind::Relu, y);
            }
        });
    });
}

/// d_x. With stride 1 it is a convolution of d_y with the kernel turned round; otherwise columns
/// are added up under each patch.
pub fn backward_input<T: Real>(op: &BackwardInput, io: &mut Io<'_, T>) {
    let Io { ins: [d_y, w, ..], outs: [d_x, ..], .. } = io;
    match op.geometry.turned() {
        Some(turned) => with_scratch(w.len(), |across: &mut [T]| {
            let (num_places, co) = (op.geometry.kernel * op.geometry.kernel, op.geometry.channels_out);
            // [k²·Co, Ci], the last kernel place first.
            across.par_chunks_mut(op.geometry.channels_in).enumerate().for_each(|(row_ix, row)| {
                let at = ((row_ix % co + 1) * num_places - 1 - row_ix / co) * row.len();
                row.copy_from_slice(&w[at..at + row.len()]);
            });
            convolve(&turned, d_y, across, d_x, |_| ());
        }),
        None => scatter(&op.geometry, d_y, w, d_x),
    }
}

/// d_x: products with the weight, added up under each patch, image by image.
fn scatter<T: Real>(g: &Geometry, d_y: &[T], w: &[T], d_x: &mut [T]) {
    let (patch_len, width) = (g.patch_len(), g.channels_out);
    let image_len = g.height * g.width * g.channels_in;
    let block = block_positions(patch_len);
    d_x.par_chunks_mut(image_len).enumerate().for_each(|(image_ix, d_x)| {
        d_x.fill(T::ZERO);
        for first in (0..g.positions_per_image()).step_by(block) {
            let count = block.min(g.positions_per_image() - first);
            let position = image_ix * g.positions_per_image() + first;
            let d_y = &d_y[position * width..(position + count) * width];
            with_scratch(count * patch_len, |columns: &mut [T]| {
                let call = GemmCall {
                    sizes: [count, patch_len, width],
                    dst: (columns.as_mut_ptr(), patch_len as isize, 1),
                    lhs: (d_y.as_ptr(), width as isize, 1),
                    rhs: (w.as_ptr(), patch_len as isize, 1),
                    alpha: T::ONE,
                    accumulate: false,
                    threads: 1,
                };
                // SAFETY: the slices have the lengths that the sizes and strides span, and are distinct.
                unsafe { T::gemm(call) };
                add_columns(g, position, columns, d_x);
            });
        }
    });
}

/// d_w: partial sums over parts of the positions, added up in order. A task takes the whole kernel, or
/// one row of it where the parts must be few because d_w is large.
pub fn backward_weight<T: Real>(op: &BackwardWeight, io: &mut Io<'_, T>) {
    let Io { ins: [d_y, x, ..], outs: [d_w, ..], .. } = io;
    let g = &op.geometry;
    let most_parts = (PARTIAL_LEN / d_w.len()).clamp(1, MAX_PARTS);
    let num_rows = if most_parts == MAX_PARTS { g.kernel } else { 1 };
    let (row_len, slabs_per_part) = (num_rows * g.run_len(), g.kernel / num_rows);
    let slab_len = g.channels_out * row_len;
    let block = block_positions(row_len);
    let part_len = g.positions().div_ceil(block).div_ceil(most_parts) * block;
    let num_parts = g.positions().div_ceil(part_len);
    with_scratch(num_parts * d_w.len(), |partial: &mut [T]| {
        partial.par_chunks_mut(slab_len).enumerate().for_each(|(task, slab)| {
            let (part, first_row) = (task / slabs_per_part, task % slabs_per_part * num_rows);
            let positions = part * part_len..g.positions().min((part + 1) * part_len);
            weight_slab(g, positions, first_row..first_row + num_rows, d_y, x, slab);
        });
        d_w.par_chunks_mut(g.patch_len()).enumerate().for_each(|(channel, d_w)| {
            d_w.fill(T::ZERO);
            for part in partial.chunks_exact(slabs_per_part * slab_len) {
                for (d_w, slab) in d_w.chunks_exact_mut(row_len).zip(part.chunks_exact(slab_len)) {
                    let row = &slab[channel * row_len..(channel + 1) * row_len];
                    d_w.iter_mut().zip(row).for_each(|(d_w, partial)| *d_w += *partial);
                }
            }
        });
    });
}

/// Positions of a block whose columns hold `len` values each.
fn block_positions(len: usize) -> usize {
    (BLOCK_LEN / len / 16 * 16).clamp(128, 1024)
}

/// y from x and the weight as [k²·Ci, Co], with `finish` on each block of y.
fn convolve<T: Real>(g: &Geometry, x: &[T], across: &[T], y: &mut [T], finish: impl Fn(&mut [T]) + Sync) {
    let (patch_len, width) = (g.patch_len(), g.channels_out);
    let block = block_positions(patch_len);
    y.par_chunks_mut(block * width).enumerate().for_each(|(block_ix, y)| {
        let count = y.len() / width;
        with_scratch(count * patch_len, |columns: &mut [T]| {
            copy_columns(g, block_ix * block, 0..g.kernel, x, columns);
            let call = GemmCall {
                sizes: [count, width, patch_len],
                dst: (y.as_mut_ptr(), width as isize, 1),
                lhs: (columns.as_ptr(), patch_len as isize, 1),
                rhs: (across.as_ptr(), width as isize, 1),
                alpha: T::ONE,
                accumulate: false,
                threads: 1,
            };
            // SAFETY: the slices have the lengths that the sizes and strides span, and are distinct.
            unsafe { T::gemm(call) };
        });
        finish(y);
    });
}

/// Gradient of some kernel rows [Co, rows·k·Ci] over some positions, block by block.
fn weight_slab<T: Real>(g: &Geometry, positions: Range<usize>, kernel_rows: Range<usize>, d_y: &[T], x: &[T], slab: &mut [T]) {
    let (row_len, width) = (kernel_rows.len() * g.run_len(), g.channels_out);
    let block = block_positions(row_len);
    for first in positions.clone().step_by(block) {
        let count = block.min(positions.end - first);
        with_scratch(count * row_len, |columns: &mut [T]| {
            copy_columns(g, first, kernel_rows.clone(), x, columns);
            let d_y = &d_y[first * width..(first + count) * width];
            let call = GemmCall {
                sizes: [width, row_len, count],
                dst: (slab.as_mut_ptr(), row_len as isize, 1),
                lhs: (d_y.as_ptr(), 1, width as isize),
                rhs: (columns.as_ptr(), row_len as isize, 1),
                alpha: T::ONE,
                accumulate: first > positions.start,
                threads: 1,
            };
            // SAFETY: the slices have the lengths that the sizes and strides span, and are distinct.
            unsafe { T::gemm(call) };
        });
    }
}

/// One row of the kernel over one row of an image: values and kernel columns that lie inside it.
struct Run {
    /// Values within the image.
    image: Range<usize>,
    /// Values within the run of k·Ci.
    inside: Range<usize>,
}

/// Where kernel row `kernel_row` of output position `position` (within its image) reads; nothing
/// when it lies in the padding.
#[inline(always)]
fn run_at(g: &Geometry, position: usize, kernel_row: usize) -> Run {
    let (row, column) = (position / g.width_out(), position % g.width_out());
    let y = (row * g.stride + kernel_row).wrapping_sub(g.padding);
    let left = column * g.stride;
    if y >= g.height {
        return Run { image: 0..0, inside: 0..0 };
    }
    let from = g.padding.saturating_sub(left).min(g.kernel);
    let to = (g.width + g.padding).saturating_sub(left).min(g.kernel).max(from);
    let start = y * g.width + (left + from).saturating_sub(g.padding);
    let ci = g.channels_in;
    Run { image: start * ci..(start + to - from) * ci, inside: from * ci..to * ci }
}

/// Copies the patches under `kernel_rows` of the positions from `first` on into columns.
fn copy_columns<T: Real>(g: &Geometry, first: usize, kernel_rows: Range<usize>, x: &[T], columns: &mut [T]) {
    let image_len = g.height * g.width * g.channels_in;
    for (ix, patch) in columns.chunks_exact_mut(kernel_rows.len() * g.run_len()).enumerate() {
        let (image_ix, position) = ((first + ix) / g.positions_per_image(), (first + ix) % g.positions_per_image());
        let image = &x[image_ix * image_len..(image_ix + 1) * image_len];
        for (kernel_row, column) in kernel_rows.clone().zip(patch.chunks_exact_mut(g.run_len())) {
            let run = run_at(g, position, kernel_row);
            column[..run.inside.start].fill(T::ZERO);
            column[run.inside.clone()].copy_from_slice(&image[run.image]);
            column[run.inside.end..].fill(T::ZERO);
        }
    }
}

/// Adds columns of the positions from `first` on back to the image they came from.
fn add_columns<T: Real>(g: &Geometry, first: usize, columns: &[T], image: &mut [T]) {
    let first = first % g.positions_per_image();
    vectorised(
        #[inline(always)]
        || {
            for (ix, patch) in columns.chunks_exact(g.patch_len()).enumerate() {
                for (kernel_row, column) in patch.chunks_exact(g.run_len()).enumerate() {
                    let run = run_at(g, first + ix, kernel_row);
                    for (to, from) in image[run.image].iter_mut().zip(&column[run.inside]) {
                        *to += *from;
                    }
                }
            }
        },
    );
}

fn add_bias<T: Real>(y: &mut [T], bias: &[T]) {
    vectorised(
        #[inline(always)]
        || {
            for row in y.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(y, bias)| *y += *bias);
            }
        },
    );
}
