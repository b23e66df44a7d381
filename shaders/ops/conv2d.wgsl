// Convolution of images with symmetric zero padding, as a product without unrolled patches.
//
//   y[b, i, j, o] = Σ_{u,v,c} x[b, s·i + u − p, s·j + v − p, c] · w[o, u, v, c]  (+ bias[o], then ReLU)
//
// Grid      T0 (no barrier): WORKGROUP × PLACES places (positions, or values of a patch) by CHANNELS
//           channels a workgroup; a lane reads its own places, the channels are the same for all.
//           …_tiled (T1): 64 × 64 values a workgroup, 4 × 4 an invocation, operands in shared memory
// Shapes    x, d_x [batch, height, width, channels_in]; y, d_y [batch, height_out, width_out, channels_out];
//           w, d_w [channels_out, KERNEL, KERNEL, channels_in]; partial [num_parts, channels_out, patch_len]
// Memory    …_tiled: (2·64 + 4)·16 words
// Consts    KERNEL, STRIDE, BIAS, RELU, WORKGROUP, PLACES, CHANNELS; TRANSPOSED: forward makes d_x (as
//           `y`) from d_y (as `x`), the same sum with the weight transposed
// Oracle    src/cpu/conv2d.rs
//# include lib/grid
//# include lib/conv

struct Dims {
    batch: u32,
    height: u32,
    width: u32,
    channels_in: u32,
    channels_out: u32,
    padding: u32,
    height_out: u32,
    width_out: u32,
    part_len: u32,
    num_parts: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x: array<f32>;
@group(1) @binding(1) var<storage, read> w: array<f32>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;
@group(1) @binding(3) var<storage, read_write> y: array<f32>;

// Channels that are summed over, and channels and positions of the result.
fn num_from() -> u32 {
    return select(dims.channels_in, dims.channels_out, TRANSPOSED);
}

fn num_to() -> u32 {
    return select(dims.channels_out, dims.channels_in, TRANSPOSED);
}

fn num_places() -> u32 {
    return select(positions(), dims.batch * dims.height * dims.width, TRANSPOSED);
}

fn corner(position: u32) -> vec3<u32> {
    if (TRANSPOSED) {
        return corner_of_input(position);
    }
    return corner_of_patch(position);
}

fn source(corner: vec3<u32>, uv: u32) -> u32 {
    if (TRANSPOSED) {
        return y_over(corner, uv);
    }
    return x_under(corner, uv);
}

fn weight_ix(uv: u32, from_channel: u32, to_channel: u32) -> u32 {
    let pair = select(vec2<u32>(to_channel, from_channel), vec2<u32>(from_channel, to_channel), TRANSPOSED);
    return pair.x * patch_len() + uv * dims.channels_in + pair.y;
}

fn write_y(position: u32, channel: u32, sum: f32) {
    if (position < num_places() && channel < num_to()) {
        var value = sum;
        if (BIAS) {
            value += bias[channel];
        }
        // Written so that NaN passes through.
        y[position * num_to() + channel] = select(value, 0.0, RELU && value <= 0.0);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let num_tiles = (num_to() + CHANNELS - 1u) / CHANNELS;
    let first_channel = flat_group(group, groups) % num_tiles * CHANNELS;
    let first_place = flat_group(group, groups) / num_tiles * (WORKGROUP * PLACES) + lane;
    var corners: array<vec3<u32>, PLACES>;
    for (var place = 0u; place < PLACES; place++) {
        corners[place] = corner(first_place + place * WORKGROUP);
    }
    var sums: array<array<f32, CHANNELS>, PLACES>;
    for (var uv = 0u; uv < KERNEL * KERNEL; uv++) {
        var starts: array<u32, PLACES>;
        for (var place = 0u; place < PLACES; place++) {
            starts[place] = source(corners[place], uv);
        }
        for (var c = 0u; c < num_from(); c++) {
            var values: array<f32, PLACES>;
            for (var place = 0u; place < PLACES; place++) {
                let inside = starts[place] != OUTSIDE;
                values[place] = select(0.0, x[select(0u, starts[place] + c, inside)], inside);
            }
            for (var o = 0u; o < CHANNELS; o++) {
                let weight = w[weight_ix(uv, c, min(first_channel + o, num_to() - 1u))];
                for (var place = 0u; place < PLACES; place++) {
                    sums[place][o] += values[place] * weight;
                }
            }
        }
    }
    for (var place = 0u; place < PLACES; place++) {
        for (var o = 0u; o < CHANNELS; o++) {
            write_y(first_place + place * WORKGROUP, first_channel + o, sums[place][o]);
        }
    }
}

@compute @workgroup_size(TILE_GROUP)
fn forward_tiled(
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
                sh_a[depth * TILE + row] = x[start + k % num_from()];
            }
            // Neighbouring lanes read neighbouring weights: along the patch, or transposed along the channels.
            let at = select(vec2<u32>(depth, row), vec2<u32>(lane / TILE + load * LOADS, lane % TILE), TRANSPOSED);
            let inner = first + at.x;
            sh_b[at.x * TILE + at.y] = 0.0;
            if (inner < inner_len && first_channel + at.y < num_to()) {
                sh_b[at.x * TILE + at.y] = w[weight_ix(inner / num_from(), inner % num_from(), first_channel + at.y)];
            }
        }
        add_product(lane, &sums);
    }
    for (var r = 0u; r < 4u; r++) {
        for (var c = 0u; c < 4u; c++) {
            write_y(first_place + lane / 16u * 4u + r, first_channel + lane % 16u * 4u + c, sums[r][c]);
        }
    }
}

