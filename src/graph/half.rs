//! Numbers of 16 bits (IEEE 754 binary16): 11 significant bits, up to 65504, least 2⁻²⁴.
//!
//! The processor keeps them in the element type of its machine, rounded; a GPU keeps two in a word
//! (`shaders/lib/half.wgsl` rounds alike, to the bit).

/// The nearest f16, ties to even, widened again; infinite from 65520 on.
#[inline(always)]
pub fn rounded_f32(value: f32) -> f32 {
    let bits = value.to_bits();
    let size = bits & 0x7FFF_FFFF;
    let normal = (size + 0xFFF + (size >> 13 & 1)) & !0x1FFF;
    // Floats from ½ on are multiples of 2⁻²⁴, as f16 below 2⁻¹⁴ are.
    let small = ((f32::from_bits(size) + 0.5) - 0.5).to_bits();
    let rounded = if size < 0x3880_0000 { small } else { normal };
    let rounded = if size < 0x477F_F000 { rounded } else { 0x7F80_0000 };
    // NaN stays as it is.
    let rounded = if size > 0x7F80_0000 { size } else { rounded };
    f32::from_bits(bits & 0x8000_0000 | rounded)
}

/// The same from a double, rounded once.
#[inline(always)]
pub fn rounded_f64(value: f64) -> f64 {
    let size = value.abs();
    let dropped = (1u64 << 42) - 1;
    let bits = size.to_bits();
    let normal = f64::from_bits((bits + (dropped >> 1) + (bits >> 42 & 1)) & !dropped);
    // Doubles from 2²⁸ on are multiples of 2⁻²⁴.
    let shift = f64::from(1u32 << 28);
    let small = (size + shift) - shift;
    let rounded = match size {
        _ if size.is_nan() => size,
        _ if size >= 65_520.0 => f64::INFINITY,
        _ if size < f64::from(f32::from_bits(0x3880_0000)) => small,
        _ => normal,
    };
    rounded.copysign(value)
}

/// Whether both numbers in a word are finite, by their exponent bits.
pub fn are_finite(word: u32) -> bool {
    [word, word >> 16].iter().all(|half| half & 0x7C00 != 0x7C00)
}
