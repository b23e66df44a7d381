// What the kernels of a matrix product share: dims, what is written, stretches of k, the epilogue.
//
// The including shader sets BIAS, ACTIVATION, RESIDUAL, KEEP and UNIT, says how y and pre are written
// (see shaders/ops/matmul.wgsl) and includes lib/erf and lib/half.

struct Dims {
    m: u32,
    n: u32,
    k: u32,
    batch: u32,
    splits: u32,
    // Inner length of one split, a multiple of 4.
    split_k: u32,
    // Rows that an invocation of narrow/matmul makes.
    rows: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read_write> y: array<y_word>;
@group(1) @binding(1) var<storage, read_write> pre: array<pre_word>;
@group(1) @binding(2) var<storage, read> bias: array<f32>;
@group(1) @binding(3) var<storage, read> residual: array<f32>;

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

// Writes UNIT numbers of y, from UNIT·ix on.
fn finish(ix: u32, sums: vec4<f32>) {
    var value = sums;
    if (KEEP) {
        set_pre(ix, value);
    }
    for (var i = 0u; i < UNIT; i++) {
        if (ACTIVATION == 1u) {
            value[i] = gelu(value[i]);
        }
        if (ACTIVATION == 2u) {
            // NaN fails the comparison and passes through.
            value[i] = select(value[i], 0.0, value[i] <= 0.0);
        }
        if (RESIDUAL) {
            value[i] += residual[UNIT * ix + i];
        }
    }
    set_y(ix, value);
}
