// Sharpness-aware minimisation: up the slope before the second pass, and back after it.
//
//   ascend:  saved ← p;  p ← p + ρ·g/(norm + 1e-12)   (ADAPTIVE: p + ρ·p²∘g/(norm + 1e-12))
//   restore: p ← saved
//
// Grid      flat over parameters
// Shapes    gradients, parameters, saved [len]; norm [4]
// Memory    none
// Consts    ADAPTIVE, WORKGROUP
// Oracle    src/cpu/sam.rs
//# include lib/grid

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> gradients: array<f32>;
@group(1) @binding(1) var<storage, read> norm: array<f32>;
@group(1) @binding(2) var<storage, read_write> parameters: array<f32>;
@group(1) @binding(3) var<storage, read_write> saved: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn ascend(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix >= dims.len) {
        return;
    }
    let p = parameters[ix];
    saved[ix] = p;
    // norm[2]: a gradient of this step is not finite, so nothing is changed.
    if (norm[2] == 0.0) {
        let weight = select(1.0, p * p, ADAPTIVE);
        parameters[ix] = p + scalars.sam_rho / (norm[0] + 1e-12) * weight * gradients[ix];
    }
}

@group(1) @binding(0) var<storage, read> saved_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> restored: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn restore(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix < dims.len) {
        restored[ix] = saved_in[ix];
    }
}
