// Sums and multiples of values of one shape.
//
//   add: y = a + b        scale: y = FACTOR·a
//
// Grid      flat over elements
// Shapes    a, b, y [len]
// Memory    none
// Consts    FACTOR, WORKGROUP
// Oracle    src/cpu/elementwise.rs
//# include lib/grid

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> a: array<f32>;
@group(1) @binding(1) var<storage, read> b: array<f32>;
@group(1) @binding(2) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix < dims.len) {
        y[ix] = a[ix] + b[ix];
    }
}

@group(1) @binding(1) var<storage, read_write> scaled: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn scale(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix < dims.len) {
        scaled[ix] = a[ix] * FACTOR;
    }
}
