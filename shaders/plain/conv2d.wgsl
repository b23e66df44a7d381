// Convolution for software adapters; the formula stands in shaders/ops/conv2d.wgsl.
//
// There a load costs as much as a dozen sums, and every one in the text costs compilation: tiles are
// large, and written row by row in a loop that stays rolled.
//
// Grid      plain_forward…: ROWS positions by COLUMNS channels an invocation, flat;
//           plain_weight_partial…: ROWS channels by COLUMNS values of a patch an invocation, num_parts times
// Shapes    x, d_x [batch, height, width, channels_in]; y, d_y [batch, height_out, width_out, channels_out];
//           w [channels_out, KERNEL, KERNEL, channels_in]; partial [num_parts, channels_out, patch_len];
//           x4, y … by vectors along the channels, …_ragged by floats
// Memory    none
// Consts    KERNEL, STRIDE, BIAS, RELU, TRANSPOSED, UNIT, and how arrays are stored, as in ops/conv2d; ROWS,
//           COLUMNS: multiples of 4, at most 32, which is as far as Mesa unrolls; WORKGROUP
// Oracle    src/cpu/conv2d.rs
//# include lib/grid
//# include lib/half
//# include lib/conv

@group(1) @binding(0) var<storage, read> x4: array<x4_word>;
@group(1) @binding(1) var<storage, read> w4: array<w4_word>;
@group(1) @binding(0) var<storage, read> x: array<x_word>;
@group(1) @binding(1) var<storage, read> w: array<w_word>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;
@group(1) @binding(3) var<storage, read_write> y: array<y_word>;

const ROWS4: u32 = ROWS / 4u;
const COLUMNS4: u32 = COLUMNS / 4u;

alias Sums = array<array<vec4<f32>, COLUMNS4>, ROWS>;

// `count`, unknown to the compiler: a loop over so many rows stays rolled. (Of `dims` Mesa may make
// constants, and then compile at every launch.)
fn rolled(count: u32, groups: vec3<u32>) -> u32 {
    return min(count, count * groups.x);
}

// Row of sums whose index is computed: as such it would leave the registers.
fn row_of(sums: ptr<function, Sums>, row: u32) -> array<vec4<f32>, COLUMNS4> {
    var values: array<vec4<f32>, COLUMNS4>;
    for (var r = 0u; r < ROWS; r++) {
        for (var j = 0u; j < COLUMNS4; j++) {
            values[j] = select(values[j], (*sums)[r][j], r == row);
        }
    }
    return values;
}

// First position and channel of the tile of an invocation. The last channels reach back over their
// neighbours: what they share is made twice, in the same order, hence the same.
fn tile_corner(ix: u32) -> vec2<u32> {
    let num_tiles = (num_to() + COLUMNS - 1u) / COLUMNS;
    return vec2<u32>(ix / num_tiles * ROWS, ix % num_tiles * COLUMNS);
}

fn epilogue(sum: f32, channel: u32) -> f32 {
    var value = sum;
    if (BIAS) {
        value += bias[channel];
    }
    // Written so that NaN passes through.
    return select(value, 0.0, RELU && value <= 0.0);
}

