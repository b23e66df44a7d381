// Gradient norm of each group of parameters, into this step's slot of the ring.
//
//   ‖g_k‖₂ for every group k, a run of chunks
//
// Grid      chunk_sums: one chunk an invocation; lane_sums: LANES invocations a group; finish: one
//           invocation a group
// Shapes    gradients [len]; chunks [num_chunks, 2] (first word / 64, words); firsts [num_groups + 1] (first
//           chunk of each group); partial [num_chunks]; lanes [num_groups, LANES]; ring [slots, SLOT_LEN]
// Memory    none
// Consts    CHUNK, LANES, GROUPS_START, SLOT_LEN, WORKGROUP
// Oracle    src/cpu/group_norms.rs
//# include lib/grid

struct Dims {
    len: u32,
    num_chunks: u32,
    num_groups: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> gradients: array<f32>;
@group(1) @binding(1) var<storage, read> chunks: array<f32>;
@group(1) @binding(2) var<storage, read_write> partial: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn chunk_sums(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let chunk = flat_index(global, groups, WORKGROUP);
    if (chunk >= dims.num_chunks) {
        return;
    }
    let start = min(64u * u32(chunks[2u * chunk]), dims.len);
    let end = min(start + min(u32(chunks[2u * chunk + 1u]), CHUNK), dims.len);
    var squares = 0.0;
    for (var ix = start; ix < end; ix++) {
        squares += gradients[ix] * gradients[ix];
    }
    partial[chunk] = squares;
}

@group(1) @binding(0) var<storage, read> partial_in: array<f32>;
@group(1) @binding(1) var<storage, read> firsts: array<f32>;
@group(1) @binding(2) var<storage, read_write> lanes: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn lane_sums(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let lane = flat_index(global, groups, WORKGROUP);
    let group = lane / LANES;
    if (group >= dims.num_groups) {
        return;
    }
    let end = min(u32(firsts[group + 1u]), dims.num_chunks);
    var squares = 0.0;
    for (var chunk = u32(firsts[group]) + lane % LANES; chunk < end; chunk += LANES) {
        squares += partial_in[chunk];
    }
    lanes[lane] = squares;
}

@group(1) @binding(0) var<storage, read> lanes_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> ring: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn finish(@builtin(global_invocation_id) global: vec3<u32>) {
    if (scalars.report == 0u || global.x >= dims.num_groups) {
        return;
    }
    var squares = 0.0;
    for (var lane = 0u; lane < LANES; lane++) {
        squares += lanes_in[global.x * LANES + lane];
    }
    ring[scalars.ring_slot * SLOT_LEN + GROUPS_START + global.x] = sqrt(squares);
}
