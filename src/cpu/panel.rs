//! Products of small matrices whose right factor lies in panels: dense rows of whole vectors.
//!
//! `gemm` packs both factors anew for every call, which costs as much as a product of a few hundred rows by a
//! head's width saves. Here the caller packs each factor once ([`pack`], [`pack_transposed`]) and uses it in
//! several products. The sums of up to 6 rows and 4 vectors stay in registers over the whole inner length, so
//! that every load of the right factor feeds 6 multiply-adds.

use pulp::{NullaryFnOnce, Simd, WithSimd};

use crate::graph::Real;

/// Elements that panels are padded to: whole vectors on every processor.
pub const PAD: usize = 16;
/// Rows of a register tile; what is left over goes by fewer.
const TILE_ROWS: usize = 6;
/// Bytes of the vectors that come with 32 registers, enough for tiles of 4 vectors; narrower ones make tiles of 2.
const WIDE_BYTES: usize = 64;

/// `len` rounded up to whole vectors.
pub fn padded(len: usize) -> usize {
    len.next_multiple_of(PAD)
}

/// dst[rows, columns] = lhs[rows, inner]·rhs[inner, columns] (+ dst).
#[derive(Debug)]
pub struct Product<'a, T> {
    /// Rows, columns (a multiple of [`PAD`]) and inner length.
    pub sizes: [usize; 3],
    /// Left factor, with row and column stride.
    pub lhs: (&'a [T], usize, usize),
    /// Right factor: rows of `columns`, side by side.
    pub rhs: &'a [T],
    /// Destination: rows of `columns`, side by side.
    pub dst: &'a mut [T],
    /// Whether to add to what `dst` holds.
    pub accumulate: bool,
}

