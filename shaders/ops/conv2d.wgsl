// Convolution of images with symmetric zero padding, as a product without unrolled patches.
//
//   y[b, i, j, o] = Σ_{u,v,c} x[b, s·i + u − p, s·j + v − p, c] · w[o, u, v, c]  (+ bias[o], then ReLU)
//
// Grid      TILE_ROWS × TILE_COLUMNS values a workgroup, OWN_ROWS × 4 an invocation, operands in shared memory;
//           backward_weight_final: one value an invocation. T0's own kernels: shaders/plain/conv2d.wgsl
// Shapes    x, d_x [batch, height, width, channels_in]; y, d_y [batch, height_out, width_out, channels_out];
//           w, d_w [channels_out, KERNEL, KERNEL, channels_in]; partial [num_parts, channels_out, patch_len]
// Memory    (TILE_ROWS + TILE_COLUMNS + 4)·16 words; backward_weight_final none
// Consts    KERNEL, STRIDE, BIAS, RELU, WORKGROUP, TILE_ROWS, TILE_COLUMNS, OWN_ROWS; TRANSPOSED: forward makes d_x (as `y`) from d_y (as
//           `x`), the same sum with the weight transposed; UNIT: numbers of y written at once, which
//           divides its channels; x, w, y, d_y, x_saved: how they are stored
// Oracle    src/cpu/conv2d.rs
//# include lib/grid
//# include lib/half
//# include lib/conv

// One step of a product in shared memory (T1): DEPTH by TILE_ROWS of the left operand, by TILE_COLUMNS of the
// right; an invocation makes OWN_ROWS × 4 sums.
const DEPTH = 16u;
const ACROSS = TILE_COLUMNS / 4u;
const TILE_GROUP = TILE_ROWS / OWN_ROWS * ACROSS;
// Each invocation loads so many values of the operands a step.
const LOADS_A = TILE_ROWS * DEPTH / TILE_GROUP;
const LOADS_B = TILE_COLUMNS * DEPTH / TILE_GROUP;

var<workgroup> sh_a: array<f32, TILE_ROWS * DEPTH>;
var<workgroup> sh_b: array<f32, TILE_COLUMNS * DEPTH>;
var<workgroup> sh_corner: array<vec3<u32>, DEPTH>;

// First row and column of an invocation's sums within the tile.
fn own_corner(lane: u32) -> vec2<u32> {
    return vec2<u32>(lane / ACROSS * OWN_ROWS, lane % ACROSS * 4u);
}

// Adds the product of the loaded operands to the sums.
fn add_product(lane: u32, sums: ptr<function, array<vec4<f32>, OWN_ROWS>>) {
    let own = own_corner(lane);
    // Every operand is written.
    workgroupBarrier();
    for (var d = 0u; d < DEPTH; d++) {
        let at = d * TILE_COLUMNS + own.y;
        let b = vec4<f32>(sh_b[at], sh_b[at + 1u], sh_b[at + 2u], sh_b[at + 3u]);
        for (var r = 0u; r < OWN_ROWS; r++) {
            (*sums)[r] += sh_a[d * TILE_ROWS + own.x + r] * b;
        }
    }
    // The next step overwrites them.
    workgroupBarrier();
}

@group(1) @binding(0) var<storage, read> x: array<x_word>;
@group(1) @binding(1) var<storage, read> w: array<w_word>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;
@group(1) @binding(3) var<storage, read_write> y: array<y_word>;

fn write_y(position: u32, channel: u32, sums: vec4<f32>) {
    if (position < num_places() && channel < num_to()) {
        var value = sums;
        for (var i = 0u; i < UNIT; i++) {
            if (BIAS) {
                value[i] += bias[channel + i];
            }
            // Written so that NaN passes through.
            value[i] = select(value[i], 0.0, RELU && value[i] <= 0.0);
        }
        set_y((position * num_to() + channel) / UNIT, value);
    }
}

