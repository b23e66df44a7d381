// Cosine similarity of tokens, averaged over all pairs of patch tokens of an image.
//
//   u_i = x_i / max(‖x_i‖, 1e-12),  CosSim = (‖Σ u_i‖² − Σ ‖u_i‖²) / (n(n−1))
//
// Grid      invert_norms: one token an invocation; sum_columns: one column of one image;
//           finish: one image
// Shapes    x [batch, tokens, width]; inverse [batch, tokens]; column_terms [batch, width]; result [batch]
// Memory    none
// Consts    WORKGROUP
// Oracle    src/cpu/similarity.rs
//# include lib/grid

struct Dims {
    batch: u32,
    tokens: u32,
    width: u32,
    skip: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x: array<f32>;
@group(1) @binding(1) var<storage, read_write> inverse: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn invert_norms(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let token = flat_index(global, groups, WORKGROUP);
    if (token >= dims.batch * dims.tokens) {
        return;
    }
    var squares = 0.0;
    for (var column = 0u; column < dims.width; column++) {
        let value = x[token * dims.width + column];
        squares += value * value;
    }
    inverse[token] = 1.0 / max(sqrt(squares), 1e-12);
}

@group(1) @binding(1) var<storage, read> inverse_in: array<f32>;
@group(1) @binding(2) var<storage, read_write> column_terms: array<f32>;

// This column's share of ‖Σ u_i‖² − Σ ‖u_i‖².
@compute @workgroup_size(WORKGROUP)
fn sum_columns(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix >= dims.batch * dims.width) {
        return;
    }
    let image = ix / dims.width;
    let column = ix % dims.width;
    var sum = 0.0;
    var own = 0.0;
    for (var token = image * dims.tokens + dims.skip; token < (image + 1u) * dims.tokens; token++) {
        let unit = x[token * dims.width + column] * inverse_in[token];
        sum += unit;
        own += unit * unit;
    }
    column_terms[ix] = sum * sum - own;
}

@group(1) @binding(0) var<storage, read> column_terms_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn finish(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let image = flat_index(global, groups, WORKGROUP);
    if (image >= dims.batch) {
        return;
    }
    var total = 0.0;
    for (var column = 0u; column < dims.width; column++) {
        total += column_terms_in[image * dims.width + column];
    }
    let n = f32(dims.tokens - dims.skip);
    result[image] = total / (n * (n - 1.0));
}
