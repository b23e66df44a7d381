// Sums and multiples of values of one shape.
//
//   add: y = a + b        scale: y = FACTOR·a
//
// Grid      flat over elements
// Shapes    a, b, y [len]
// Memory    none
// Consts    FACTOR, WORKGROUP; UNIT: numbers of `scaled` written at once, which divides len; a, b, scaled: how they
//           are stored
// Oracle    src/cpu/elementwise.rs
//# include lib/grid
//# include lib/half

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> a: array<a_word>;
@group(1) @binding(1) var<storage, read> b: array<b_word>;
@group(1) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix < dims.len) {
        y[ix] = a_at(ix) + b_at(ix);
    }
}

@group(1) @binding(1) var<storage, read_write> scaled: array<scaled_word>;

@compute @workgroup_size(WORKGROUP)
fn scale(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (UNIT * ix >= dims.len) {
        return;
    }
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        value[i] = a_at(UNIT * ix + i) * FACTOR;
    }
    set_scaled(ix, value);
}
