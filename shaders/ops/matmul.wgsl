// Matrix products with their epilogues, by tiles in shared memory; without see shaders/plain/matmul.wgsl.
//
//   y = f(product + bias) + residual      product: nt a·bᵀ, nn a·b, tn aᵀ·b
//
// Grid      tiled: one tile of GROUP_M × GROUP_N a workgroup, flat (T1), batch × splits times along z;
//           reduce: flat over y, both tiers
// Shapes    a4, b4 as in src/ops/matmul.rs, by vectors; y, pre, residual [batch, m, n]; bias [n];
//           partial [splits, batch, m, n]: with splits > 1 `y` of the first pass is `partial`
// Memory    tiled: (GROUP_M + GROUP_N)·GROUP_K floats
// Consts    FORM 0 nt, 1 nn, 2 tn; BIAS, ACTIVATION (0 none, 1 GELU, 2 ReLU), RESIDUAL, KEEP: the epilogue;
//           TILE_M, TILE_N, GROUP_M, GROUP_N, GROUP_K (see lib/tile); UNIT: numbers of y written at
//           once, which divides n; y, pre, a4, b4: how they are stored; WORKGROUP
// Oracle    src/cpu/matmul.rs
//# include lib/grid
//# include lib/erf
//# include lib/half
//# include lib/product
//# include lib/tile

// The factors as vectors along their contiguous sides, which must be multiples of 4.
@group(1) @binding(4) var<storage, read> a4: array<a4_word>;
@group(1) @binding(5) var<storage, read> b4: array<b4_word>;

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

// Groups of four rows and columns of the accumulator are `row_step` and `column_step` apart in y.
fn finish_tile(start: u32, first_row: u32, row_step: u32, first_column: u32, column_step: u32) {
    for (var i = 0u; i < TILE_M; i++) {
        let row = first_row + (i / 4u) * row_step + i % 4u;
        for (var j = 0u; j < TILE_N; j += UNIT) {
            let column = first_column + (j / 4u) * column_step + j % 4u;
            if (row < dims.m && column < dims.n) {
                let sums = acc[i][j / 4u];
                finish((start + row * dims.n + column) / UNIT, vec4<f32>(sums[j % 4u], sums.yzw));
            }
        }
    }
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
            values[step] = a4_at((piece.a_start + word) / 4u);
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
            values[step] = b4_at((piece.b_start + word) / 4u);
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
    if (UNIT * ix >= len) {
        return;
    }
    var sums: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        let own = UNIT * ix + i;
        var sum = select(0.0, bias_of(own % dims.n), BIAS);
        for (var split = 0u; split < dims.splits; split++) {
            sum += partial[split * len + own];
        }
        sums[i] = sum;
    }
    finish(ix, sums);
}
