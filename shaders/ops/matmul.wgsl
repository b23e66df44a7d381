// Matrix products with their epilogues.
//
//   y = f(product + bias) + residual      product: nt a·bᵀ, nn a·b, tn aᵀ·b
//
// Grid      plain…: one tile of TILE_M × TILE_N an invocation, flat (T0, no barrier);
//           tiled: one tile of GROUP_M × GROUP_N a workgroup, flat (T1);
//           both batch × splits times along z; reduce: flat over y
// Shapes    a, b as in src/ops/matmul.rs; y, pre, residual [batch, m, n]; bias [n];
//           partial [splits, batch, m, n]: with splits > 1 `y` of the first pass is `partial`
// Memory    tiled: (GROUP_M + GROUP_N)·GROUP_K floats
// Consts    FORM 0 nt, 1 nn, 2 tn; BIAS, ACTIVATION (0 none, 1 GELU, 2 ReLU), RESIDUAL, KEEP: the epilogue;
//           TILE_M, TILE_N, GROUP_M, GROUP_N, GROUP_K (see lib/tile); WORKGROUP
// Oracle    src/cpu/matmul.rs
//# include lib/grid
//# include lib/erf
//# include lib/tile

struct Dims {
    m: u32,
    n: u32,
    k: u32,
    batch: u32,
    splits: u32,
    // Inner length of one split, a multiple of 4.
    split_k: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read_write> y: array<f32>;
@group(1) @binding(1) var<storage, read_write> pre: array<f32>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;
@group(1) @binding(3) var<storage, read> residual: array<f32>;
// The factors as vectors along their contiguous sides, which must be multiples of 4.
@group(1) @binding(4) var<storage, read> a4: array<vec4<f32>>;
@group(1) @binding(5) var<storage, read> b4: array<vec4<f32>>;

// The product of one batch entry over a stretch of k.
struct Part { a_start: u32, b_start: u32, y_start: u32, k_start: u32, k_end: u32 }

fn part(z: u32) -> Part {
    let batch_ix = z % dims.batch;
    let k_start = (z / dims.batch) * dims.split_k;
    let k_end = min(k_start + dims.split_k, dims.k);
    return Part(batch_ix * dims.m * dims.k, batch_ix * dims.n * dims.k, z * dims.m * dims.n, k_start, k_end);
}

fn bias_of(column: u32) -> f32 {
    return bias[min(column, dims.n - 1u)];
}

// Sums start from the bias: it is read once a column. By whole vectors: some compilers leave longer
// loops rolled, and the accumulator out of registers.
fn start_from_bias(first_column: u32, column_step: u32) {
    for (var j = 0u; BIAS && j < TILE_N4; j++) {
        let column = first_column + j * column_step;
        let start = vec4<f32>(bias_of(column), bias_of(column + 1u), bias_of(column + 2u), bias_of(column + 3u));
        for (var i = 0u; i < TILE_M; i++) {
            acc[i][j] = start;
        }
    }
}

fn finish(ix: u32, sum: f32) {
    var value = sum;
    if (KEEP) {
        pre[ix] = value;
    }
    if (ACTIVATION == 1u) {
        value = gelu(value);
    }
    if (ACTIVATION == 2u) {
        // NaN fails the comparison and passes through.
        value = select(value, 0.0, value <= 0.0);
    }
    if (RESIDUAL) {
        value += residual[ix];
    }
    y[ix] = value;
}

// Groups of four rows and columns of the accumulator are `row_step` and `column_step` apart in y.
fn finish_tile(start: u32, first_row: u32, row_step: u32, first_column: u32, column_step: u32) {
    for (var i = 0u; i < TILE_M; i++) {
        let row = first_row + (i / 4u) * row_step + i % 4u;
        for (var j = 0u; j < TILE_N; j++) {
            let column = first_column + (j / 4u) * column_step + j % 4u;
            if (row < dims.m && column < dims.n) {
                finish(start + row * dims.n + column, acc[i][j / 4u][j % 4u]);
            }
        }
    }
}

// First row and column of the tile of an invocation.
fn corner(tile: u32) -> vec2<u32> {
    let across = (dims.n + TILE_N - 1u) / TILE_N;
    return vec2<u32>((tile / across) * TILE_M, (tile % across) * TILE_N);
}

// The last tiles reach back over their neighbours instead of over the edge: what they share is made
// twice, in the same order, hence the same. Guards on every element would cost software adapters
// seconds of compilation. Both sides must be as long as a tile.
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
    start_from_bias(at.y, 4u);
    let piece = part(group.z);
    let whole = piece.k_end - (piece.k_end - piece.k_start) % 4u;
    for (var k = piece.k_start; k < whole; k += 4u) {
        if (FORM == 0u) {
            step_nt(piece, at, k);
        } else if (FORM == 1u) {
            step_nn(piece, at, k);
        } else {
            for (var step = 0u; step < 4u; step++) {
                step_tn(piece, at, k + step);
            }
        }
    }
    if (FORM == 2u) {
        for (var k = whole; k < piece.k_end; k++) {
            step_tn(piece, at, k);
        }
    }
    for (var i = 0u; i < TILE_M; i++) {
        let start = piece.y_start + (at.x + i) * dims.n + at.y;
        for (var j = 0u; j < TILE_N; j++) {
            finish(start + j, acc[i][j / 4u][j % 4u]);
        }
    }
}

fn step_nt(piece: Part, at: vec2<u32>, k: u32) {
    var right: array<vec4<f32>, TILE_N>;
    for (var j = 0u; j < TILE_N; j++) {
        right[j] = b4[(piece.b_start + (at.y + j) * dims.k + k) / 4u];
    }
    for (var i = 0u; i < TILE_M; i++) {
        let left = a4[(piece.a_start + (at.x + i) * dims.k + k) / 4u];
        for (var j = 0u; j < TILE_N; j++) {
            acc[i][j / 4u][j % 4u] += dot(left, right[j]);
        }
    }
}