/// A float that panels are made of.
pub trait Panel: Real {
    /// Makes the product on the calling thread.
    fn multiply(product: Product<'_, Self>);
}

/// Rows of `width` elements, `stride` apart and multiplied by `factor`, as rows of padded width.
#[inline(always)]
pub fn pack<T: Real>(dst: &mut [T], src: &[T], stride: usize, width: usize, factor: T) {
    for (dst, src) in dst.chunks_exact_mut(padded(width)).zip(src.chunks(stride)) {
        dst[..width].iter_mut().zip(src).for_each(|(dst, src)| *dst = *src * factor);
        dst[width..].fill(T::ZERO);
    }
}

/// The transpose of `rows` rows of `width` elements, `stride` apart: `width` rows of padded length.
#[inline(always)]
pub fn pack_transposed<T: Real>(dst: &mut [T], src: &[T], stride: usize, [rows, width]: [usize; 2]) {
    let long = padded(rows);
    for first in (0..rows).step_by(PAD) {
        let count = PAD.min(rows - first);
        for column in 0..width {
            let block = &mut dst[column * long + first..][..PAD];
            for (row, dst) in block[..count].iter_mut().enumerate() {
                *dst = src[(first + row) * stride + column];
            }
            block[count..].fill(T::ZERO);
        }
    }
}

/// A product whose bounds are checked, as addresses.
#[derive(Clone, Copy)]
struct Call<T> {
    rows: usize,
    columns: usize,
    inner: usize,
    lhs: *const T,
    lhs_strides: [usize; 2],
    rhs: *const T,
    dst: *mut T,
    accumulate: bool,
}

impl<T> Call<T> {
    fn checked(product: Product<'_, T>) -> Self {
        let Product { sizes: [rows, columns, inner], lhs: (lhs, row_stride, column_stride), rhs, dst, accumulate } = product;
        assert!(rows > 0 && inner > 0 && columns.is_multiple_of(PAD), "a product of {rows}×{columns}×{inner}");
        assert!(dst.len() >= rows * columns, "{} elements for {rows}×{columns}", dst.len());
        assert!(rhs.len() >= inner * columns, "{} elements for {inner}×{columns}", rhs.len());
        let last = (rows - 1) * row_stride + (inner - 1) * column_stride;
        assert!(last < lhs.len(), "element {last} of a left factor of {}", lhs.len());
        let lhs_strides = [row_stride, column_stride];
        Self { rows, columns, inner, lhs: lhs.as_ptr(), lhs_strides, rhs: rhs.as_ptr(), dst: dst.as_mut_ptr(), accumulate }
    }
}

macro_rules! panel_of {
    ($real:ident, $module:ident, $vector:ident, $splat:ident, $mul_add:ident, $add:ident) => {
        mod $module {
            use super::*;

            impl Panel for $real {
                fn multiply(product: Product<'_, Self>) {
                    pulp::Arch::new().dispatch(Whole(Call::checked(product)));
                }
            }

            struct Whole(Call<$real>);

            impl WithSimd for Whole {
                type Output = ();

                /// Columns in stretches of about equally many vectors.
                #[inline(always)]
                fn with_simd<S: Simd>(self, simd: S) {
                    let lanes = size_of::<S::$vector>() / size_of::<$real>();
                    let most = if size_of::<S::$vector>() >= WIDE_BYTES { 4 } else { 2 };
                    let vectors = self.0.columns / lanes;
                    let stretches = vectors.div_ceil(most);
                    let mut done = 0;
                    for stretch_ix in 0..stretches {
                        let width = (vectors - done).div_ceil(stretches - stretch_ix);
                        let (call, column) = (self.0, done * lanes);
                        match width {
                            4 => simd.vectorize(Stretch::<S, 4> { simd, call, column }),
                            3 => simd.vectorize(Stretch::<S, 3> { simd, call, column }),
                            2 => simd.vectorize(Stretch::<S, 2> { simd, call, column }),
                            _ => simd.vectorize(Stretch::<S, 1> { simd, call, column }),
                        }
                        done += width;
                    }
                }
            }

            struct Stretch<S, const WIDTH: usize> {
                simd: S,
                call: Call<$real>,
                column: usize,
            }

            impl<S: Simd, const WIDTH: usize> NullaryFnOnce for Stretch<S, WIDTH> {
                type Output = ();

                #[inline(always)]
                fn call(self) {
                    let mut row = 0;
                    while row + TILE_ROWS <= self.call.rows {
                        self.tile::<TILE_ROWS>(row);
                        row += TILE_ROWS;
                    }
                    while row + TILE_ROWS / 2 <= self.call.rows {
                        self.tile::<{ TILE_ROWS / 2 }>(row);
                        row += TILE_ROWS / 2;
                    }
                    (row..self.call.rows).for_each(|row| self.tile::<1>(row));
                }
            }

            impl<S: Simd, const WIDTH: usize> Stretch<S, WIDTH> {
                /// ROWS rows from `first` on, WIDTH vectors of each.
                #[inline(always)]
                fn tile<const ROWS: usize>(&self, first: usize) {
                    let Call { columns, inner, lhs, lhs_strides: [row_stride, column_stride], rhs, dst, accumulate, .. } = self.call;
                    let simd = self.simd;
                    let mut sums = [[simd.$splat(0.0); WIDTH]; ROWS];
                    for k in 0..inner {
                        // SAFETY: `Call::checked` has seen `inner` rows of `columns`, and `column` and WIDTH stay within.
                        let right = unsafe { rhs.add(k * columns + self.column).cast::<[S::$vector; WIDTH]>().read_unaligned() };
                        for (row, sums) in sums.iter_mut().enumerate() {
                            // SAFETY: `Call::checked` has seen the element of the last row and column.
                            let left = simd.$splat(unsafe { *lhs.add((first + row) * row_stride + k * column_stride) });
                            for (sum, right) in sums.iter_mut().zip(right) {
                                *sum = simd.$mul_add(left, right, *sum);
                            }
                        }
                    }
                    for (row, sums) in sums.into_iter().enumerate() {
                        // SAFETY: `Call::checked` has seen `rows` rows of `columns`, and `dst` is a unique borrow.
                        let dst = unsafe { &mut *dst.add((first + row) * columns + self.column).cast::<Unaligned<[S::$vector; WIDTH]>>() };
                        let Unaligned(mut kept) = *dst;
                        for (kept, sum) in kept.iter_mut().zip(sums) {
                            *kept = if accumulate { simd.$add(*kept, sum) } else { sum };
                        }
                        *dst = Unaligned(kept);
                    }
                }
            }
        }
    };
}

/// Vectors at any address.
#[derive(Clone, Copy)]
#[repr(C, packed)]
struct Unaligned<T>(T);

panel_of!(f32, single, f32s, splat_f32s, mul_add_e_f32s, add_f32s);
panel_of!(f64, double, f64s, splat_f64s, mul_add_e_f64s, add_f64s);
