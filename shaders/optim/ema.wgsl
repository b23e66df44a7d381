// Running average.
//
//   e ← d·e + (1 − d)·p
//
// Grid      flat over elements
// Shapes    value, mean [len]
// Memory    none
// Consts    WORKGROUP
// Oracle    src/cpu/ema.rs
//# include lib/grid

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> value: array<f32>;
@group(1) @binding(1) var<storage, read_write> mean: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn average(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix < dims.len) {
        mean[ix] = scalars.ema_decay * mean[ix] + (1.0 - scalars.ema_decay) * value[ix];
    }
}
