//! Element types (f32: the devices; f64: the oracle) and the numbers that change from step to step.

use std::fmt::Debug;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use super::half;
use crate::platform::mul_add;

/// A float the definitions are written in.
pub trait Real:
    Copy
    + Default
    + Debug
    + PartialOrd
    + Send
    + Sync
    + bytemuck::Pod
    + Sum
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The nearest value.
    fn of(value: f64) -> Self;
    /// Widened.
    fn to_f64(self) -> f64;
    /// √x.
    fn sqrt(self) -> Self;
    /// eˣ. f32: a polynomial good to 2 ulp that compilers vectorise; underflows to 0 below −87.
    fn exp(self) -> Self;
    /// ln x.
    fn ln(self) -> Self;
    /// Φ(x) and φ(x) of the standard normal. f32: absolute error below 2e-7, vectorised by compilers.
    fn normal(self) -> (Self, Self);
    /// |x|.
    fn abs(self) -> Self;
    /// The larger; a NaN on either side may win or lose.
    fn max(self, other: Self) -> Self;
    /// Whether neither infinite nor NaN, by the exponent bits.
    fn is_finite_bits(self) -> bool;
    /// Four bytes in the place of a number; [`Real::word`] gives them back, nothing else may look at it.
    fn from_word(word: u32) -> Self;
    /// The bytes of [`Real::from_word`].
    fn word(self) -> u32;
    /// The nearest number of 16 bits (see [`half`]).
    fn rounded_to_half(self) -> Self;
    /// `dst[m, n] = alpha·lhs[m, k]·rhs[k, n] + beta·dst`.
    ///
    /// # Safety
    /// Every element that the sizes and strides reach must be valid, and `dst` must not overlap the others.
    unsafe fn gemm(call: GemmCall<Self>);
}

/// Arguments of a matrix product; strides in elements.
#[derive(Clone, Copy, Debug)]
pub struct GemmCall<T> {
    /// Rows, columns and inner length.
    pub sizes: [usize; 3],
    /// Destination, with row and column stride.
    pub dst: (*mut T, isize, isize),
    /// Left factor, with row and column stride.
    pub lhs: (*const T, isize, isize),
    /// Right factor, with row and column stride.
    pub rhs: (*const T, isize, isize),
    /// Factor on the product.
    pub alpha: T,
    /// Whether to add to what `dst` holds.
    pub accumulate: bool,
    /// Threads; 1: the calling one only.
    pub threads: usize,
}

macro_rules! gemm_of {
    ($real:ty) => {
        unsafe fn gemm(call: GemmCall<Self>) {
            let [m, n, k] = call.sizes;
            let parallelism = if call.threads > 1 { gemm::Parallelism::Rayon(call.threads) } else { gemm::Parallelism::None };
            // SAFETY: the caller vouches for every pointer, size and stride.
            unsafe {
                gemm::gemm::<$real>(
                    m,
                    n,
                    k,
                    call.dst.0,
                    call.dst.2,
                    call.dst.1,
                    call.accumulate,
                    call.lhs.0,
                    call.lhs.2,
                    call.lhs.1,
                    call.rhs.0,
                    call.rhs.2,
                    call.rhs.1,
                    1.0,
                    call.alpha,
                    false,
                    false,
                    false,
                    parallelism,
                );
            }
        }
    };
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        exp_f32(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }
    #[inline(always)]
    fn normal(self) -> (Self, Self) {
        normal_f32(self)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn is_finite_bits(self) -> bool {
        self.to_bits() & 0x7F80_0000 != 0x7F80_0000
    }
    #[inline(always)]
    fn from_word(word: u32) -> Self {
        f32::from_bits(word)
    }
    #[inline(always)]
    fn word(self) -> u32 {
        self.to_bits()
    }
    #[inline(always)]
    fn rounded_to_half(self) -> Self {
        half::rounded_f32(self)
    }
    gemm_of!(f32);
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }
    #[inline(always)]
    fn normal(self) -> (Self, Self) {
        // erfc, not 1 + erf: the lower tail keeps its digits.
        let density = (-0.5 * self * self).exp() / (2.0 * std::f64::consts::PI).sqrt();
        (0.5 * libm::erfc(-self * std::f64::consts::FRAC_1_SQRT_2), density)
    }
    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }
    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
    #[inline(always)]
    fn is_finite_bits(self) -> bool {
        self.to_bits() & 0x7FF0_0000_0000_0000 != 0x7FF0_0000_0000_0000
    }
    #[inline(always)]
    fn from_word(word: u32) -> Self {
        f64::from_bits(word.into())
    }
    #[inline(always)]
    fn word(self) -> u32 {
        self.to_bits() as u32
    }
    #[inline(always)]
    fn rounded_to_half(self) -> Self {
        half::rounded_f64(self)
    }
    gemm_of!(f64);
}

