// The loss scale of mixed precision.
//
//   unscale: g ← g/s        update: s ← BACKOFF·s after an overflow; GROWTH·s after EVERY good steps in a row
//
// Grid      unscale: flat over parameters; update: one invocation
// Shapes    gradients [len]; state [4]: s, good steps in a row, skipped steps in all; norm [4]; ring [slots, SLOT_LEN]
// Memory    none
// Consts    EVERY; LEAST, MOST: bounds of s; BACKOFF, GROWTH; OVERFLOW: norm's flag of a skipped step; SLOT_LEN;
//           WORKGROUP
// Oracle    src/cpu/loss_scale.rs
//# include lib/grid

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> state: array<f32>;
@group(1) @binding(1) var<storage, read_write> gradients: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn unscale(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let ix = flat_index(global, groups, WORKGROUP);
    if (ix < dims.len) {
        gradients[ix] *= 1.0 / state[0];
    }
}

@group(1) @binding(0) var<storage, read> norm: array<f32>;
@group(1) @binding(1) var<storage, read_write> state_now: array<f32>;
@group(1) @binding(2) var<storage, read_write> ring: array<f32>;

@compute @workgroup_size(1)
fn update() {
    let slot = scalars.ring_slot * SLOT_LEN;
    let scale = state_now[0];
    ring[slot + 8u] = scale;
    if (norm[2] == OVERFLOW) {
        ring[slot + 7u] = OVERFLOW;
        state_now[0] = max(scale * BACKOFF, LEAST);
        state_now[1] = 0.0;
        state_now[2] += 1.0;
    } else if (norm[2] == 0.0) {
        state_now[1] += 1.0;
        if (state_now[1] >= f32(EVERY)) {
            state_now[1] = 0.0;
            state_now[0] = select(scale, scale * GROWTH, scale < MOST);
        }
    }
}
