// Non-finite values by their exponent bits: `x != x` is optimised away by some drivers. Load the
// value as u32; a NaN that passes through an f32 register may lose its bits.
fn is_finite_bits(bits: u32) -> bool {
    return (bits & 0x7F800000u) != 0x7F800000u;
}