fn step_nn(piece: Part, at: vec2<u32>, k: u32) {
    var left: array<vec4<f32>, TILE_M>;
    for (var i = 0u; i < TILE_M; i++) {
        left[i] = a4[(piece.a_start + (at.x + i) * dims.k + k) / 4u];
    }
    for (var step = 0u; step < 4u; step++) {
        for (var j = 0u; j < TILE_N4; j++) {
            let right = b4[(piece.b_start + (k + step) * dims.n + at.y + 4u * j) / 4u];
            for (var i = 0u; i < TILE_M; i++) {
                acc[i][j] = fma(vec4<f32>(left[i][step]), right, acc[i][j]);
            }
        }
    }
}

fn step_tn(piece: Part, at: vec2<u32>, k: u32) {
    var left: array<vec4<f32>, TILE_M4>;
    for (var i4 = 0u; i4 < TILE_M4; i4++) {
        left[i4] = a4[(piece.a_start + k * dims.m + at.x + 4u * i4) / 4u];
    }
    for (var j = 0u; j < TILE_N4; j++) {
        let right = b4[(piece.b_start + k * dims.n + at.y + 4u * j) / 4u];
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
    start_from_bias(at.y, 4u);
    let piece = part(group.z);
    // Words from one row or column to the next, and from one k to the next.
    let a_strides = select(vec2<u32>(dims.k, 1u), vec2<u32>(1u, dims.m), FORM == 2u);
    let b_strides = select(vec2<u32>(1u, dims.n), vec2<u32>(dims.k, 1u), FORM == 0u);
    for (var k = piece.k_start; k < piece.k_end; k++) {
        var right: array<vec4<f32>, TILE_N4>;
        for (var j = 0u; j < TILE_N; j++) {
            right[j / 4u][j % 4u] = b[piece.b_start + min(at.y + j, dims.n - 1u) * b_strides.x + k * b_strides.y];
        }
        for (var i = 0u; i < TILE_M; i++) {
            let left = vec4<f32>(a[piece.a_start + min(at.x + i, dims.m - 1u) * a_strides.x + k * a_strides.y]);
            for (var j = 0u; j < TILE_N4; j++) {
                acc[i][j] = fma(left, right[j], acc[i][j]);
            }
        }
    }
    finish_tile(piece.y_start, at.x, 4u, at.y, 4u);
}

@compute @workgroup_size(WORKGROUP)
fn tiled(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let across = (dims.n + GROUP_N - 1u) / GROUP_N;
    let tile = group.x + group.y * groups.x;
    let row = (tile / across) * GROUP_M;
    let column = (tile % across) * GROUP_N;
    if (row >= dims.m) {
        return;
    }
    let own_column = column + 4u * (lane % ACROSS);
    start_from_bias(own_column, COLUMN_STEP);
    let piece = part(group.z);
    for (var k = piece.k_start; k < piece.k_end; k += GROUP_K) {
        for (var block = lane; block < GROUP_M4 * (GROUP_K / 4u); block += WORKGROUP) {
            fill_a(piece, row, k, block);
        }
        for (var block = lane; block < GROUP_N4 * (GROUP_K / 4u); block += WORKGROUP) {
            fill_b(piece, column, k, block);
        }
        workgroupBarrier();
        multiply_tiles(lane);
        // The next round overwrites the tiles.
        workgroupBarrier();
    }
    finish_tile(piece.y_start, row + 4u * (lane / ACROSS), ROW_STEP, own_column, COLUMN_STEP);
}

fn fill_a(piece: Part, first_row: u32, first_k: u32, block: u32) {
    const along_k = FORM != 2u;
    let at = block_corner(block, GROUP_M4, along_k);
    var values = mat4x4<f32>();
    for (var step = 0u; step < 4u; step++) {
        let word = block_word(vec2<u32>(first_row, first_k) + 4u * at, dims.m, dims.k, piece.k_end, step, along_k);
        if (word != OUTSIDE) {
            values[step] = a4[(piece.a_start + word) / 4u];
        }
    }
    if (along_k) {
        values = transpose(values);
    }
    for (var step = 0u; step < 4u; step++) {
        sh_a[(4u * at.y + step) * GROUP_M4 + at.x] = values[step];
    }
}

fn fill_b(piece: Part, first_column: u32, first_k: u32, block: u32) {
    const along_k = FORM == 0u;
    let at = block_corner(block, GROUP_N4, along_k);
    var values = mat4x4<f32>();
    for (var step = 0u; step < 4u; step++) {
        let word = block_word(vec2<u32>(first_column, first_k) + 4u * at, dims.n, dims.k, piece.k_end, step, along_k);
        if (word != OUTSIDE) {
            values[step] = b4[(piece.b_start + word) / 4u];
        }
    }
    if (along_k) {
        values = transpose(values);
    }
    for (var step = 0u; step < 4u; step++) {
        sh_b[(4u * at.y + step) * GROUP_N4 + at.x] = values[step];
    }
}

@group(1) @binding(4) var<storage, read> partial: array<f32>;

// The splits, added in order.
@compute @workgroup_size(WORKGROUP)
fn reduce(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let len = dims.batch * dims.m * dims.n;
    if (ix >= len) {
        return;
    }
    var sum = select(0.0, bias_of(ix % dims.n), BIAS);
    for (var split = 0u; split < dims.splits; split++) {
        sum += partial[split * len + ix];
    }
    finish(ix, sum);
}
