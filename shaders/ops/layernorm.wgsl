// Layer normalisation over the last axis.
//
//   μ = mean(x),  ρ = 1/√(var(x) + ε),  y = (x − μ)·ρ·γ + β
//
// Grid      forward, backward_input: one row an invocation (T0, no barrier);
//           …_tiled: one row a workgroup (T1); again, …_partial, …_final: flat over elements
// Shapes    x, y [rows, width]; gamma, beta [width]; mean, rstd [rows]; partial [chunks, 2, width]
// Memory    …_tiled: WORKGROUP floats
// Consts    EPS, RESIDUAL, PARTIAL_ROWS, WORKGROUP; UNIT: numbers of y written at once, which divides width; y,
//           y_again, d_y: how they are stored
// Oracle    src/cpu/layernorm.rs
//# include lib/grid
//# include lib/half
//# include lib/reduce

struct Dims {
    rows: u32,
    width: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x: array<f32>;
@group(1) @binding(1) var<storage, read> gamma: array<f32>;
@group(1) @binding(2) var<storage, read> beta: array<f32>;
@group(1) @binding(3) var<storage, read_write> y: array<y_word>;
@group(1) @binding(4) var<storage, read_write> mean_saved: array<f32>;
@group(1) @binding(5) var<storage, read_write> rstd_saved: array<f32>;

// UNIT numbers of y from element `ix` on.
fn write_y(ix: u32, column: u32, row_mean: f32, row_rstd: f32) {
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        value[i] = (x[ix + i] - row_mean) * row_rstd * gamma[column + i] + beta[column + i];
    }
    set_y(ix / UNIT, value);
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row_ix = flat_index(global, groups, WORKGROUP);
    if (row_ix >= dims.rows) {
        return;
    }
    let start = row_ix * dims.width;
    var sum = 0.0;
    for (var column = 0u; column < dims.width; column++) {
        sum += x[start + column];
    }
    let mean = sum / f32(dims.width);
    var squares = 0.0;
    for (var column = 0u; column < dims.width; column++) {
        let centred = x[start + column] - mean;
        squares += centred * centred;
    }
    let rstd = 1.0 / sqrt(squares / f32(dims.width) + EPS);
    for (var column = 0u; column < dims.width; column += UNIT) {
        write_y(start + column, column, mean, rstd);
    }
    mean_saved[row_ix] = mean;
    rstd_saved[row_ix] = rstd;
}

@compute @workgroup_size(WORKGROUP)
fn forward_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_ix = flat_group(group, groups);
    if (row_ix >= dims.rows) {
        return;
    }
    let start = row_ix * dims.width;
    var sum = 0.0;
    for (var column = lane; column < dims.width; column += WORKGROUP) {
        sum += x[start + column];
    }
    let mean = group_sum(sum, lane) / f32(dims.width);
    var squares = 0.0;
    for (var column = lane; column < dims.width; column += WORKGROUP) {
        let centred = x[start + column] - mean;
        squares += centred * centred;
    }
    let rstd = 1.0 / sqrt(group_sum(squares, lane) / f32(dims.width) + EPS);
    for (var column = UNIT * lane; column < dims.width; column += UNIT * WORKGROUP) {
        write_y(start + column, column, mean, rstd);
    }
    if (lane == 0u) {
        mean_saved[row_ix] = mean;
        rstd_saved[row_ix] = rstd;
    }
}

@group(1) @binding(1) var<storage, read> mean_in: array<f32>;
@group(1) @binding(2) var<storage, read> rstd_in: array<f32>;
@group(1) @binding(3) var<storage, read> gamma_in: array<f32>;
@group(1) @binding(4) var<storage, read> beta_in: array<f32>;
@group(1) @binding(5) var<storage, read_write> y_again: array<y_again_word>;

@compute @workgroup_size(WORKGROUP)
fn again(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = UNIT * flat_index(global, groups, WORKGROUP);
    if (ix >= dims.rows * dims.width) {
        return;
    }
    let row_ix = ix / dims.width;
    let column = ix % dims.width;
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        value[i] = (x[ix + i] - mean_in[row_ix]) * rstd_in[row_ix] * gamma_in[column + i] + beta_in[column + i];
    }
    set_y_again(ix / UNIT, value);
}

