// Rows of the heads in a packed qkv array, met from memory (T0) or through a shared tile (T1).
//
// The including shader sets HEAD_WIDTH, TILED, TILE_ROWS and WORKGROUP, says how qkv is stored, and has `batch`, `tokens` and
// `heads` in its Dims. Memory: TILE_ROWS rows of two vectors and two numbers.

@group(1) @binding(0) var<storage, read> qkv: array<qkv_word>;

// Blocks of qkv.
const QUERY: u32 = 0u;
const KEY: u32 = 1u;
const VALUE: u32 = 2u;
// vec4s of one row of one head; the last may reach beyond it.
const VECS: u32 = (HEAD_WIDTH + 3u) / 4u;

// The row this invocation works for, and the sums over the rows it meets.
var<private> own_a: array<vec4<f32>, VECS>;
var<private> own_b: array<vec4<f32>, VECS>;
var<private> sum_a: array<vec4<f32>, VECS>;
var<private> sum_b: array<vec4<f32>, VECS>;

var<workgroup> sh_a: array<vec4<f32>, TILE_ROWS * VECS>;
var<workgroup> sh_b: array<vec4<f32>, TILE_ROWS * VECS>;
// lse and delta.
var<workgroup> sh_numbers: array<vec2<f32>, TILE_ROWS>;

struct Row {
    // image·heads + head.
    head_ix: u32,
    token_ix: u32,
}

// A row that is met: token in the head, and place in the tile (T1).
struct Met {
    token_ix: u32,
    slot: u32,
}

// The row of an invocation; may lie beyond the last token or head.
fn own_row(group_ix: u32, lane: u32) -> Row {
    if (TILED) {
        let num_blocks = (dims.tokens + WORKGROUP - 1u) / WORKGROUP;
        return Row(group_ix / num_blocks, group_ix % num_blocks * WORKGROUP + lane);
    }
    let ix = group_ix * WORKGROUP + lane;
    return Row(ix / dims.tokens, ix % dims.tokens);
}

fn is_valid(row: Row) -> bool {
    return row.head_ix < dims.batch * dims.heads && row.token_ix < dims.tokens;
}

// A row that exists: invocations without one of their own must still reach every barrier.
fn clamped(row: Row) -> Row {
    return Row(min(row.head_ix, dims.batch * dims.heads - 1u), min(row.token_ix, dims.tokens - 1u));
}

fn number_ix(head_ix: u32, token_ix: u32) -> u32 {
    return head_ix * dims.tokens + token_ix;
}

// First element of a token's row of a head, in block `which` of an array with `blocks` of them.
fn row_start(head_ix: u32, token_ix: u32, which: u32, blocks: u32) -> u32 {
    let token = head_ix / dims.heads * dims.tokens + token_ix;
    return ((token * blocks + which) * dims.heads + head_ix % dims.heads) * HEAD_WIDTH;
}

// The columns of a vec4; those beyond the head are replaced by its last.
fn columns(vec_ix: u32) -> vec4<u32> {
    return min(vec4<u32>(4u * vec_ix) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(HEAD_WIDTH - 1u));
}

// Zeroes the columns beyond the head. In every product one factor is masked: the invocation's own row.
fn masked(value: vec4<f32>, vec_ix: u32) -> vec4<f32> {
    return select(vec4<f32>(0.0), value, vec4<u32>(4u * vec_ix) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(HEAD_WIDTH));
}

fn qkv_vec(start: u32, vec_ix: u32) -> vec4<f32> {
    let at = vec4<u32>(start) + columns(vec_ix);
    return vec4<f32>(qkv_at(at.x), qkv_at(at.y), qkv_at(at.z), qkv_at(at.w));
}

// Where `met_vec` finds a row: in the tile or in memory.
fn met_start(head_ix: u32, met: Met, which: u32, blocks: u32) -> u32 {
    if (TILED) {
        return met.slot * VECS;
    }
    return row_start(head_ix, met.token_ix, which, blocks);
}

// A key or query.
fn met_vec(start: u32, vec_ix: u32) -> vec4<f32> {
    if (TILED) {
        return sh_a[start + vec_ix];
    }
    return qkv_vec(start, vec_ix);
}

fn met_value_vec(start: u32, vec_ix: u32) -> vec4<f32> {
    if (TILED) {
        return sh_b[start + vec_ix];
    }
    return qkv_vec(start, vec_ix);
}

// Keys and values from token `first` on.
fn load_keys(head_ix: u32, first: u32, num_rows: u32, lane: u32) {
    for (var ix = lane; ix < num_rows * VECS; ix += WORKGROUP) {
        let token_ix = first + ix / VECS;
        sh_a[ix] = qkv_vec(row_start(head_ix, token_ix, KEY, 3u), ix % VECS);
        sh_b[ix] = qkv_vec(row_start(head_ix, token_ix, VALUE, 3u), ix % VECS);
    }
}

fn total(value: vec4<f32>) -> f32 {
    return (value.x + value.y) + (value.z + value.w);
}
