// AdamW: Adam with decoupled weight decay.
//
//   p ← p·(1 − lr·wd);  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²
//   p ← p − (lr/(1−β₁ᵗ))·m / (√v/√(1−β₂ᵗ) + ε)
//
// Grid      flat over parameters
// Shapes    gradients, parameters, momentum, variance [len]; norm [4]
// Memory    none
// Consts    BETA1, BETA2, ONE_MINUS_BETA1, ONE_MINUS_BETA2, EPS, WORKGROUP
// Oracle    src/cpu/adamw.rs
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
@group(1) @binding(4) var<storage, read_write> variance: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn step(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    // norm[2]: a gradient of this step is not finite, so nothing is changed.
    if (ix >= dims.len || norm[2] != 0.0) {
        return;
    }
    let g = gradients[ix] * norm[1];
    let decay = select(0.0, scalars.lr * scalars.weight_decay, ix < dims.decayed_len);
    let m = BETA1 * momentum[ix] + ONE_MINUS_BETA1 * g;
    let v = BETA2 * variance[ix] + ONE_MINUS_BETA2 * g * g;
    let denominator = sqrt(v) / sqrt(scalars.bias_correction2) + EPS;
    parameters[ix] = parameters[ix] * (1.0 - decay) - (scalars.lr / scalars.bias_correction1) * m / denominator;
    momentum[ix] = m;
    variance[ix] = v;
}
