// Product of two tiles in workgroup memory (T1). The including shader sets TILE_M, TILE_N (of an
// invocation), GROUP_M, GROUP_N, GROUP_K (of a workgroup), all multiples of 4, and fills the tiles.
//
// Both tiles lie with k outermost, as vectors along m and n. An invocation's rows and columns are
// groups of four, ROW_STEP and COLUMN_STEP apart, so that neighbours read neighbouring vectors.

const TILE_M4 = TILE_M / 4u;
const TILE_N4 = TILE_N / 4u;
const GROUP_M4 = GROUP_M / 4u;
const GROUP_N4 = GROUP_N / 4u;
const ACROSS = GROUP_N / TILE_N;
const ROW_STEP = 4u * (GROUP_M / TILE_M);
const COLUMN_STEP = 4u * ACROSS;

var<private> acc: array<array<vec4<f32>, TILE_N4>, TILE_M>;
var<workgroup> sh_a: array<vec4<f32>, GROUP_K * GROUP_M4>;
var<workgroup> sh_b: array<vec4<f32>, GROUP_K * GROUP_N4>;

// Adds the product of the tiles to the accumulator.
fn multiply_tiles(lane: u32) {
    let across = lane % ACROSS;
    let down = lane / ACROSS;
    for (var k = 0u; k < GROUP_K; k++) {
        var right: array<vec4<f32>, TILE_N4>;
        for (var j = 0u; j < TILE_N4; j++) {
            right[j] = sh_b[k * GROUP_N4 + across + j * ACROSS];
        }
        for (var i4 = 0u; i4 < TILE_M4; i4++) {
            let left = sh_a[k * GROUP_M4 + down + i4 * (GROUP_M / TILE_M)];
            for (var j = 0u; j < TILE_N4; j++) {
                acc[4u * i4][j] = fma(vec4<f32>(left.x), right[j], acc[4u * i4][j]);
                acc[4u * i4 + 1u][j] = fma(vec4<f32>(left.y), right[j], acc[4u * i4 + 1u][j]);
                acc[4u * i4 + 2u][j] = fma(vec4<f32>(left.z), right[j], acc[4u * i4 + 2u][j]);
                acc[4u * i4 + 3u][j] = fma(vec4<f32>(left.w), right[j], acc[4u * i4 + 3u][j]);
            }
        }
    }
}

// Tiles are filled in blocks of four by four; neighbouring invocations read along the contiguous
// side. Beyond the matrix, and beyond `k_end`, the tiles hold zero.
const OUTSIDE = 0xFFFFFFFFu;

// Where a block lies in a tile of `sides4` blocks along m or n, in blocks: (m or n, k).
fn block_corner(block: u32, sides4: u32, along_k: bool) -> vec2<u32> {
    const k4 = GROUP_K / 4u;
    return select(vec2<u32>(block % sides4, block / sides4), vec2<u32>(block / k4, block % k4), along_k);
}

// Word of vector `step` of the block at (m or n, k), in a factor of `sides` × `k_len`.
fn block_word(at: vec2<u32>, sides: u32, k_len: u32, k_end: u32, step: u32, along_k: bool) -> u32 {
    let inside = select(at.x < sides && at.y + step < k_end, at.x + step < sides && at.y < k_end, along_k);
    let word = select((at.y + step) * sides + at.x, (at.x + step) * k_len + at.y, along_k);
    return select(OUTSIDE, word, inside);
}
