// Noise over a box of each image.
//
//   x = quantiles[16 random bits] inside the hole
//
// Grid      one counter (eight numbers) of an image's noise an invocation
// Shapes    images [B, S, S, 3]; holes [B, HOLE_LEN]: place in the batch, top, left, height, width; quantiles [65536]
// Memory    none
// Consts    HOLE_LEN, STREAM, WORKGROUP
// Oracle    src/cpu/random_erasing.rs
//# include lib/grid
//# include lib/rng

struct Dims {
    batch: u32,
    side: u32,
    counters: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> holes: array<f32>;
@group(1) @binding(1) var<storage, read> quantiles: array<f32>;
@group(1) @binding(2) var<storage, read_write> images: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn fill(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    let image = ix / dims.counters;
    let counter = ix % dims.counters;
    if (image >= dims.batch) {
        return;
    }
    let hole = image * HOLE_LEN;
    let width = u32(holes[hole + 4u]);
    let count = u32(holes[hole + 3u]) * width * 3u;
    let first = 8u * counter;
    if (first >= count) {
        return;
    }
    let position = u32(holes[hole]);
    let words = rng_words(scalars.seed, STREAM, scalars.step, position * dims.counters + counter);
    let end = min(first + 8u, count);
    for (var number = first; number < end; number++) {
        let half = number - first;
        let bits = (words[half / 2u] >> (half % 2u * 16u)) & 0xFFFFu;
        let row = u32(holes[hole + 1u]) + number / 3u / width;
        let column = u32(holes[hole + 2u]) + number / 3u % width;
        images[((image * dims.side + row) * dims.side + column) * 3u + number % 3u] = quantiles[bits];
    }
}
