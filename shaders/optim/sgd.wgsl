// SGD with momentum and L2 decay.
//
//   g ← clip·g + wd·p;  b ← μ·b + g;  p ← p − lr·b
//
// Grid      flat over parameters
// Shapes    gradients, parameters, momentum [len]; norm [4]
// Memory    none
// Consts    MU, WORKGROUP
// Oracle    src/cpu/sgd.rs
//# include lib/grid

struct Dims {
    len: u32,
    decayed_len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> gradients: array<f32>;
@group(1) @binding(1) var<storage, read> norm: array<f32>;
@group(1) @binding(2) var<storage, read_write> parameters: array<f32>;
@group(1) @binding(3) var<storage, read_write> momentum: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn step(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    // norm[2]: a gradient of this step is not finite, so nothing is changed.
    if (ix >= dims.len || norm[2] != 0.0) {
        return;
    }
    let p = parameters[ix];
    let decay = select(0.0, scalars.weight_decay, ix < dims.decayed_len);
    let b = MU * momentum[ix] + (gradients[ix] * norm[1] + decay * p);
    momentum[ix] = b;
    parameters[ix] = p - scalars.lr * b;
}
