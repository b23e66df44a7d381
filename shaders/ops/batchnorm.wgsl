// Batch normalisation over all rows, with ReLU folded in on demand.
//
//   y = (x − μ)·ρ·γ + β, then max(·, 0) with RELU;  running ← running + momentum·(batch − running)
//
// Grid      …_partial: one column of one chunk of rows an invocation; …_final: one column an invocation
//           (T0), …_final_tiled: one column a workgroup (T1); the others: flat over elements
// Shapes    x, y, d_y, d_x [rows, width]; partial [num_chunks, 2, width]; sums [2, width]; others [width]
// Memory    …_tiled: WORKGROUP floats
// Consts    EPS, RELU, WORKGROUP; UNIT: numbers written at once, which divides width; x, y, d_y, d_x: how they are
//           stored
// Oracle    src/cpu/batchnorm.rs
//# include lib/grid
//# include lib/half
//# include lib/reduce

struct Dims {
    rows: u32,
    width: u32,
    chunk_rows: u32,
    num_chunks: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x: array<x_word>;
@group(1) @binding(1) var<storage, read_write> partial: array<f32>;

// Mean and sum of squared deviations of a chunk, around its own mean.
@compute @workgroup_size(WORKGROUP)
fn forward_partial(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let chunk = ix / dims.width;
    let column = ix % dims.width;
    if (chunk >= dims.num_chunks) {
        return;
    }
    let first = chunk * dims.chunk_rows;
    let end = min(first + dims.chunk_rows, dims.rows);
    // Around the first value: a mean far from zero costs no digits.
    let shift = x_at(first * dims.width + column);
    var sum = 0.0;
    for (var row_ix = first; row_ix < end; row_ix++) {
        sum += x_at(row_ix * dims.width + column) - shift;
    }
    let chunk_mean = shift + sum / f32(end - first);
    var squares = 0.0;
    for (var row_ix = first; row_ix < end; row_ix++) {
        let centred = x_at(row_ix * dims.width + column) - chunk_mean;
        squares += centred * centred;
    }
    partial[chunk * 2u * dims.width + column] = chunk_mean;
    partial[(chunk * 2u + 1u) * dims.width + column] = squares;
}

@group(1) @binding(0) var<storage, read> partial_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> mean_saved: array<f32>;
@group(1) @binding(2) var<storage, read_write> rstd_saved: array<f32>;
@group(1) @binding(3) var<storage, read_write> running_mean: array<f32>;
@group(1) @binding(4) var<storage, read_write> running_var: array<f32>;

fn chunk_len(chunk: u32) -> f32 {
    return f32(min(dims.chunk_rows, dims.rows - chunk * dims.chunk_rows));
}

// Share of the chunks from `first` on, in steps, in the mean's distance from that of chunk 0.
fn chunk_sum(column: u32, first: u32, step: u32) -> f32 {
    var sum = 0.0;
    for (var chunk = first; chunk < dims.num_chunks; chunk += step) {
        sum += chunk_len(chunk) * (partial_in[chunk * 2u * dims.width + column] - partial_in[column]);
    }
    return sum / f32(dims.rows);
}

fn chunk_squares(column: u32, first: u32, step: u32, batch_mean: f32) -> f32 {
    var sum = 0.0;
    for (var chunk = first; chunk < dims.num_chunks; chunk += step) {
        let centred = partial_in[chunk * 2u * dims.width + column] - batch_mean;
        sum += partial_in[(chunk * 2u + 1u) * dims.width + column] + chunk_len(chunk) * centred * centred;
    }
    return sum;
}

fn is_finite(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

fn write_moments(column: u32, batch_mean: f32, squares: f32) {
    mean_saved[column] = batch_mean;
    rstd_saved[column] = 1.0 / sqrt(squares / f32(dims.rows) + EPS);
    let unbiased = squares / f32(dims.rows - 1u);
    if (is_finite(batch_mean) && is_finite(unbiased)) {
        running_mean[column] += scalars.bn_momentum * (batch_mean - running_mean[column]);
        running_var[column] += scalars.bn_momentum * (unbiased - running_var[column]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward_final(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let column = flat_index(global, groups, WORKGROUP);
    if (column >= dims.width) {
        return;
    }
    let batch_mean = partial_in[column] + chunk_sum(column, 0u, 1u);
    write_moments(column, batch_mean, chunk_squares(column, 0u, 1u, batch_mean));
}

@compute @workgroup_size(WORKGROUP)
fn forward_final_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = flat_group(group, groups);
    if (column >= dims.width) {
        return;
    }
    let batch_mean = partial_in[column] + group_sum(chunk_sum(column, lane, WORKGROUP), lane);
    let squares = group_sum(chunk_squares(column, lane, WORKGROUP, batch_mean), lane);
    if (lane == 0u) {
        write_moments(column, batch_mean, squares);
    }
}

@group(1) @binding(1) var<storage, read> mean: array<f32>;
@group(1) @binding(2) var<storage, read> rstd: array<f32>;
@group(1) @binding(2) var<storage, read> var_in: array<f32>;
@group(1) @binding(3) var<storage, read> gamma: array<f32>;
@group(1) @binding(4) var<storage, read> beta: array<f32>;
@group(1) @binding(5) var<storage, read_write> y: array<y_word>;

fn value_of(ix: u32, column: u32, column_rstd: f32) -> f32 {
    let value = (x_at(ix) - mean[column]) * (column_rstd * gamma[column]) + beta[column];
    // Written so that NaN passes through.
    return select(value, 0.0, RELU && value <= 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn forward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = UNIT * flat_index(global, groups, WORKGROUP);
    if (first >= dims.rows * dims.width) {
        return;
    }
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        let ix = first + i;
        value[i] = value_of(ix, ix % dims.width, rstd[ix % dims.width]);
    }
    set_y(first / UNIT, value);
}

@compute @workgroup_size(WORKGROUP)
fn evaluate(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = UNIT * flat_index(global, groups, WORKGROUP);
    if (first >= dims.rows * dims.width) {
        return;
    }
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        let ix = first + i;
        value[i] = value_of(ix, ix % dims.width, 1.0 / sqrt(var_in[ix % dims.width] + EPS));
    }
    set_y(first / UNIT, value);
}

@group(1) @binding(5) var<storage, read> d_y: array<d_y_word>;
@group(1) @binding(6) var<storage, read_write> d_partial: array<f32>;

// The gradient that the ReLU lets through.
fn passed(ix: u32, column: u32) -> f32 {
    let value = (x_at(ix) - mean[column]) * (rstd[column] * gamma[column]) + beta[column];
    return select(d_y_at(ix), 0.0, RELU && value <= 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn backward_partial(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let chunk = ix / dims.width;
    let column = ix % dims.width;
    if (chunk >= dims.num_chunks) {
        return;
    }
    var sum_gamma = 0.0;
    var sum_beta = 0.0;
    let end = min((chunk + 1u) * dims.chunk_rows, dims.rows);
    for (var row_ix = chunk * dims.chunk_rows; row_ix < end; row_ix++) {
        let at = row_ix * dims.width + column;
        let g = passed(at, column);
        sum_gamma += g * (x_at(at) - mean[column]) * rstd[column];
        sum_beta += g;
    }
    d_partial[chunk * 2u * dims.width + column] = sum_gamma;
    d_partial[(chunk * 2u + 1u) * dims.width + column] = sum_beta;
}

@group(1) @binding(1) var<storage, read_write> d_gamma: array<f32>;
@group(1) @binding(2) var<storage, read_write> d_beta: array<f32>;
@group(1) @binding(3) var<storage, read_write> sums: array<f32>;

fn gradient_sum(part: u32, column: u32, first: u32, step: u32) -> f32 {
    var sum = 0.0;
    for (var chunk = first; chunk < dims.num_chunks; chunk += step) {
        sum += partial_in[(chunk * 2u + part) * dims.width + column];
    }
    return sum;
}

fn write_sums(column: u32, sum_gamma: f32, sum_beta: f32) {
    d_gamma[column] = sum_gamma;
    d_beta[column] = sum_beta;
    sums[column] = sum_gamma;
    sums[dims.width + column] = sum_beta;
}

@compute @workgroup_size(WORKGROUP)
fn backward_final(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let column = flat_index(global, groups, WORKGROUP);
    if (column < dims.width) {
        write_sums(column, gradient_sum(0u, column, 0u, 1u), gradient_sum(1u, column, 0u, 1u));
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_final_tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = flat_group(group, groups);
    if (column >= dims.width) {
        return;
    }
    let sum_gamma = group_sum(gradient_sum(0u, column, lane, WORKGROUP), lane);
    let sum_beta = group_sum(gradient_sum(1u, column, lane, WORKGROUP), lane);
    if (lane == 0u) {
        write_sums(column, sum_gamma, sum_beta);
    }
}

@group(1) @binding(6) var<storage, read> sums_in: array<f32>;
@group(1) @binding(7) var<storage, read_write> d_x: array<d_x_word>;

@compute @workgroup_size(WORKGROUP)
fn backward_input(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = UNIT * flat_index(global, groups, WORKGROUP);
    if (first >= dims.rows * dims.width) {
        return;
    }
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        let ix = first + i;
        let column = ix % dims.width;
        let normalised = (x_at(ix) - mean[column]) * rstd[column];
        let mean_g = sums_in[dims.width + column] / f32(dims.rows);
        let mean_gx = sums_in[column] / f32(dims.rows);
        value[i] = gamma[column] * rstd[column] * (passed(ix, column) - mean_g - normalised * mean_gx);
    }
    set_d_x(first / UNIT, value);
}