@compute @workgroup_size(TILE_GROUP)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let num_tiles = (num_to() + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let first_channel = flat_group(group, groups) % num_tiles * TILE_COLUMNS;
    let first_place = flat_group(group, groups) / num_tiles * TILE_ROWS;
    let inner_len = KERNEL * KERNEL * num_from();
    let depth = lane % DEPTH;
    var corners: array<vec3<u32>, LOADS_A>;
    for (var load = 0u; load < LOADS_A; load++) {
        corners[load] = corner(first_place + lane / DEPTH + load * (TILE_ROWS / LOADS_A));
    }
    var sums: array<vec4<f32>, OWN_ROWS>;
    for (var first = 0u; first < inner_len; first += DEPTH) {
        for (var load = 0u; load < LOADS_A; load++) {
            let k = first + depth;
            let row = lane / DEPTH + load * (TILE_ROWS / LOADS_A);
            let start = source(corners[load], k / num_from());
            sh_a[depth * TILE_ROWS + row] = 0.0;
            if (k < inner_len && start != OUTSIDE) {
                sh_a[depth * TILE_ROWS + row] = x_at(start + k % num_from());
            }
        }
        for (var load = 0u; load < LOADS_B; load++) {
            // Neighbouring lanes read neighbouring weights: along the patch, or transposed along the channels.
            let along_patch = vec2<u32>(depth, lane / DEPTH + load * (TILE_COLUMNS / LOADS_B));
            let along_channels = vec2<u32>(lane / TILE_COLUMNS + load * (DEPTH / LOADS_B), lane % TILE_COLUMNS);
            let at = select(along_patch, along_channels, TRANSPOSED);
            let inner = first + at.x;
            sh_b[at.x * TILE_COLUMNS + at.y] = 0.0;
            if (inner < inner_len && first_channel + at.y < num_to()) {
                sh_b[at.x * TILE_COLUMNS + at.y] = w_at(weight_ix(inner / num_from(), inner % num_from(), first_channel + at.y));
            }
        }
        add_product(lane, &sums);
    }
    let own = own_corner(lane);
    for (var r = 0u; r < OWN_ROWS; r++) {
        for (var c = 0u; c < 4u; c += UNIT) {
            write_y(first_place + own.x + r, first_channel + own.y + c, vec4<f32>(sums[r][c], sums[r].yzw));
        }
    }
}

@group(1) @binding(0) var<storage, read> d_y: array<d_y_word>;
@group(1) @binding(1) var<storage, read> x_saved: array<x_saved_word>;
@group(1) @binding(2) var<storage, read_write> partial: array<f32>;

fn write_partial(part: u32, channel: u32, value_ix: u32, sum: f32) {
    if (channel < dims.channels_out && value_ix < patch_len()) {
        partial[(part * dims.channels_out + channel) * patch_len() + value_ix] = sum;
    }
}

@compute @workgroup_size(TILE_GROUP)
fn backward_weight_partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let num_tiles = (dims.channels_out + TILE_ROWS - 1u) / TILE_ROWS;
    let num_blocks = (patch_len() + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let tile = flat_group(group, groups);
    let first_channel = tile % num_tiles * TILE_ROWS;
    let first_value = tile / num_tiles % num_blocks * TILE_COLUMNS;
    let part = tile / num_tiles / num_blocks;
    if (part >= dims.num_parts) {
        return;
    }
    let row = lane % TILE_ROWS;
    let column = lane % TILE_COLUMNS;
    let channel = min(first_channel + row, dims.channels_out - 1u);
    let value_ix = min(first_value + column, patch_len() - 1u);
    let end = min((part + 1u) * dims.part_len, positions());
    var sums: array<vec4<f32>, OWN_ROWS>;
    for (var first = part * dims.part_len; first < end; first += DEPTH) {
        if (lane < DEPTH) {
            sh_corner[lane] = corner_of_patch(first + lane);
        }
        // Every corner is written.
        workgroupBarrier();
        for (var load = 0u; load < LOADS_A; load++) {
            let d = lane / TILE_ROWS + load * (DEPTH / LOADS_A);
            sh_a[d * TILE_ROWS + row] = 0.0;
            if (first + d < end) {
                sh_a[d * TILE_ROWS + row] = d_y_at((first + d) * dims.channels_out + channel);
            }
        }
        for (var load = 0u; load < LOADS_B; load++) {
            let d = lane / TILE_COLUMNS + load * (DEPTH / LOADS_B);
            let start = x_under(sh_corner[d], value_ix / dims.channels_in);
            sh_b[d * TILE_COLUMNS + column] = 0.0;
            if (first + d < end && start != OUTSIDE) {
                sh_b[d * TILE_COLUMNS + column] = x_saved_at(start + value_ix % dims.channels_in);
            }
        }
        add_product(lane, &sums);
    }
    let own = own_corner(lane);
    for (var r = 0u; r < OWN_ROWS; r++) {
        for (var c = 0u; c < 4u; c++) {
            write_partial(part, first_channel + own.x + r, first_value + own.y + c, sums[r][c]);
        }
    }
}

@group(1) @binding(0) var<storage, read> partial_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> d_w: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn backward_weight_final(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let len = dims.channels_out * patch_len();
    if (ix >= len) {
        return;
    }
    var sum = 0.0;
    for (var part = 0u; part < dims.num_parts; part++) {
        sum += partial_in[part * len + ix];
    }
    d_w[ix] = sum;
}
