// Convolution of images with symmetric zero padding, as a product without unrolled patches.
//
//   y[b, i, j, o] = Σ_{u,v,c} x[b, s·i + u − p, s·j + v − p, c] · w[o, u, v, c]  (+ bias[o], then ReLU)
//
// Grid      64 × 64 values a workgroup, 4 × 4 an invocation, operands in shared memory;
//           backward_weight_final: one value an invocation. T0's own kernels: shaders/plain/conv2d.wgsl
// Shapes    x, d_x [batch, height, width, channels_in]; y, d_y [batch, height_out, width_out, channels_out];
//           w, d_w [channels_out, KERNEL, KERNEL, channels_in]; partial [num_parts, channels_out, patch_len]
// Memory    (2·64 + 4)·16 words; backward_weight_final none
// Consts    KERNEL, STRIDE, BIAS, RELU, WORKGROUP; TRANSPOSED: forward makes d_x (as `y`) from d_y (as
//           `x`), the same sum with the weight transposed; UNIT: numbers of y written at once, which
//           divides its channels; x, w, y, d_y, x_saved: how they are stored
// Oracle    src/cpu/conv2d.rs
//# include lib/grid
//# include lib/half
//# include lib/conv

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
    let num_tiles = (num_to() + TILE - 1u) / TILE;
    let first_channel = flat_group(group, groups) % num_tiles * TILE;
    let first_place = flat_group(group, groups) / num_tiles * TILE;
    let inner_len = KERNEL * KERNEL * num_from();
    let depth = lane % DEPTH;
    var corners: array<vec3<u32>, LOADS>;
    for (var load = 0u; load < LOADS; load++) {
        corners[load] = corner(first_place + lane / DEPTH + load * (TILE / LOADS));
    }
    var sums: array<vec4<f32>, 4>;
    for (var first = 0u; first < inner_len; first += DEPTH) {
        for (var load = 0u; load < LOADS; load++) {
            let k = first + depth;
            let row = lane / DEPTH + load * (TILE / LOADS);
            let start = source(corners[load], k / num_from());
            sh_a[depth * TILE + row] = 0.0;
            if (k < inner_len && start != OUTSIDE) {
                sh_a[depth * TILE + row] = x_at(start + k % num_from());
            }
            // Neighbouring lanes read neighbouring weights: along the patch, or transposed along the channels.
            let at = select(vec2<u32>(depth, row), vec2<u32>(lane / TILE + load * LOADS, lane % TILE), TRANSPOSED);
            let inner = first + at.x;
            sh_b[at.x * TILE + at.y] = 0.0;
            if (inner < inner_len && first_channel + at.y < num_to()) {
                sh_b[at.x * TILE + at.y] = w_at(weight_ix(inner / num_from(), inner % num_from(), first_channel + at.y));
            }
        }
        add_product(lane, &sums);
    }
    for (var r = 0u; r < 4u; r++) {
        for (var c = 0u; c < 4u; c += UNIT) {
            let own = vec4<f32>(sums[r][c], sums[r].yzw);
            write_y(first_place + lane / 16u * 4u + r, first_channel + lane % 16u * 4u + c, own);
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
    let num_tiles = (dims.channels_out + TILE - 1u) / TILE;
    let num_blocks = (patch_len() + TILE - 1u) / TILE;
    let tile = flat_group(group, groups);
    let first_channel = tile % num_tiles * TILE;
    let first_value = tile / num_tiles % num_blocks * TILE;
    let part = tile / num_tiles / num_blocks;
    if (part >= dims.num_parts) {
        return;
    }
    let column = lane % TILE;
    let channel = min(first_channel + column, dims.channels_out - 1u);
    let value_ix = min(first_value + column, patch_len() - 1u);
    let end = min((part + 1u) * dims.part_len, positions());
    var sums: array<vec4<f32>, 4>;
    for (var first = part * dims.part_len; first < end; first += DEPTH) {
        if (lane < DEPTH) {
            sh_corner[lane] = corner_of_patch(first + lane);
        }
        // Every corner is written.
        workgroupBarrier();
        for (var load = 0u; load < LOADS; load++) {
            let d = lane / TILE + load * LOADS;
            let start = x_under(sh_corner[d], value_ix / dims.channels_in);
            sh_a[d * TILE + column] = 0.0;
            sh_b[d * TILE + column] = 0.0;
            if (first + d < end) {
                sh_a[d * TILE + column] = d_y_at((first + d) * dims.channels_out + channel);
                if (start != OUTSIDE) {
                    sh_b[d * TILE + column] = x_saved_at(start + value_ix % dims.channels_in);
                }
            }
        }
        add_product(lane, &sums);
    }
    for (var r = 0u; r < 4u; r++) {
        for (var c = 0u; c < 4u; c++) {
            write_partial(part, first_channel + lane / 16u * 4u + r, first_value + lane % 16u * 4u + c, sums[r][c]);
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
