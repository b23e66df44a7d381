// Pointwise non-linearities.
//
//   gelu(x) = x·Φ(x)        relu(x) = max(x, 0)
//
// Grid      flat over elements
// Shapes    x, y, d_y, d_x, saved, y_again [len]; saved is x (GELU) or y (ReLU)
// Memory    none
// Consts    GELU, WORKGROUP
// Oracle    src/cpu/activation.rs
//# include lib/grid
//# include lib/erf

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x: array<f32>;
@group(1) @binding(1) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix >= dims.len) {
        return;
    }
    let value = x[ix];
    if (GELU) {
        y[ix] = gelu(value);
    } else {
        // NaN fails the comparison and passes through.
        y[ix] = select(value, 0.0, value <= 0.0);
    }
}

@group(1) @binding(0) var<storage, read> d_y: array<f32>;
@group(1) @binding(1) var<storage, read> saved: array<f32>;
@group(1) @binding(2) var<storage, read_write> d_x: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix >= dims.len) {
        return;
    }
    if (GELU) {
        d_x[ix] = d_y[ix] * gelu_slope(saved[ix]);
    } else {
        d_x[ix] = select(0.0, d_y[ix], saved[ix] > 0.0);
    }
}

@group(1) @binding(3) var<storage, read_write> y_again: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_again(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix >= dims.len) {
        return;
    }
    let value = saved[ix];
    d_x[ix] = d_y[ix] * gelu_slope(value);
    y_again[ix] = gelu(value);
}
