// Convolution of images with symmetric zero padding, as a product without unrolled patches.
//
//   y[b, i, j, o] = Σ_{u,v,c} x[b, s·i + u − p, s·j + v − p, c] · w[o, u, v, c]  (+ bias[o], then ReLU)
//
// Grid      T0 (no barrier): WORKGROUP × PLACES places (positions, or values of a patch) by CHANNELS
//           channels a workgroup; a lane reads its own places, the channels are the same for all.
//           …_tiled (T1): 64 × 64 values a workgroup, 4 × 4 an invocation, operands in shared memory
// Shapes    x, d_x [batch, height, width, channels_in]; y, d_y [batch, height_out, width_out, channels_out];
//           w, d_w [channels_out, KERNEL, KERNEL, channels_in]; partial [num_parts, channels_out, patch_len]
// Memory    …_tiled: 2·64·DEPTH + 4·DEPTH words
// Consts    KERNEL, STRIDE, BIAS, RELU, WORKGROUP, PLACES, CHANNELS, DEPTH
// Oracle    src/cpu/conv2d.rs
//# include lib/grid

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

const OUTSIDE = 0xffffffffu;
// Rows beyond the last: far outside every image, whatever is added or taken away.
const NOWHERE = vec3<u32>(0u, 0x80000000u, 0x80000000u);
const TILE = 64u;
const TILE_GROUP = 256u;

fn positions() -> u32 {
    return dims.batch * dims.height_out * dims.width_out;
}

// Values under the kernel.
fn patch_len() -> u32 {
    return KERNEL * KERNEL * dims.channels_in;
}

// First row of the image, and the top left corner of the kernel, at an output position. A place in
// the padding before the image wraps to far above its sides.
fn corner_of_patch(position: u32) -> vec3<u32> {
    let row = position / dims.width_out;
    let top_left = vec2<u32>(row % dims.height_out, position % dims.width_out) * STRIDE - dims.padding;
    return select(NOWHERE, vec3<u32>(row / dims.height_out * dims.height, top_left), position < positions());
}

// First channel of x under kernel place uv; OUTSIDE in the padding.
fn x_under(corner: vec3<u32>, uv: u32) -> u32 {
    let i = corner.y + uv / KERNEL;
    let j = corner.z + uv % KERNEL;
    return select(OUTSIDE, ((corner.x + i) * dims.width + j) * dims.channels_in, i < dims.height && j < dims.width);
}

// First row of the image of y, and the place of an input position on the padded image.
fn corner_of_input(position: u32) -> vec3<u32> {
    let row = position / dims.width;
    let place = vec2<u32>(row % dims.height, position % dims.width) + dims.padding;
    return select(NOWHERE, vec3<u32>(row / dims.height * dims.height_out, place), row < dims.batch * dims.height);
}

// First channel of the y that kernel place uv carries to an input position; OUTSIDE when there is none.
fn y_over(corner: vec3<u32>, uv: u32) -> u32 {
    let i = corner.y - uv / KERNEL;
    let j = corner.z - uv % KERNEL;
    let inside = i / STRIDE < dims.height_out && j / STRIDE < dims.width_out && i % STRIDE == 0u && j % STRIDE == 0u;
    return select(OUTSIDE, ((corner.x + i / STRIDE) * dims.width_out + j / STRIDE) * dims.channels_out, inside);
}

@group(1) @binding(0) var<storage, read> x: array<f32>;
@group(1) @binding(1) var<storage, read> w: array<f32>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;
@group(1) @binding(3) var<storage, read_write> y: array<f32>;