@group(1) @binding(0) var<storage, read> d_y: array<f32>;
@group(1) @binding(1) var<storage, read> x_saved: array<f32>;
@group(1) @binding(2) var<storage, read_write> partial: array<f32>;

fn write_partial(part: u32, channel: u32, value_ix: u32, sum: f32) {
    if (channel < dims.channels_out && value_ix < patch_len()) {
        partial[(part * dims.channels_out + channel) * patch_len() + value_ix] = sum;
    }
}

// Places are values of the patch; the sum runs over part_len positions.
@compute @workgroup_size(WORKGROUP)
fn backward_weight_partial(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let num_tiles = (dims.channels_out + CHANNELS - 1u) / CHANNELS;
    let num_blocks = (patch_len() + WORKGROUP * PLACES - 1u) / (WORKGROUP * PLACES);
    let tile = flat_group(group, groups);
    let first_channel = tile % num_tiles * CHANNELS;
    let first_place = tile / num_tiles % num_blocks * (WORKGROUP * PLACES) + lane;
    let part = tile / num_tiles / num_blocks;
    if (part >= dims.num_parts) {
        return;
    }
    var sums: array<array<f32, CHANNELS>, PLACES>;
    let end = min((part + 1u) * dims.part_len, positions());
    for (var position = part * dims.part_len; position < end; position++) {
        let patch_corner = corner_of_patch(position);
        var values: array<f32, PLACES>;
        for (var place = 0u; place < PLACES; place++) {
            let value_ix = min(first_place + place * WORKGROUP, patch_len() - 1u);
            let start = x_under(patch_corner, value_ix / dims.channels_in);
            let inside = start != OUTSIDE;
            values[place] = select(0.0, x_saved[select(0u, start + value_ix % dims.channels_in, inside)], inside);
        }
        for (var o = 0u; o < CHANNELS; o++) {
            let d = d_y[position * dims.channels_out + min(first_channel + o, dims.channels_out - 1u)];
            for (var place = 0u; place < PLACES; place++) {
                sums[place][o] += values[place] * d;
            }
        }
    }
    for (var place = 0u; place < PLACES; place++) {
        for (var o = 0u; o < CHANNELS; o++) {
            write_partial(part, first_channel + o, first_place + place * WORKGROUP, sums[place][o]);
        }
    }
}

@compute @workgroup_size(TILE_GROUP)
fn backward_weight_partial_tiled(
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
                sh_a[d * TILE + column] = d_y[(first + d) * dims.channels_out + channel];
                if (start != OUTSIDE) {
                    sh_b[d * TILE + column] = x_saved[start + value_ix % dims.channels_in];
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
