// Bytes to normalised floats.
//
//   y = table[channel][byte], and 0 from image `valid` of the pass on
//
// Grid      one word (four bytes) an invocation
// Shapes    bytes [len / 4, rounded up], the first byte in the lowest bits; table [3, 256]; y [len] = [B, S, S, 3]
// Memory    none
// Consts    WORKGROUP
// Oracle    src/cpu/normalise.rs
//# include lib/grid

struct Dims {
    len: u32,
    image_len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> bytes: array<u32>;
@group(1) @binding(1) var<storage, read> table: array<f32>;
@group(1) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let word_ix = flat_index(global, groups, WORKGROUP);
    let first = 4u * word_ix;
    if (first >= dims.len) {
        return;
    }
    let word = bytes[word_ix];
    let valid_len = u32(scalars.valid) * dims.image_len;
    let end = min(first + 4u, dims.len);
    for (var ix = first; ix < end; ix++) {
        let byte = (word >> (8u * (ix - first))) & 255u;
        y[ix] = select(0.0, table[ix % 3u * 256u + byte], ix < valid_len);
    }
}
