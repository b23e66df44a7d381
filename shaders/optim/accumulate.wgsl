// Gradients of micro-batches, added up.
//
//   total ← (first micro-batch ? 0 : total) + part
//
// Grid      flat over parameters
// Shapes    part, total [len]
// Memory    none
// Consts    WORKGROUP
// Oracle    src/cpu/accumulate.rs
//# include lib/grid

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> part: array<f32>;
@group(1) @binding(1) var<storage, read_write> total: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix >= dims.len) {
        return;
    }
    if (scalars.micro == 0u) {
        total[ix] = part[ix];
    } else {
        total[ix] += part[ix];
    }
}
