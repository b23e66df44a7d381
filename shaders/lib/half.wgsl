// Numbers of 16 bits, two in a word, the first one in its low half.

// Number `ix` of an array, from the word that holds it.
fn half_of(word: u32, ix: u32) -> f32 {
    let pair = unpack2x16float(word);
    return select(pair.x, pair.y, ix % 2u == 1u);
}

fn four_halves(words: vec2<u32>) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

// Rounded to the nearest, ties to even, and infinite from 65520 on: WGSL leaves open how pack2x16float
// rounds and what it makes of numbers beyond its range. Twin of `rounded_f32` in src/graph/half.rs.
fn half_words(value: vec4<f32>) -> vec2<u32> {
    let bits = bitcast<vec4<u32>>(value);
    let size = bits & vec4<u32>(0x7fffffffu);
    let normal = (size + 0xfffu + ((size >> vec4<u32>(13u)) & vec4<u32>(1u)) - 0x38000000u) >> vec4<u32>(13u);
    // Floats from 0.5 on are multiples of 2⁻²⁴, as numbers of 16 bits below 2⁻¹⁴ are.
    let small = bitcast<vec4<u32>>(bitcast<vec4<f32>>(size) + 0.5) - 0x3f000000u;
    var half = select(normal, small, size < vec4<u32>(0x38800000u));
    half = select(half, vec4<u32>(0x7c00u), size >= vec4<u32>(0x477ff000u));
    half = select(half, vec4<u32>(0x7e00u), size > vec4<u32>(0x7f800000u));
    half |= (bits >> vec4<u32>(16u)) & vec4<u32>(0x8000u);
    return half.xz | (half.yw << vec2<u32>(16u));
}