@group(1) @binding(0) var<storage, read> d_y: array<d_y_word>;
@group(1) @binding(1) var<storage, read> x_saved: array<f32>;
@group(1) @binding(2) var<storage, read> mean: array<f32>;
@group(1) @binding(3) var<storage, read> rstd: array<f32>;
@group(1) @binding(4) var<storage, read> gamma_saved: array<f32>;
@group(1) @binding(5) var<storage, read> residual: array<f32>;
@group(1) @binding(6) var<storage, read_write> d_x: array<f32>;

fn write_d_x(ix: u32, column: u32, mean_g: f32, mean_gx: f32, row_mean: f32, row_rstd: f32) {
    let normalised = (x_saved[ix] - row_mean) * row_rstd;
    var value = row_rstd * (d_y_at(ix) * gamma_saved[column] - mean_g - normalised * mean_gx);
    if (RESIDUAL) {
        value += residual[ix];
    }
    d_x[ix] = value;
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row_ix = flat_index(global, groups, WORKGROUP);
    if (row_ix >= dims.rows) {
        return;
    }
    let start = row_ix * dims.width;
    let row_mean = mean[row_ix];
    let row_rstd = rstd[row_ix];
    var sum_g = 0.0;
    var sum_gx = 0.0;
    for (var column = 0u; column < dims.width; column++) {
        let g = d_y_at(start + column) * gamma_saved[column];
        sum_g += g;
        sum_gx += g * (x_saved[start + column] - row_mean) * row_rstd;
    }
    let count = f32(dims.width);
    for (var column = 0u; column < dims.width; column++) {
        write_d_x(start + column, column, sum_g / count, sum_gx / count, row_mean, row_rstd);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row_ix = flat_group(group, groups);
    if (row_ix >= dims.rows) {
        return;
    }
    let start = row_ix * dims.width;
    let row_mean = mean[row_ix];
    let row_rstd = rstd[row_ix];
    var sum_g = 0.0;
    var sum_gx = 0.0;
    for (var column = lane; column < dims.width; column += WORKGROUP) {
        let g = d_y_at(start + column) * gamma_saved[column];
        sum_g += g;
        sum_gx += g * (x_saved[start + column] - row_mean) * row_rstd;
    }
    let mean_g = group_sum(sum_g, lane) / f32(dims.width);
    let mean_gx = group_sum(sum_gx, lane) / f32(dims.width);
    for (var column = lane; column < dims.width; column += WORKGROUP) {
        write_d_x(start + column, column, mean_g, mean_gx, row_mean, row_rstd);
    }
}

@group(1) @binding(4) var<storage, read_write> partial: array<f32>;

// One column of one chunk of PARTIAL_ROWS rows an invocation.
@compute @workgroup_size(WORKGROUP)
fn backward_weight_partial(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let chunk = ix / dims.width;
    let column = ix % dims.width;
    if (chunk * PARTIAL_ROWS >= dims.rows) {
        return;
    }
    var sum_gamma = 0.0;
    var sum_beta = 0.0;
    let end = min((chunk + 1u) * PARTIAL_ROWS, dims.rows);
    for (var row_ix = chunk * PARTIAL_ROWS; row_ix < end; row_ix++) {
        let d = d_y_at(row_ix * dims.width + column);
        sum_gamma += d * (x_saved[row_ix * dims.width + column] - mean[row_ix]) * rstd[row_ix];
        sum_beta += d;
    }
    partial[chunk * 2u * dims.width + column] = sum_gamma;
    partial[(chunk * 2u + 1u) * dims.width + column] = sum_beta;
}

@group(1) @binding(0) var<storage, read> partial_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> d_gamma: array<f32>;
@group(1) @binding(2) var<storage, read_write> d_beta: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_weight_final(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let column = flat_index(global, groups, WORKGROUP);
    if (column >= dims.width) {
        return;
    }
    let num_chunks = (dims.rows + PARTIAL_ROWS - 1u) / PARTIAL_ROWS;
    var sum_gamma = 0.0;
    var sum_beta = 0.0;
    for (var chunk = 0u; chunk < num_chunks; chunk++) {
        sum_gamma += partial_in[chunk * 2u * dims.width + column];
        sum_beta += partial_in[(chunk * 2u + 1u) * dims.width + column];
    }
    d_gamma[column] = sum_gamma;
    d_beta[column] = sum_beta;
}
