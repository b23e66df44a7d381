// Cross-entropy with soft targets.
//
//   row_loss = −Σ_k y_k·log_softmax(z)_k        d_z = (softmax(z)·Σ y − y)·loss_scale/B (·scale with SCALED)
//
// Grid      one row an invocation
// Shapes    logits, targets, d_logits [batch, classes]; row_loss [batch]; scale: its first word
// Memory    none
// Consts    SCALED, WORKGROUP
// Oracle    src/cpu/cross_entropy.rs
//# include lib/grid

struct Dims {
    batch: u32,
    classes: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> logits: array<f32>;
@group(1) @binding(1) var<storage, read> targets: array<f32>;
@group(1) @binding(2) var<storage, read_write> row_loss: array<f32>;

fn log_sum_exp(start: u32) -> f32 {
    var largest = logits[start];
    for (var class_ix = 1u; class_ix < dims.classes; class_ix++) {
        largest = max(largest, logits[start + class_ix]);
    }
    var sum = 0.0;
    for (var class_ix = 0u; class_ix < dims.classes; class_ix++) {
        sum += exp(logits[start + class_ix] - largest);
    }
    return largest + log(sum);
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row_ix = flat_index(global, groups, WORKGROUP);
    if (row_ix >= dims.batch) {
        return;
    }
    if (row_ix >= u32(scalars.valid)) {
        row_loss[row_ix] = 0.0;
        return;
    }
    let start = row_ix * dims.classes;
    let log_sum = log_sum_exp(start);
    var loss = 0.0;
    for (var class_ix = 0u; class_ix < dims.classes; class_ix++) {
        loss += targets[start + class_ix] * (log_sum - logits[start + class_ix]);
    }
    row_loss[row_ix] = loss;
}

@group(1) @binding(2) var<storage, read_write> d_logits: array<f32>;
@group(1) @binding(3) var<storage, read> scale: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row_ix = flat_index(global, groups, WORKGROUP);
    if (row_ix >= dims.batch) {
        return;
    }
    let start = row_ix * dims.classes;
    let log_sum = log_sum_exp(start);
    var mass = 0.0;
    for (var class_ix = 0u; class_ix < dims.classes; class_ix++) {
        mass += targets[start + class_ix];
    }
    var factor = scalars.loss_scale / f32(dims.batch);
    if (SCALED) {
        factor *= scale[0];
    }
    for (var class_ix = 0u; class_ix < dims.classes; class_ix++) {
        let ix = start + class_ix;
        d_logits[ix] = (exp(logits[ix] - log_sum) * mass - targets[ix]) * factor;
    }
}