@compute @workgroup_size(WORKGROUP)
fn plain_forward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let tile = tile_corner(flat_index(global, groups, WORKGROUP));
    if (tile.x >= num_places()) {
        return;
    }
    let first_channel = min(tile.y, num_to() - COLUMNS);
    var corners: array<vec3<u32>, ROWS>;
    for (var p = 0u; p < ROWS; p++) {
        corners[p] = corner(tile.x + p);
    }
    var sums: Sums;
    for (var uv = 0u; uv < KERNEL * KERNEL; uv++) {
        var starts: array<u32, ROWS>;
        for (var p = 0u; p < ROWS; p++) {
            starts[p] = source(corners[p], uv);
        }
        for (var c = 0u; c < num_from(); c += 4u) {
            var values: array<vec4<f32>, ROWS>;
            for (var p = 0u; p < ROWS; p++) {
                let inside = starts[p] != OUTSIDE;
                values[p] = select(vec4<f32>(0.0), x4_at(select(0u, starts[p] + c, inside) / 4u), inside);
            }
            if (TRANSPOSED) {
                for (var j = 0u; j < COLUMNS4; j++) {
                    var weights: array<vec4<f32>, 4>;
                    for (var s = 0u; s < 4u; s++) {
                        weights[s] = w4_at(weight_ix(uv, c + s, first_channel + 4u * j) / 4u);
                    }
                    for (var p = 0u; p < ROWS; p++) {
                        for (var s = 0u; s < 4u; s++) {
                            sums[p][j] = fma(vec4<f32>(values[p][s]), weights[s], sums[p][j]);
                        }
                    }
                }
            } else {
                var weights: array<vec4<f32>, COLUMNS>;
                for (var o = 0u; o < COLUMNS; o++) {
                    weights[o] = w4_at(weight_ix(uv, c, first_channel + o) / 4u);
                }
                for (var p = 0u; p < ROWS; p++) {
                    for (var o = 0u; o < COLUMNS; o++) {
                        sums[p][o / 4u][o % 4u] += dot(values[p], weights[o]);
                    }
                }
            }
        }
    }
    for (var p = 0u; p < rolled(ROWS, groups); p++) {
        let row = row_of(&sums, p);
        if (tile.x + p < num_places()) {
            for (var j = 0u; j < COLUMNS4; j++) {
                let channel = first_channel + 4u * j;
                var value = row[j];
                for (var s = 0u; s < 4u; s++) {
                    value[s] = epilogue(value[s], channel + s);
                }
                set_y(((tile.x + p) * num_to() + channel) / 4u, value);
            }
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn plain_forward_ragged(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let tile = tile_corner(flat_index(global, groups, WORKGROUP));
    if (tile.x >= num_places()) {
        return;
    }
    var corners: array<vec3<u32>, ROWS>;
    for (var p = 0u; p < ROWS; p++) {
        corners[p] = corner(tile.x + p);
    }
    var sums: Sums;
    for (var uv = 0u; uv < KERNEL * KERNEL; uv++) {
        var starts: array<u32, ROWS>;
        for (var p = 0u; p < ROWS; p++) {
            starts[p] = source(corners[p], uv);
        }
        for (var c = 0u; c < num_from(); c++) {
            var weights: array<vec4<f32>, COLUMNS4>;
            for (var j = 0u; j < COLUMNS4; j++) {
                for (var s = 0u; s < 4u; s++) {
                    weights[j][s] = w_at(weight_ix(uv, c, min(tile.y + 4u * j + s, num_to() - 1u)));
                }
            }
            for (var p = 0u; p < ROWS; p++) {
                let inside = starts[p] != OUTSIDE;
                let value = vec4<f32>(select(0.0, x_at(select(0u, starts[p] + c, inside)), inside));
                for (var j = 0u; j < COLUMNS4; j++) {
                    sums[p][j] = fma(value, weights[j], sums[p][j]);
                }
            }
        }
    }
    for (var p = 0u; p < rolled(ROWS, groups); p++) {
        let row = row_of(&sums, p);
        for (var j = 0u; j < COLUMNS4; j++) {
            for (var s = 0u; s < 4u; s++) {
                if (s % UNIT == 0u) {
                    write_ragged(tile.x + p, tile.y + 4u * j + s, vec4<f32>(row[j][s], row[j].yzw));
                }
            }
        }
    }
}

// UNIT channels, as far as there are any.
fn write_ragged(place: u32, channel: u32, sums: vec4<f32>) {
    if (place < num_places() && channel < num_to()) {
        var value = sums;
        for (var i = 0u; i < UNIT; i++) {
            value[i] = epilogue(value[i], channel + i);
        }
        set_y((place * num_to() + channel) / UNIT, value);
    }
}

@group(1) @binding(0) var<storage, read> d_y4: array<d_y4_word>;
@group(1) @binding(1) var<storage, read> x_saved4: array<x_saved4_word>;
@group(1) @binding(2) var<storage, read_write> partial4: array<vec4<f32>>;
@group(1) @binding(0) var<storage, read> d_y: array<d_y_word>;
@group(1) @binding(1) var<storage, read> x_saved: array<x_saved_word>;
@group(1) @binding(2) var<storage, read_write> partial: array<f32>;

// First channel and value of a patch, and the stretch of positions that is summed over.
struct Piece {
    channel: u32,
    value: u32,
    part: u32,
}

fn piece(ix: u32) -> Piece {
    let num_tiles = (dims.channels_out + ROWS - 1u) / ROWS;
    let num_blocks = (patch_len() + COLUMNS - 1u) / COLUMNS;
    return Piece(ix % num_tiles * ROWS, ix / num_tiles % num_blocks * COLUMNS, ix / num_tiles / num_blocks);
}

@compute @workgroup_size(WORKGROUP)
fn plain_weight_partial(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let own = piece(flat_index(global, groups, WORKGROUP));
    if (own.part >= dims.num_parts) {
        return;
    }
    // The last tiles reach back, as above.
    let first_channel = min(own.channel, dims.channels_out - ROWS);
    let first_value = min(own.value, patch_len() - COLUMNS);
    var under: array<vec3<u32>, COLUMNS4>;
    for (var j = 0u; j < COLUMNS4; j++) {
        under[j] = under_kernel(first_value + 4u * j);
    }
    var sums: Sums;
    var spot = spot_of(own.part * dims.part_len);
    let end = min((own.part + 1u) * dims.part_len, positions());
    for (var position = own.part * dims.part_len; position < end; position++) {
        var values: array<vec4<f32>, COLUMNS4>;
        for (var j = 0u; j < COLUMNS4; j++) {
            let ix = place_in_x(spot, under[j]);
            let inside = ix != OUTSIDE;
            values[j] = select(vec4<f32>(0.0), x_saved4_at(select(0u, ix, inside) / 4u), inside);
        }
        var d: array<vec4<f32>, ROWS4>;
        for (var i = 0u; i < ROWS4; i++) {
            d[i] = d_y4_at((position * dims.channels_out + first_channel) / 4u + i);
        }
        for (var r = 0u; r < ROWS; r++) {
            for (var j = 0u; j < COLUMNS4; j++) {
                sums[r][j] = fma(vec4<f32>(d[r / 4u][r % 4u]), values[j], sums[r][j]);
            }
        }
        spot = next_spot(spot);
    }
    for (var r = 0u; r < rolled(ROWS, groups); r++) {
        let row = row_of(&sums, r);
        let start = (own.part * dims.channels_out + first_channel + r) * patch_len() + first_value;
        for (var j = 0u; j < COLUMNS4; j++) {
            partial4[start / 4u + j] = row[j];
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn plain_weight_partial_ragged(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let own = piece(flat_index(global, groups, WORKGROUP));
    if (own.part >= dims.num_parts) {
        return;
    }
    var under: array<vec3<u32>, COLUMNS>;
    for (var c = 0u; c < COLUMNS; c++) {
        under[c] = under_kernel(min(own.value + c, patch_len() - 1u));
    }
    var sums: Sums;
    var spot = spot_of(own.part * dims.part_len);
    let end = min((own.part + 1u) * dims.part_len, positions());
    for (var position = own.part * dims.part_len; position < end; position++) {
        var values: array<f32, COLUMNS>;
        for (var c = 0u; c < COLUMNS; c++) {
            let ix = place_in_x(spot, under[c]);
            let inside = ix != OUTSIDE;
            values[c] = select(0.0, x_saved_at(select(0u, ix, inside)), inside);
        }
        for (var r = 0u; r < ROWS; r++) {
            let d = d_y_at(position * dims.channels_out + min(own.channel + r, dims.channels_out - 1u));
            for (var c = 0u; c < COLUMNS; c++) {
                sums[r][c / 4u][c % 4u] += d * values[c];
            }
        }
        spot = next_spot(spot);
    }
    for (var r = 0u; r < rolled(ROWS, groups); r++) {
        let row = row_of(&sums, r);
        for (var c = 0u; c < COLUMNS; c++) {
            if (own.channel + r < dims.channels_out && own.value + c < patch_len()) {
                partial[(own.part * dims.channels_out + own.channel + r) * patch_len() + own.value + c] = row[c / 4u][c % 4u];
            }
        }
    }
}
