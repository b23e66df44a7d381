// Softmax attention over packed queries, keys and values; no N×N matrix is kept.
//
//   S = Q·Kᵀ·SCALE,  lse_i = ln Σ_j exp S_ij,  P = exp(S − lse),  out = P·V
//   delta_i = Σ_j d_out_ij·out_ij,  d_S = P ∘ (d_out·Vᵀ − delta)
//   d_V = Pᵀ·d_out,  d_Q = d_S·K·SCALE,  d_K = d_Sᵀ·Q·SCALE
//
// Grid      one row of one head an invocation: forward, delta_rows, backward_query (a query row),
//           backward_key (a key row). TILED: a workgroup keeps within one head, and meets the
//           other rows through shared memory (T1); otherwise no barrier (T0: widths plain/attention lacks)
// Shapes    qkv, d_qkv [batch, tokens, 3, heads, HEAD_WIDTH]; out, d_out [batch, tokens, heads,
//           HEAD_WIDTH]; lse, delta [batch, heads, tokens]
// Memory    TILED: TILE_ROWS rows of two vectors and two numbers, at most 16 KiB
// Consts    HEAD_WIDTH; SCALE = 1/√HEAD_WIDTH; TILED: the tier; TILE_ROWS; WORKGROUP; UNIT: numbers written at
//           once; qkv, d_out, out_saved, out, d_qkv: how they are stored
// Oracle    src/cpu/attention.rs
//# include lib/grid
//# include lib/half
//# include lib/heads

