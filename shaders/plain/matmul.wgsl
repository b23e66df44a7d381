// Matrix products with their epilogues, by tiles in registers: for software adapters, and for sides
// without vectors on all. The formula stands in shaders/ops/matmul.wgsl.
//
// On software adapters a load costs as much as a dozen sums, and every one in the text costs
// compilation: tiles are large, and finished row by row in a loop that stays rolled.
//
// Grid      one tile of TILE_M × TILE_N an invocation, flat, batch × splits times along z
// Shapes    plain: a4, b4, y, pre, bias4 and residual4 are by vectors what they are in ops/matmul;
//           plain_ragged: the same by floats
// Memory    none
// Consts    FORM, BIAS, ACTIVATION, RESIDUAL, KEEP, UNIT, y, pre, a4, b4 as in ops/matmul; TILE_M, TILE_N:
//           multiples of 4, at most 32, which is as far as Mesa unrolls; WORKGROUP
// Oracle    src/cpu/matmul.rs
//# include lib/grid
//# include lib/erf
//# include lib/half
//# include lib/product
//# include lib/vectors

@group(1) @binding(4) var<storage, read> a4: array<a4_word>;
@group(1) @binding(5) var<storage, read> b4: array<b4_word>;

const TILE_M4 = TILE_M / 4u;
const TILE_N4 = TILE_N / 4u;

var<private> acc: array<array<vec4<f32>, TILE_N4>, TILE_M>;

// First row and column of the tile of an invocation.
fn corner(tile: u32) -> vec2<u32> {
    let across = (dims.n + TILE_N - 1u) / TILE_N;
    return vec2<u32>((tile / across) * TILE_M, (tile % across) * TILE_N);
}

// TILE_M, unknown to the compiler: a loop over so many rows stays rolled. (Of `dims` Mesa may make
// constants, and then compile at every launch.)
fn num_rows(groups: vec3<u32>) -> u32 {
    return min(TILE_M, TILE_M * groups.x);
}

// A row of the accumulator, where no index may be computed: it would leave the registers.
fn row_of_acc(row: u32) -> array<vec4<f32>, TILE_N4> {
    var sums: array<vec4<f32>, TILE_N4>;
    for (var i = 0u; i < TILE_M; i++) {
        for (var j = 0u; j < TILE_N4; j++) {
            sums[j] = select(sums[j], acc[i][j], i == row);
        }
    }
    return sums;
}

// The last tiles reach back over their neighbours instead of over the edge: what they share is made
// twice, in the same order, hence the same. Both sides must be as long as a tile.
@compute @workgroup_size(WORKGROUP)
fn plain(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let wanted = corner(flat_index(global, groups, WORKGROUP));
    if (wanted.x >= dims.m) {
        return;
    }
    let at = min(wanted, vec2<u32>(dims.m - TILE_M, dims.n - TILE_N));
    for (var j = 0u; BIAS && j < TILE_N4; j++) {
        let start = bias4[at.y / 4u + j];
        for (var i = 0u; i < TILE_M; i++) {
            acc[i][j] = start;
        }
    }
    let piece = part(group.z);
    let whole = piece.k_end - (piece.k_end - piece.k_start) % 4u;
    for (var k = piece.k_start; k < whole; k += 4u) {
        if (FORM == 0u) {
            step_nt(piece, at, k);
        } else if (FORM == 1u) {
            step_nn(piece, at, k);
        } else {
            step_tn(piece, at, k);
        }
    }
    if (FORM == 2u) {
        for (var k = whole; k < piece.k_end; k++) {
            last_step_tn(piece, at, k);
        }
    }
    for (var row = 0u; row < num_rows(groups); row++) {
        let sums = row_of_acc(row);
        let start = (piece.y_start + (at.x + row) * dims.n + at.y) / 4u;
        for (var j = 0u; j < TILE_N4; j++) {
            finish_vec(start + j, sums[j]);
        }
    }
}

// Each step adds four products to a sum at once: a sum is fetched and put back once a step.
fn step_nt(piece: Part, at: vec2<u32>, k: u32) {
    var right: array<vec4<f32>, TILE_N>;
    for (var j = 0u; j < TILE_N; j++) {
        right[j] = b4_at((piece.b_start + (at.y + j) * dims.k + k) / 4u);
    }
    for (var i = 0u; i < TILE_M; i++) {
        let left = a4_at((piece.a_start + (at.x + i) * dims.k + k) / 4u);
        for (var j = 0u; j < TILE_N; j++) {
            acc[i][j / 4u][j % 4u] += dot(left, right[j]);
        }
    }
}

