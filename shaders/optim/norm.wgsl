// Global gradient norm, clip factor, non-finite flag.
//
//   norm = ‖g‖₂ (ADAPTIVE: ‖|p|∘g‖₂; the ring has ‖g‖₂ all the same),  clip = min(1, c/(norm + 1e-6)) or 1 where c = 0
//
// Grid      partial_sums: CHUNK elements an invocation; fold_sums: CHUNK partials an invocation;
//           finish: one invocation
// Shapes    gradients, parameters [len]; partial [chunks, 3]; folded [folds, 3]; norm [4]; ring [slots, SLOT_LEN];
//           scale: its first word
// Memory    none
// Consts    ADAPTIVE, HALTS, CHUNK, SLOT_LEN, WORKGROUP; SCALED: gradients come from f16, with a loss scale of
//           LEAST at least; OVERFLOW: flag of a step that is skipped because they are out of its range
// Oracle    src/cpu/norm.rs
//# include lib/grid
//# include lib/finite

struct Dims {
    len: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> gradients: array<u32>;
@group(1) @binding(1) var<storage, read> parameters: array<f32>;
@group(1) @binding(2) var<storage, read_write> partial: array<f32>;

fn num_chunks() -> u32 {
    return (dims.len + CHUNK - 1u) / CHUNK;
}

@compute @workgroup_size(WORKGROUP)
fn partial_sums(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let chunk = flat_index(global, groups, WORKGROUP);
    if (chunk >= num_chunks()) {
        return;
    }
    var squares = 0.0;
    var weighted = 0.0;
    var odd = false;
    let end = min((chunk + 1u) * CHUNK, dims.len);
    for (var ix = chunk * CHUNK; ix < end; ix++) {
        let bits = gradients[ix];
        odd = odd || !is_finite_bits(bits);
        let g = bitcast<f32>(bits);
        squares += g * g;
        if (ADAPTIVE) {
            let product = g * parameters[ix];
            weighted += product * product;
        }
    }
    partial[3u * chunk] = squares;
    partial[3u * chunk + 1u] = weighted;
    partial[3u * chunk + 2u] = select(0.0, 1.0, odd);
}

@group(1) @binding(0) var<storage, read> partial_fold: array<f32>;
@group(1) @binding(1) var<storage, read_write> folded: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn fold_sums(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let fold = flat_index(global, groups, WORKGROUP);
    if (fold * CHUNK >= num_chunks()) {
        return;
    }
    var squares = 0.0;
    var weighted = 0.0;
    var odd = 0.0;
    let end = min((fold + 1u) * CHUNK, num_chunks());
    for (var chunk = fold * CHUNK; chunk < end; chunk++) {
        squares += partial_fold[3u * chunk];
        weighted += partial_fold[3u * chunk + 1u];
        odd = max(odd, partial_fold[3u * chunk + 2u]);
    }
    folded[3u * fold] = squares;
    folded[3u * fold + 1u] = weighted;
    folded[3u * fold + 2u] = odd;
}

@group(1) @binding(0) var<storage, read> partial_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> norm: array<f32>;
@group(1) @binding(2) var<storage, read_write> ring: array<f32>;
@group(1) @binding(3) var<storage, read> scale: array<f32>;

@compute @workgroup_size(1)
fn finish() {
    let num_folds = (num_chunks() + CHUNK - 1u) / CHUNK;
    var squares = 0.0;
    var weighted = 0.0;
    var odd = 0.0;
    for (var fold = 0u; fold < num_folds; fold++) {
        squares += partial_in[3u * fold];
        weighted += partial_in[3u * fold + 1u];
        odd = max(odd, partial_in[3u * fold + 2u]);
    }
    let length = sqrt(select(squares, weighted, ADAPTIVE));
    norm[0] = length;
    norm[1] = select(1.0, min(1.0, scalars.clip_norm / (length + 1e-6)), scalars.clip_norm > 0.0);
    let slot = scalars.ring_slot * SLOT_LEN;
    var crash = odd;
    if (SCALED) {
        // SAM's second pass goes on from the first, which has said what it met.
        if (scalars.report == 0u && ring[slot + 7u] != 0.0) {
            odd = 1.0;
        }
        let is_overflow = odd != 0.0 && ring[slot + 5u] == 0.0 && scale[0] > LEAST;
        odd = select(odd, OVERFLOW, is_overflow);
        crash = select(odd, 0.0, is_overflow);
    }
    let ever_crash = max(norm[3], crash);
    norm[2] = select(odd, max(odd, ever_crash), HALTS);
    norm[3] = ever_crash;
    if (scalars.report == 1u) {
        ring[slot + 6u] = sqrt(squares);
        ring[slot + 7u] = odd;
    }
}
