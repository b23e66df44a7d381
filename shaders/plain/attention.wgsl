// Softmax attention for software adapters; the formulas stand in shaders/ops/attention.wgsl.
//
// There a load costs as much as dozens of sums, so an invocation works for ROWS rows of one head at
// once: each row that it meets is loaded once for all of them.
//
// Grid      plain_forward, plain_backward_query: ROWS query rows an invocation; plain_backward_key: ROWS key rows
// Shapes    qkv4, d_qkv4 [batch, tokens, 3, heads, VECS]; out4, d_out4 [batch, tokens, heads, VECS], all
//           vec4; lse, delta [batch, heads, tokens]
// Memory    none
// Consts    HEAD_WIDTH, a multiple of 4; SCALE = 1/√HEAD_WIDTH; ROWS, at most `tokens`; WORKGROUP; qkv4, d_out4,
//           out4, d_qkv4: how they are stored
// Oracle    src/cpu/attention.rs
//# include lib/grid
//# include lib/half

struct Dims {
    batch: u32,
    tokens: u32,
    heads: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> qkv4: array<qkv4_word>;
@group(1) @binding(1) var<storage, read_write> out4: array<out4_word>;
@group(1) @binding(2) var<storage, read_write> lse: array<f32>;

@group(1) @binding(1) var<storage, read> d_out4: array<d_out4_word>;
@group(1) @binding(2) var<storage, read> lse_saved: array<f32>;
@group(1) @binding(3) var<storage, read> delta_saved: array<f32>;
@group(1) @binding(4) var<storage, read_write> d_qkv4: array<d_qkv4_word>;

// Blocks of qkv.
const QUERY: u32 = 0u;
const KEY: u32 = 1u;
const VALUE: u32 = 2u;
const VECS: u32 = HEAD_WIDTH / 4u;

// Vectors of the rows of an invocation.
alias Rows = array<array<vec4<f32>, VECS>, ROWS>;

// image·heads + head, and the token of the first row.
struct Own {
    head_ix: u32,
    first: u32,
}

// The last rows of a head reach back over their neighbours instead of over the end: what they share
// is made twice, in the same order, hence the same.
fn own_rows(ix: u32) -> Own {
    let num_blocks = (dims.tokens + ROWS - 1u) / ROWS;
    return Own(ix / num_blocks, min(ix % num_blocks * ROWS, dims.tokens - ROWS));
}

fn is_valid(own: Own) -> bool {
    return own.head_ix < dims.batch * dims.heads;
}

// ROWS, unknown to the compiler: loops over single rows with loads and stores in them stay rolled.
// Unrolled ones would take seconds to compile; `set_row` and `row_of` cost few instructions. (Of
// `dims` Mesa may make constants, and then compile at every launch.)
fn num_rows(groups: vec3<u32>) -> u32 {
    return min(ROWS, ROWS * groups.x);
}

fn set_row(rows: ptr<function, Rows>, row: u32, vec_ix: u32, value: vec4<f32>) {
    for (var r = 0u; r < ROWS; r++) {
        (*rows)[r][vec_ix] = select((*rows)[r][vec_ix], value, r == row);
    }
}

fn row_of(rows: ptr<function, Rows>, row: u32, vec_ix: u32) -> vec4<f32> {
    var value = vec4<f32>(0.0);
    for (var r = 0u; r < ROWS; r++) {
        value = select(value, (*rows)[r][vec_ix], r == row);
    }
    return value;
}

// First vector of a token's row of a head, in block `which` of an array with `blocks` of them.
fn row_start(head_ix: u32, token_ix: u32, which: u32, blocks: u32) -> u32 {
    let token = head_ix / dims.heads * dims.tokens + token_ix;
    return ((token * blocks + which) * dims.heads + head_ix % dims.heads) * VECS;
}

fn total(value: vec4<f32>) -> f32 {
    return (value.x + value.y) + (value.z + value.w);
}

@compute @workgroup_size(WORKGROUP)
fn plain_forward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let own = own_rows(flat_index(global, groups, WORKGROUP));
    if (!is_valid(own)) {
        return;
    }
    var queries: Rows;
    // Σ weight·value and Σ weight, relative to the largest score so far, which starts below every score.
    var sums: Rows;
    var weight_sums: array<f32, ROWS>;
    var largest: array<f32, ROWS>;
    for (var row = 0u; row < num_rows(groups); row++) {
        let start = row_start(own.head_ix, own.first + row, QUERY, 3u);
        for (var v = 0u; v < VECS; v++) {
            set_row(&queries, row, v, qkv4_at(start + v) * SCALE);
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        largest[r] = -3.0e38;
    }
    for (var token_ix = 0u; token_ix < dims.tokens; token_ix++) {
        let key_start = row_start(own.head_ix, token_ix, KEY, 3u);
        // Said, not left to the declaration: in Chrome that makes zeros in the first turn of a loop alone.
        var products = array<vec4<f32>, ROWS>();
        for (var v = 0u; v < VECS; v++) {
            let key = qkv4_at(key_start + v);
            for (var r = 0u; r < ROWS; r++) {
                products[r] += queries[r][v] * key;
            }
        }
        var factors: array<f32, ROWS>;
        var weights: array<f32, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            let score = total(products[r]);
            let before = largest[r];
            largest[r] = max(before, score);
            factors[r] = exp(max(before - largest[r], -100.0));
            weights[r] = exp(score - largest[r]);
            weight_sums[r] = weight_sums[r] * factors[r] + weights[r];
        }
        let value_start = row_start(own.head_ix, token_ix, VALUE, 3u);
        for (var v = 0u; v < VECS; v++) {
            let value = qkv4_at(value_start + v);
            for (var r = 0u; r < ROWS; r++) {
                sums[r][v] = sums[r][v] * factors[r] + weights[r] * value;
            }
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        for (var v = 0u; v < VECS; v++) {
            sums[r][v] /= weight_sums[r];
        }
        lse[own.head_ix * dims.tokens + own.first + r] = largest[r] + log(weight_sums[r]);
    }
    for (var row = 0u; row < num_rows(groups); row++) {
        let start = row_start(own.head_ix, own.first + row, 0u, 1u);
        for (var v = 0u; v < VECS; v++) {
            set_out4(start + v, row_of(&sums, row, v));
        }
    }
}

fn saved_numbers(head_ix: u32, token_ix: u32) -> vec2<f32> {
    let at = head_ix * dims.tokens + token_ix;
    return vec2<f32>(lse_saved[at], delta_saved[at]);
}

@compute @workgroup_size(WORKGROUP)
fn plain_backward_query(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let own = own_rows(flat_index(global, groups, WORKGROUP));
    if (!is_valid(own)) {
        return;
    }
    var queries: Rows;
    var d_outs: Rows;
    // d_Q / SCALE.
    var sums: Rows;
    var numbers: array<vec2<f32>, ROWS>;
    for (var row = 0u; row < num_rows(groups); row++) {
        let start = row_start(own.head_ix, own.first + row, QUERY, 3u);
        let d_start = row_start(own.head_ix, own.first + row, 0u, 1u);
        for (var v = 0u; v < VECS; v++) {
            set_row(&queries, row, v, qkv4_at(start + v) * SCALE);
            set_row(&d_outs, row, v, d_out4_at(d_start + v));
        }
    }
    for (var r = 0u; r < ROWS; r++) {
        numbers[r] = saved_numbers(own.head_ix, own.first + r);
    }
    for (var token_ix = 0u; token_ix < dims.tokens; token_ix++) {
        let key_start = row_start(own.head_ix, token_ix, KEY, 3u);
        let value_start = row_start(own.head_ix, token_ix, VALUE, 3u);
        var key: array<vec4<f32>, VECS>;
        var scores = array<vec4<f32>, ROWS>();
        var d_weights = array<vec4<f32>, ROWS>();
        for (var v = 0u; v < VECS; v++) {
            key[v] = qkv4_at(key_start + v);
            let value = qkv4_at(value_start + v);
            for (var r = 0u; r < ROWS; r++) {
                scores[r] += queries[r][v] * key[v];
                d_weights[r] += d_outs[r][v] * value;
            }
        }
        var d_scores: array<f32, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            d_scores[r] = exp(total(scores[r]) - numbers[r].x) * (total(d_weights[r]) - numbers[r].y);
        }
        for (var v = 0u; v < VECS; v++) {
            for (var r = 0u; r < ROWS; r++) {
                sums[r][v] += d_scores[r] * key[v];
            }
        }
    }
    for (var row = 0u; row < num_rows(groups); row++) {
        let start = row_start(own.head_ix, own.first + row, QUERY, 3u);
        for (var v = 0u; v < VECS; v++) {
            set_d_qkv4(start + v, row_of(&sums, row, v) * SCALE);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn plain_backward_key(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let own = own_rows(flat_index(global, groups, WORKGROUP));
    if (!is_valid(own)) {
        return;
    }
    var keys: Rows;
    var values: Rows;
    // d_K / SCALE and d_V.
    var d_keys: Rows;
    var d_values: Rows;
    for (var row = 0u; row < num_rows(groups); row++) {
        let key_start = row_start(own.head_ix, own.first + row, KEY, 3u);
        let value_start = row_start(own.head_ix, own.first + row, VALUE, 3u);
        for (var v = 0u; v < VECS; v++) {
            set_row(&keys, row, v, qkv4_at(key_start + v) * SCALE);
            set_row(&values, row, v, qkv4_at(value_start + v));
        }
    }
    for (var token_ix = 0u; token_ix < dims.tokens; token_ix++) {
        let numbers = saved_numbers(own.head_ix, token_ix);
        let query_start = row_start(own.head_ix, token_ix, QUERY, 3u);
        let d_start = row_start(own.head_ix, token_ix, 0u, 1u);
        var query: array<vec4<f32>, VECS>;
        var d_out: array<vec4<f32>, VECS>;
        var scores = array<vec4<f32>, ROWS>();
        var d_weights = array<vec4<f32>, ROWS>();
        for (var v = 0u; v < VECS; v++) {
            query[v] = qkv4_at(query_start + v);
            d_out[v] = d_out4_at(d_start + v);
            for (var r = 0u; r < ROWS; r++) {
                scores[r] += keys[r][v] * query[v];
                d_weights[r] += values[r][v] * d_out[v];
            }
        }
        var weights: array<f32, ROWS>;
        var d_scores: array<f32, ROWS>;
        for (var r = 0u; r < ROWS; r++) {
            weights[r] = exp(total(scores[r]) - numbers.x);
            d_scores[r] = weights[r] * (total(d_weights[r]) - numbers.y);
        }
        for (var v = 0u; v < VECS; v++) {
            for (var r = 0u; r < ROWS; r++) {
                d_keys[r][v] += d_scores[r] * query[v];
                d_values[r][v] += weights[r] * d_out[v];
            }
        }
    }
    for (var row = 0u; row < num_rows(groups); row++) {
        let key_start = row_start(own.head_ix, own.first + row, KEY, 3u);
        let value_start = row_start(own.head_ix, own.first + row, VALUE, 3u);
        for (var v = 0u; v < VECS; v++) {
            set_d_qkv4(key_start + v, row_of(&d_keys, row, v) * SCALE);
            set_d_qkv4(value_start + v, row_of(&d_values, row, v));
        }
    }
}
