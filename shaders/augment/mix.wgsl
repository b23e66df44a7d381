// Mixup and cutmix of images.
//
//   mixed = λ·own + (1 − λ)·partner, inside the box the partner; partner of row i is row B − 1 − i of `mirror`
//
// Grid      flat over numbers
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
    let ix = flat_index(global, groups, WORKGROUP);
    let image_len = dims.side * dims.side * 3u;
    let image = ix / image_len;
    if (image >= dims.batch) {
        return;
    }
    let place = ix % image_len;
    let partner = mirror[(dims.batch - 1u - image) * image_len + place];
    let start = image * ROW_LEN;
    let lambda = rows[start];
    let row = f32(place / 3u / dims.side);
    let column = f32(place / 3u % dims.side);
    let is_pasted = row >= rows[start + 1u] && row < rows[start + 2u] && column >= rows[start + 3u] && column < rows[start + 4u];
    mixed[ix] = select(lambda * own[ix] + (1.0 - lambda) * partner, partner, is_pasted);
}