fn write_y(position: u32, channel: u32, sum: f32) {
    if (position < positions() && channel < dims.channels_out) {
        var value = sum;
        if (BIAS) {
            value += bias[channel];
        }
        // Written so that NaN passes through.
        y[position * dims.channels_out + channel] = select(value, 0.0, RELU && value <= 0.0);
    }
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let num_tiles = (dims.channels_out + CHANNELS - 1u) / CHANNELS;
    let tile = flat_group(group, groups);
    let first_channel = tile % num_tiles * CHANNELS;
    let first_place = tile / num_tiles * (WORKGROUP * PLACES) + lane;
    var corners: array<vec3<u32>, PLACES>;
    for (var place = 0u; place < PLACES; place++) {
        corners[place] = corner_of_patch(first_place + place * WORKGROUP);
    }
    var sums: array<array<f32, CHANNELS>, PLACES>;
    for (var uv = 0u; uv < KERNEL * KERNEL; uv++) {
        var starts: array<u32, PLACES>;
        for (var place = 0u; place < PLACES; place++) {
            starts[place] = x_under(corners[place], uv);
        }
        for (var c = 0u; c < dims.channels_in; c++) {
            var values: array<f32, PLACES>;
            for (var place = 0u; place < PLACES; place++) {
                let inside = starts[place] != OUTSIDE;
                values[place] = select(0.0, x[select(0u, starts[place] + c, inside)], inside);
            }
            for (var o = 0u; o < CHANNELS; o++) {
                let channel = min(first_channel + o, dims.channels_out - 1u);
                let weight = w[channel * patch_len() + uv * dims.channels_in + c];
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

@group(1) @binding(0) var<storage, read> d_y: array<f32>;
@group(1) @binding(2) var<storage, read_write> d_x: array<f32>;

fn write_d_x(position: u32, channel: u32, sum: f32) {
    if (position < dims.batch * dims.height * dims.width && channel < dims.channels_in) {
        d_x[position * dims.channels_in + channel] = sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_input(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let num_tiles = (dims.channels_in + CHANNELS - 1u) / CHANNELS;
    let tile = flat_group(group, groups);
    let first_channel = tile % num_tiles * CHANNELS;
    let first_place = tile / num_tiles * (WORKGROUP * PLACES) + lane;
    var corners: array<vec3<u32>, PLACES>;
    for (var place = 0u; place < PLACES; place++) {
        corners[place] = corner_of_input(first_place + place * WORKGROUP);
    }
    var sums: array<array<f32, CHANNELS>, PLACES>;
    for (var uv = 0u; uv < KERNEL * KERNEL; uv++) {
        var starts: array<u32, PLACES>;
        for (var place = 0u; place < PLACES; place++) {
            starts[place] = y_over(corners[place], uv);
        }
        for (var o = 0u; o < dims.channels_out; o++) {
            var values: array<f32, PLACES>;
            for (var place = 0u; place < PLACES; place++) {
                let inside = starts[place] != OUTSIDE;
                values[place] = select(0.0, d_y[select(0u, starts[place] + o, inside)], inside);
            }
            for (var c = 0u; c < CHANNELS; c++) {
                let channel = min(first_channel + c, dims.channels_in - 1u);
                let weight = w[o * patch_len() + uv * dims.channels_in + channel];
                for (var place = 0u; place < PLACES; place++) {
                    sums[place][c] += values[place] * weight;
                }
            }
        }
    }
    for (var place = 0u; place < PLACES; place++) {
        for (var c = 0u; c < CHANNELS; c++) {
            write_d_x(first_place + place * WORKGROUP, first_channel + c, sums[place][c]);
        }
    }
}

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
    let num_places = (patch_len() + WORKGROUP * PLACES - 1u) / (WORKGROUP * PLACES);
    let tile = flat_group(group, groups);
    let first_channel = tile % num_tiles * CHANNELS;
    let first_place = tile / num_tiles % num_places * (WORKGROUP * PLACES) + lane;
    let part = tile / num_tiles / num_places;
    if (part >= dims.num_parts) {
        return;
    }
    var sums: array<array<f32, CHANNELS>, PLACES>;
    let end = min((part + 1u) * dims.part_len, positions());
    for (var position = part * dims.part_len; position < end; position++) {
        let corner = corner_of_patch(position);
        var values: array<f32, PLACES>;
        for (var place = 0u; place < PLACES; place++) {
            let value_ix = min(first_place + place * WORKGROUP, patch_len() - 1u);
            let start = x_under(corner, value_ix / dims.channels_in);
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