fn step_nn(piece: Part, at: vec2<u32>, k: u32) {
    var left: array<vec4<f32>, TILE_M>;
    for (var i = 0u; i < TILE_M; i++) {
        left[i] = a4_at((piece.a_start + (at.x + i) * dims.k + k) / 4u);
    }
    for (var j = 0u; j < TILE_N4; j++) {
        var right: array<vec4<f32>, 4>;
        for (var step = 0u; step < 4u; step++) {
            right[step] = b4_at((piece.b_start + (k + step) * dims.n + at.y + 4u * j) / 4u);
        }
        for (var i = 0u; i < TILE_M; i++) {
            for (var step = 0u; step < 4u; step++) {
                acc[i][j] = fma(vec4<f32>(left[i][step]), right[step], acc[i][j]);
            }
        }
    }
}

fn step_tn(piece: Part, at: vec2<u32>, k: u32) {
    var left: array<array<vec4<f32>, TILE_M4>, 4>;
    for (var step = 0u; step < 4u; step++) {
        for (var i4 = 0u; i4 < TILE_M4; i4++) {
            left[step][i4] = a4_at((piece.a_start + (k + step) * dims.m + at.x + 4u * i4) / 4u);
        }
    }
    for (var j = 0u; j < TILE_N4; j++) {
        var right: array<vec4<f32>, 4>;
        for (var step = 0u; step < 4u; step++) {
            right[step] = b4_at((piece.b_start + (k + step) * dims.n + at.y + 4u * j) / 4u);
        }
        for (var i = 0u; i < TILE_M; i++) {
            for (var step = 0u; step < 4u; step++) {
                acc[i][j] = fma(vec4<f32>(left[step][i / 4u][i % 4u]), right[step], acc[i][j]);
            }
        }
    }
}

// One k: the last ones where their number is no multiple of 4.
fn last_step_tn(piece: Part, at: vec2<u32>, k: u32) {
    var left: array<vec4<f32>, TILE_M4>;
    for (var i4 = 0u; i4 < TILE_M4; i4++) {
        left[i4] = a4_at((piece.a_start + k * dims.m + at.x + 4u * i4) / 4u);
    }
    for (var j = 0u; j < TILE_N4; j++) {
        let right = b4_at((piece.b_start + k * dims.n + at.y + 4u * j) / 4u);
        for (var i = 0u; i < TILE_M; i++) {
            acc[i][j] = fma(vec4<f32>(left[i / 4u][i % 4u]), right, acc[i][j]);
        }
    }
}

@group(1) @binding(4) var<storage, read> a: array<f32>;
@group(1) @binding(5) var<storage, read> b: array<f32>;

// Sides that are short or no multiples of 4, float by float; both tiers. Rows and columns beyond the
// matrix repeat its last ones and are not written.
@compute @workgroup_size(WORKGROUP)
fn plain_ragged(
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = corner(flat_index(global, groups, WORKGROUP));
    if (at.x >= dims.m) {
        return;
    }
    let piece = part(group.z);
    // Words from one row or column to the next, and from one k to the next.
    let a_strides = select(vec2<u32>(dims.k, 1u), vec2<u32>(1u, dims.m), FORM == 2u);
    let b_strides = select(vec2<u32>(1u, dims.n), vec2<u32>(dims.k, 1u), FORM == 0u);
    for (var k = piece.k_start; k < piece.k_end; k++) {
        var right: array<vec4<f32>, TILE_N4>;
        for (var j = 0u; j < TILE_N4; j++) {
            for (var c = 0u; c < 4u; c++) {
                right[j][c] = b[piece.b_start + min(at.y + 4u * j + c, dims.n - 1u) * b_strides.x + k * b_strides.y];
            }
        }
        for (var i = 0u; i < TILE_M; i++) {
            let left = vec4<f32>(a[piece.a_start + min(at.x + i, dims.m - 1u) * a_strides.x + k * a_strides.y]);
            for (var j = 0u; j < TILE_N4; j++) {
                acc[i][j] = fma(left, right[j], acc[i][j]);
            }
        }
    }
    for (var row = 0u; row < num_rows(groups); row++) {
        let sums = row_of_acc(row);
        for (var j = 0u; j < TILE_N4; j++) {
            for (var c = 0u; c < 4u; c++) {
                finish_ragged(piece.y_start, vec2<u32>(at.x + row, at.y + 4u * j + c), sums[j][c]);
            }
        }
    }
}

fn finish_ragged(y_start: u32, at: vec2<u32>, sum: f32) {
    if (at.x < dims.m && at.y < dims.n) {
        finish(y_start + at.x * dims.n + at.y, vec4<f32>(sum + select(0.0, bias_of(at.y), BIAS)));
    }
}
