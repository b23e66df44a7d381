// Counter-based random numbers; twin of src/rng.rs (compared bit for bit by a test).

fn rng_words(seed: u32, stream: u32, step: u32, index: u32) -> vec4<u32> {
    var v = vec4<u32>(seed, stream, step, index) * 1664525u + 1013904223u;
    v = rng_stir(v);
    v ^= v >> vec4<u32>(16u);
    return rng_stir(v);
}

fn rng_stir(start: vec4<u32>) -> vec4<u32> {
    var v = start;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}

// Uniform in [0, 1) with 24 bits.
fn rng_unit(word: u32) -> f32 {
    return f32(word >> 8u) * (1.0 / 16777216.0);
}
