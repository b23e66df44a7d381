// A vector added to every row, and the sum of the rows.
//
//   add: y = x + 1·biasᵀ        column_sum: sum = Σ_rows x
//
// Grid      add: flat over elements; …_partial: one column of PARTIAL_ROWS rows an invocation;
//           …_final: one column an invocation
// Shapes    x, y [rows, width]; bias, sum [width]; partial [chunks, width]
// Memory    none
// Consts    PARTIAL_ROWS, WORKGROUP; UNIT: numbers of y written at once, which divides width; x, y: how they are
//           stored
// Oracle    src/cpu/bias.rs
//# include lib/grid
//# include lib/half

struct Dims {
    rows: u32,
    width: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x: array<x_word>;
@group(1) @binding(1) var<storage, read> bias: array<f32>;
@group(1) @binding(2) var<storage, read_write> y: array<y_word>;

@compute @workgroup_size(WORKGROUP)
fn add(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (UNIT * ix >= dims.rows * dims.width) {
        return;
    }
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        value[i] = x_at(UNIT * ix + i) + bias[(UNIT * ix + i) % dims.width];
    }
    set_y(ix, value);
}

@group(1) @binding(1) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn column_sum_partial(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let chunk = ix / dims.width;
    let column = ix % dims.width;
    if (chunk * PARTIAL_ROWS >= dims.rows) {
        return;
    }
    var total = 0.0;
    let end = min((chunk + 1u) * PARTIAL_ROWS, dims.rows);
    for (var row_ix = chunk * PARTIAL_ROWS; row_ix < end; row_ix++) {
        total += x_at(row_ix * dims.width + column);
    }
    partial[ix] = total;
}

@group(1) @binding(0) var<storage, read> partial_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> sum: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn column_sum_final(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let column = flat_index(global, groups, WORKGROUP);
    if (column >= dims.width) {
        return;
    }
    let num_chunks = (dims.rows + PARTIAL_ROWS - 1u) / PARTIAL_ROWS;
    var total = 0.0;
    for (var chunk = 0u; chunk < num_chunks; chunk++) {
        total += partial_in[chunk * dims.width + column];
    }
    sum[column] = total;
}
