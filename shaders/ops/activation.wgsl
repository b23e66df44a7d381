// Pointwise non-linearities.
//
//   gelu(x) = x·Φ(x)        relu(x) = max(x, 0)
//
// Grid      flat over units of elements
// Shapes    x, y, d_y, d_x, saved, y_again [len]; saved is x (GELU) or y (ReLU)
// Memory    none
// Consts    GELU, WORKGROUP; UNIT: numbers written at once, which divides len; x, y, d_y, saved, d_x, y_again: how
//           they are stored
// Oracle    src/cpu/activation.rs
//# include lib/grid
//# include lib/erf
//# include lib/half

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x: array<x_word>;
@group(1) @binding(1) var<storage, read_write> y: array<y_word>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (UNIT * ix >= dims.len) {
        return;
    }
    var made: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        let value = x_at(UNIT * ix + i);
        if (GELU) {
            made[i] = gelu(value);
        } else {
            // NaN fails the comparison and passes through.
            made[i] = select(value, 0.0, value <= 0.0);
        }
    }
    set_y(ix, made);
}

@group(1) @binding(0) var<storage, read> d_y: array<d_y_word>;
@group(1) @binding(1) var<storage, read> saved: array<saved_word>;
@group(1) @binding(2) var<storage, read_write> d_x: array<d_x_word>;

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (UNIT * ix >= dims.len) {
        return;
    }
    var made: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        let value = saved_at(UNIT * ix + i);
        let d = d_y_at(UNIT * ix + i);
        if (GELU) {
            made[i] = d * gelu_slope(value);
        } else {
            made[i] = select(0.0, d, value > 0.0);
        }
    }
    set_d_x(ix, made);
}

@group(1) @binding(3) var<storage, read_write> y_again: array<y_again_word>;

@compute @workgroup_size(WORKGROUP)
fn backward_again(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (UNIT * ix >= dims.len) {
        return;
    }
    var made: vec4<f32>;
    var again: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        let value = saved_at(UNIT * ix + i);
        made[i] = d_y_at(UNIT * ix + i) * gelu_slope(value);
        again[i] = gelu(value);
    }
    set_d_x(ix, made);
    set_y_again(ix, again);
}
