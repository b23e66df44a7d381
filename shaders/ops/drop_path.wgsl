// Drop-path: the branch of a residual is left out for some samples.
//
//   y[b] = x[b]·m_b,  m_b = 0 with chance DROP_FRAC, else 1/(1 − DROP_FRAC)
//
// Grid      flat over units of elements
// Shapes    x, y [len] = [B, sample_len]
// Memory    none
// Consts    DROP_FRAC, STREAM, WORKGROUP; UNIT: numbers written at once, which divides sample_len; x, y: how they
//           are stored
// Oracle    src/cpu/drop_path.rs
//# include lib/grid
//# include lib/half
//# include lib/rng

struct Dims {
    len: u32,
    sample_len: u32,
    branch_ix: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x: array<x_word>;
@group(1) @binding(1) var<storage, read_write> y: array<y_word>;

@compute @workgroup_size(WORKGROUP)
fn apply(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (UNIT * ix >= dims.len) {
        return;
    }
    let index = (scalars.draw << 24u) ^ (dims.branch_ix << 12u) ^ (UNIT * ix / dims.sample_len);
    let draw = rng_unit(rng_words(scalars.seed, STREAM, scalars.step, index).x);
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        value[i] = x_at(UNIT * ix + i) * select(1.0 / (1.0 - DROP_FRAC), 0.0, draw < DROP_FRAC);
    }
    set_y(ix, value);
}