/// Rounds to an integer when added: 1.5·2²³, after which the integer stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// eˣ = 2ⁿ·eʳ for |x| ≤ 88.8: eʳ, and n as an integer. Cody–Waite reduction and a degree-6
/// polynomial (the coefficients of Cephes' `expf`); branch-free, so that loops over it vectorise.
#[inline(always)]
fn exp_parts(x: f32) -> (f32, i32) {
    // ln 2 in two parts, so that n times the first is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let rounded = mul_add(x, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = mul_add(n, -LN2_LOW, mul_add(n, -LN2_HIGH, x));
    let mut p = mul_add(1.987_569_2e-4, r, 1.398_2e-3);
    p = mul_add(p, r, 8.333_452e-3);
    p = mul_add(p, r, 4.166_579_6e-2);
    p = mul_add(p, r, 1.666_666_5e-1);
    p = mul_add(p, r, 5.0e-1);
    (mul_add(p * r, r, r) + 1.0, (rounded.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32))
}

/// 2ⁿ for −127 < n < 128.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    let clamped = if x > 88.722 { 88.722 } else { x };
    let clamped = if clamped < -87.336 { -87.336 } else { clamped };
    let (e, n) = exp_parts(clamped);
    // In two factors, since n reaches 128.
    let half = n >> 1;
    let result = e * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    let result = if x < -87.336 { 0.0 } else { result };
    if x > 88.722 { f32::INFINITY } else { result }
}

/// Φ(x) and φ(x): an odd polynomial fitted for |x| ≤ √2, and beyond it the tail of Abramowitz &
/// Stegun 7.1.26 (1.5e-7). Both are computed and share e^(−x²/2), so loops vectorise.
#[inline(always)]
fn normal_f32(x: f32) -> (f32, f32) {
    let square = 0.5 * x * x;
    let (e, n) = exp_parts(if square > 87.0 { -87.0 } else { -square });
    let e = e * power_of_two(n);
    let y = x * std::f32::consts::FRAC_1_SQRT_2;
    let a = if y < 0.0 { -y } else { y };
    let mut p = mul_add(7.882_497_4e-5, square, -8.018_855e-4);
    p = mul_add(p, square, 5.189_312e-3);
    p = mul_add(p, square, -2.685_432_9e-2);
    p = mul_add(p, square, 1.128_359_7e-1);
    p = mul_add(p, square, -3.761_262_6e-1);
    p = mul_add(p, square, std::f32::consts::FRAC_2_SQRT_PI);
    let t = 1.0 / mul_add(0.327_591_1, a, 1.0);
    let mut q = mul_add(1.061_405_4, t, -1.453_152);
    q = mul_add(q, t, 1.421_413_7);
    q = mul_add(q, t, -0.284_496_74);
    q = mul_add(q, t, 0.254_829_6);
    let tail = 0.5 * q * t * e;
    let outer = if x < 0.0 { tail } else { 1.0 - tail };
    let inner = mul_add(0.5 * y, p, 0.5);
    // 1/√(2π)
    (if a <= 1.0 { inner } else { outer }, 0.398_942_3 * e)
}

/// Numbers that change from step to step: one small buffer, never part of a plan.
///
/// The layout is that of `Scalars` in `shaders/lib/scalars.wgsl` (compared by a test).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct Scalars {
    /// Folded seed of every draw on the device.
    pub seed: u32,
    /// Optimiser step, from 0.
    pub step: u32,
    /// Distinguishes the passes of one step: micro-batch and, for SAM, which pass.
    pub draw: u32,
    /// Slot of the ring this step reports to.
    pub ring_slot: u32,
    /// Micro-batch within the step; 0 clears what the others add to.
    pub micro: u32,
    /// 1: this pass reports loss and accuracy (SAM's second pass does not).
    pub report: u32,
    /// Learning rate of this step.
    pub lr: f32,
    /// Decay of this step, for the decayed group.
    pub weight_decay: f32,
    /// 1 − β₁ᵗ.
    pub bias_correction1: f32,
    /// 1 − β₂ᵗ.
    pub bias_correction2: f32,
    /// Momentum of running statistics; 0 leaves them alone.
    pub bn_momentum: f32,
    /// Largest gradient norm; 0: no clipping.
    pub clip_norm: f32,
    /// Factor on the loss gradient: 1 / micro-batches. (The loss scale of f16 lies in a region of its own.)
    pub loss_scale: f32,
    /// SAM's ρ.
    pub sam_rho: f32,
    /// Decay of the averaged weights in this step.
    pub ema_decay: f32,
    /// Images of the micro-batch that count (the rest is padding).
    pub valid: f32,
}
