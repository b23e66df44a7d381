// Mixup and cutmix of images.
//
//   mixed = λ·own + (1 − λ)·partner, inside the box the partner; partner of row i is row B − 1 − i of `mirror`
//
// Grid      flat over pixels
// Shapes    own, mirror, mixed [B, S, S, 3]; rows [B, ROW_LEN]: λ, top, bottom, left, right
// Memory    none
// Consts    ROW_LEN, WORKGROUP
// Oracle    src/cpu/mix.rs
//# include lib/grid

struct Dims {
    batch: u32,
    side: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> own: array<f32>;
@group(1) @binding(1) var<storage, read> mirror: array<f32>;
@group(1) @binding(2) var<storage, read> rows: array<f32>;
@group(1) @binding(3) var<storage, read_write> mixed: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn blend(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let pixel = flat_index(global, groups, WORKGROUP);
    let num_pixels = dims.side * dims.side;
    let image = pixel / num_pixels;
    if (image >= dims.batch) {
        return;
    }
    let place = pixel - image * num_pixels;
    let row = place / dims.side;
    let column = place - row * dims.side;
    let start = image * ROW_LEN;
    let lambda = rows[start];
    let is_pasted = f32(row) >= rows[start + 1u] && f32(row) < rows[start + 2u]
        && f32(column) >= rows[start + 3u] && f32(column) < rows[start + 4u];
    let partner_at = ((dims.batch - 1u - image) * num_pixels + place) * 3u;
    let to = pixel * 3u;
    for (var channel = 0u; channel < 3u; channel++) {
        let partner = mirror[partner_at + channel];
        mixed[to + channel] = select(lambda * own[to + channel] + (1.0 - lambda) * partner, partner, is_pasted);
    }
}
