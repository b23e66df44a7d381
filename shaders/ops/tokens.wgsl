// Token sequences: class token and positions put on, class token taken out.
//
//   embed: y[b, 0] = cls + pos[0],  y[b, 1+n] = x[b, n] + pos[1+n]        take_first: y[b] = x[b, 0]
//
// Grid      flat over the output's elements; embed_backward_patches flat over units of d_y
// Shapes    x_patches, d_x [batch, tokens−1, width]; y, d_y [batch, tokens, width]; cls, d_cls [width];
//           pos, d_pos [tokens, width]; take_first: x, spread [batch, tokens, width], first, d_first [batch, width]
// Memory    none
// Consts    WORKGROUP; UNIT: numbers of d_x written at once, which divides width; x_patches, d_x: how they are stored
// Oracle    src/cpu/tokens.rs
//# include lib/grid
//# include lib/half

struct Dims {
    batch: u32,
    tokens: u32,
    width: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> x_patches: array<x_patches_word>;
@group(1) @binding(1) var<storage, read> cls: array<f32>;
@group(1) @binding(2) var<storage, read> pos: array<f32>;
@group(1) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn embed(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let per_image = dims.tokens * dims.width;
    if (ix >= dims.batch * per_image) {
        return;
    }
    let image = ix / per_image;
    let inside = ix % per_image;
    if (inside < dims.width) {
        y[ix] = cls[inside] + pos[inside];
    } else {
        // x_patches has one token less an image.
        y[ix] = x_patches_at(ix - (image + 1u) * dims.width) + pos[inside];
    }
}

@group(1) @binding(0) var<storage, read> d_y: array<f32>;
@group(1) @binding(1) var<storage, read_write> d_x: array<d_x_word>;

@compute @workgroup_size(WORKGROUP)
fn embed_backward_patches(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = UNIT * flat_index(global, groups, WORKGROUP);
    let per_image = dims.tokens * dims.width;
    if (ix >= dims.batch * per_image || ix % per_image < dims.width) {
        return;
    }
    var value: vec4<f32>;
    for (var i = 0u; i < UNIT; i++) {
        value[i] = d_y[ix + i];
    }
    set_d_x((ix - (ix / per_image + 1u) * dims.width) / UNIT, value);
}

@group(1) @binding(1) var<storage, read_write> d_cls: array<f32>;
@group(1) @binding(2) var<storage, read_write> d_pos: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn embed_backward_sums(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let per_image = dims.tokens * dims.width;
    if (ix >= per_image) {
        return;
    }
    var sum = 0.0;
    for (var image = 0u; image < dims.batch; image++) {
        sum += d_y[image * per_image + ix];
    }
    d_pos[ix] = sum;
    if (ix < dims.width) {
        d_cls[ix] = sum;
    }
}

@group(1) @binding(0) var<storage, read> x: array<f32>;
@group(1) @binding(1) var<storage, read_write> first: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn take_first(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix < dims.batch * dims.width) {
        first[ix] = x[ix / dims.width * dims.tokens * dims.width + ix % dims.width];
    }
}

@group(1) @binding(0) var<storage, read> d_first: array<f32>;
@group(1) @binding(1) var<storage, read_write> spread: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn take_first_backward(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let per_image = dims.tokens * dims.width;
    if (ix >= dims.batch * per_image) {
        return;
    }
    let inside = ix % per_image;
    var value = 0.0;
    if (inside < dims.width) {
        value = d_first[ix / per_image * dims.width + inside];
    }
    spread[ix] = value;
}