struct Dims {
    batch: u32,
    tokens: u32,
    heads: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(1) var<storage, read_write> out: array<out_word>;
@group(1) @binding(2) var<storage, read_write> lse: array<f32>;

@group(1) @binding(0) var<storage, read> out_saved: array<out_saved_word>;
@group(1) @binding(1) var<storage, read> d_out: array<d_out_word>;
@group(1) @binding(2) var<storage, read_write> delta: array<f32>;
@group(1) @binding(2) var<storage, read> lse_saved: array<f32>;
@group(1) @binding(3) var<storage, read> delta_saved: array<f32>;
@group(1) @binding(4) var<storage, read_write> d_qkv: array<d_qkv_word>;

// ---- forward: own_a = query, sum_a = Σ weight·value.

// Largest score so far, from below every score, and the sum of the weights relative to it.
var<private> largest: f32 = -3.0e38;
var<private> weight_sum: f32 = 0.0;

fn begin_forward(row: Row) {
    let start = row_start(row.head_ix, row.token_ix, QUERY, 3u);
    for (var v = 0u; v < VECS; v++) {
        own_a[v] = masked(qkv_vec(start, v), v) * SCALE;
        sum_a[v] = vec4<f32>(0.0);
    }
}

fn meet_key(head_ix: u32, met: Met) {
    let key = met_start(head_ix, met, KEY, 3u);
    var product = vec4<f32>(0.0);
    for (var v = 0u; v < VECS; v++) {
        product += own_a[v] * met_vec(key, v);
    }
    let score = total(product);
    if (score > largest) {
        let factor = exp(max(largest - score, -100.0));
        for (var v = 0u; v < VECS; v++) {
            sum_a[v] *= factor;
        }
        weight_sum *= factor;
        largest = score;
    }
    let weight = exp(score - largest);
    weight_sum += weight;
    let value = met_start(head_ix, met, VALUE, 3u);
    for (var v = 0u; v < VECS; v++) {
        sum_a[v] += weight * met_value_vec(value, v);
    }
}

fn end_forward(row: Row) {
    let start = row_start(row.head_ix, row.token_ix, 0u, 1u);
    for (var v = 0u; v < VECS; v++) {
        let value = sum_a[v] / weight_sum;
        for (var part = 0u; part < min(4u, HEAD_WIDTH - 4u * v); part += UNIT) {
            set_out((start + 4u * v + part) / UNIT, vec4<f32>(value[part], value.yzw));
        }
    }
    lse[number_ix(row.head_ix, row.token_ix)] = largest + log(weight_sum);
}

@compute @workgroup_size(WORKGROUP)
fn forward(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = own_row(flat_group(group, groups), lane);
    let row = clamped(own);
    begin_forward(row);
    for (var first = 0u; first < dims.tokens; first += TILE_ROWS) {
        let num_rows = min(TILE_ROWS, dims.tokens - first);
        if (TILED) {
            load_keys(row.head_ix, first, num_rows, lane);
            workgroupBarrier();
        }
        for (var slot = 0u; slot < num_rows; slot++) {
            meet_key(row.head_ix, Met(first + slot, slot));
        }
        if (TILED) {
            // The next tile overwrites this one.
            workgroupBarrier();
        }
    }
    if (is_valid(own)) {
        end_forward(row);
    }
}

// ---- backward. own_a: query or key, times SCALE; own_b: its d_out or value.
@compute @workgroup_size(WORKGROUP)
fn delta_rows(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = own_row(flat_group(group, groups), lane);
    if (!is_valid(row)) {
        return;
    }
    let start = row_start(row.head_ix, row.token_ix, 0u, 1u);
    var sum = 0.0;
    for (var column = 0u; column < HEAD_WIDTH; column++) {
        sum += d_out_at(start + column) * out_saved_at(start + column);
    }
    delta[number_ix(row.head_ix, row.token_ix)] = sum;
}

fn d_out_vec(start: u32, vec_ix: u32) -> vec4<f32> {
    let at = vec4<u32>(start) + columns(vec_ix);
    return vec4<f32>(d_out_at(at.x), d_out_at(at.y), d_out_at(at.z), d_out_at(at.w));
}

fn met_d_out_vec(start: u32, vec_ix: u32) -> vec4<f32> {
    if (TILED) {
        return sh_b[start + vec_ix];
    }
    return d_out_vec(start, vec_ix);
}

fn write_d_qkv(start: u32, vec_ix: u32, value: vec4<f32>) {
    for (var part = 0u; part < min(4u, HEAD_WIDTH - 4u * vec_ix); part += UNIT) {
        set_d_qkv((start + 4u * vec_ix + part) / UNIT, vec4<f32>(value[part], value.yzw));
    }
}

fn saved_numbers(head_ix: u32, token_ix: u32) -> vec2<f32> {
    let at = number_ix(head_ix, token_ix);
    return vec2<f32>(lse_saved[at], delta_saved[at]);
}

// ---- a query row: sum_a gathers d_Q / SCALE.
fn begin_query(row: Row) {
    let query = row_start(row.head_ix, row.token_ix, QUERY, 3u);
    let d_row = row_start(row.head_ix, row.token_ix, 0u, 1u);
    for (var v = 0u; v < VECS; v++) {
        own_a[v] = masked(qkv_vec(query, v), v) * SCALE;
        own_b[v] = masked(d_out_vec(d_row, v), v);
        sum_a[v] = vec4<f32>(0.0);
    }
}

fn meet_key_again(head_ix: u32, met: Met, numbers: vec2<f32>) {
    let key = met_start(head_ix, met, KEY, 3u);
    let value = met_start(head_ix, met, VALUE, 3u);
    var score = vec4<f32>(0.0);
    var d_weight = vec4<f32>(0.0);
    for (var v = 0u; v < VECS; v++) {
        score += own_a[v] * met_vec(key, v);
        d_weight += own_b[v] * met_value_vec(value, v);
    }
    let d_score = exp(total(score) - numbers.x) * (total(d_weight) - numbers.y);
    for (var v = 0u; v < VECS; v++) {
        sum_a[v] += d_score * met_vec(key, v);
    }
}

fn end_query(row: Row) {
    let start = row_start(row.head_ix, row.token_ix, QUERY, 3u);
    for (var v = 0u; v < VECS; v++) {
        write_d_qkv(start, v, sum_a[v] * SCALE);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_query(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = own_row(flat_group(group, groups), lane);
    let row = clamped(own);
    begin_query(row);
    let numbers = saved_numbers(row.head_ix, row.token_ix);
    for (var first = 0u; first < dims.tokens; first += TILE_ROWS) {
        let num_rows = min(TILE_ROWS, dims.tokens - first);
        if (TILED) {
            load_keys(row.head_ix, first, num_rows, lane);
            workgroupBarrier();
        }
        for (var slot = 0u; slot < num_rows; slot++) {
            meet_key_again(row.head_ix, Met(first + slot, slot), numbers);
        }
        if (TILED) {
            workgroupBarrier();
        }
    }
    if (is_valid(own)) {
        end_query(row);
    }
}

// ---- a key row: sum_a gathers d_K / SCALE, sum_b d_V.

fn begin_key(row: Row) {
    let key = row_start(row.head_ix, row.token_ix, KEY, 3u);
    let value = row_start(row.head_ix, row.token_ix, VALUE, 3u);
    for (var v = 0u; v < VECS; v++) {
        own_a[v] = masked(qkv_vec(key, v), v) * SCALE;
        own_b[v] = masked(qkv_vec(value, v), v);
        sum_a[v] = vec4<f32>(0.0);
        sum_b[v] = vec4<f32>(0.0);
    }
}

// Queries with their d_out, lse and delta.
fn load_queries(head_ix: u32, first: u32, num_rows: u32, lane: u32) {
    for (var ix = lane; ix < num_rows * VECS; ix += WORKGROUP) {
        let token_ix = first + ix / VECS;
        sh_a[ix] = qkv_vec(row_start(head_ix, token_ix, QUERY, 3u), ix % VECS);
        sh_b[ix] = d_out_vec(row_start(head_ix, token_ix, 0u, 1u), ix % VECS);
    }
    for (var ix = lane; ix < num_rows; ix += WORKGROUP) {
        sh_numbers[ix] = saved_numbers(head_ix, first + ix);
    }
}

fn met_numbers(head_ix: u32, met: Met) -> vec2<f32> {
    if (TILED) {
        return sh_numbers[met.slot];
    }
    return saved_numbers(head_ix, met.token_ix);
}

fn meet_query(head_ix: u32, met: Met) {
    let numbers = met_numbers(head_ix, met);
    let query = met_start(head_ix, met, QUERY, 3u);
    let d_row = met_start(head_ix, met, 0u, 1u);
    var score = vec4<f32>(0.0);
    var d_weight = vec4<f32>(0.0);
    for (var v = 0u; v < VECS; v++) {
        score += own_a[v] * met_vec(query, v);
        d_weight += own_b[v] * met_d_out_vec(d_row, v);
    }
    let weight = exp(total(score) - numbers.x);
    let d_score = weight * (total(d_weight) - numbers.y);
    for (var v = 0u; v < VECS; v++) {
        sum_a[v] += d_score * met_vec(query, v);
        sum_b[v] += weight * met_d_out_vec(d_row, v);
    }
}

fn end_key(row: Row) {
    let start_key = row_start(row.head_ix, row.token_ix, KEY, 3u);
    let start_value = row_start(row.head_ix, row.token_ix, VALUE, 3u);
    for (var v = 0u; v < VECS; v++) {
        write_d_qkv(start_key, v, sum_a[v] * SCALE);
        write_d_qkv(start_value, v, sum_b[v]);
    }
}

@compute @workgroup_size(WORKGROUP)
fn backward_key(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let own = own_row(flat_group(group, groups), lane);
    let row = clamped(own);
    begin_key(row);
    for (var first = 0u; first < dims.tokens; first += TILE_ROWS) {
        let num_rows = min(TILE_ROWS, dims.tokens - first);
        if (TILED) {
            load_queries(row.head_ix, first, num_rows, lane);
            workgroupBarrier();
        }
        for (var slot = 0u; slot < num_rows; slot++) {
            meet_query(row.head_ix, Met(first + slot, slot));
        }
        if (TILED) {
            workgroupBarrier();
        }
    }
    if (is_valid(own)) {
        end_key(row);
    }
}
