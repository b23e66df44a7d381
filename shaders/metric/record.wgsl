// Loss and accuracy of a batch, into the ring of recent steps or the totals of an evaluation.
//
// Grid      judge_rows: one image an invocation; count_classes: one class an invocation;
//           add_to_slot: one invocation
// Shapes    row_loss [batch]; logits, targets [batch, classes]; row_hits [batch, 3] (top-1, top-5,
//           predicted class); class_counts [classes]; slots [.., SLOT_LEN]
// Memory    none
// Consts    TOTALS, SLOT_LEN, WORKGROUP
// Oracle    src/cpu/record.rs
//# include lib/grid
//# include lib/finite

struct Dims {
    batch: u32,
    classes: u32,
}
@group(0) @binding(0) var<uniform> dims: Dims;

@group(1) @binding(0) var<storage, read> logits: array<u32>;
@group(1) @binding(1) var<storage, read> targets: array<f32>;
@group(1) @binding(2) var<storage, read_write> row_hits: array<f32>;

fn num_valid() -> u32 {
    return min(u32(scalars.valid), dims.batch);
}

@compute @workgroup_size(WORKGROUP)
fn judge_rows(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row_ix = flat_index(global, groups, WORKGROUP);
    if (row_ix >= num_valid()) {
        return;
    }
    let start = row_ix * dims.classes;
    var label = 0u;
    var predicted = 0u;
    for (var class_ix = 1u; class_ix < dims.classes; class_ix++) {
        if (targets[start + class_ix] > targets[start + label]) {
            label = class_ix;
        }
        if (bitcast<f32>(logits[start + class_ix]) > bitcast<f32>(logits[start + predicted])) {
            predicted = class_ix;
        }
    }
    let own_bits = logits[start + label];
    let own = bitcast<f32>(own_bits);
    // Classes predicted before the label: a larger logit (a NaN counts as one), or an equal one and a
    // lower index.
    var num_ahead = 0u;
    for (var class_ix = 0u; class_ix < dims.classes; class_ix++) {
        let bits = logits[start + class_ix];
        let is_nan = !is_finite_bits(bits) && (bits & 0x007FFFFFu) != 0u;
        let logit = bitcast<f32>(bits);
        if (is_nan || logit > own || (logit == own && class_ix < label)) {
            num_ahead++;
        }
    }
    let can_hit = is_finite_bits(own_bits);
    row_hits[3u * row_ix] = select(0.0, 1.0, can_hit && num_ahead == 0u);
    row_hits[3u * row_ix + 1u] = select(0.0, 1.0, can_hit && num_ahead < 5u);
    row_hits[3u * row_ix + 2u] = f32(predicted);
}

@group(1) @binding(0) var<storage, read> row_hits_in: array<f32>;
@group(1) @binding(1) var<storage, read_write> class_counts: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn count_classes(@builtin(global_invocation_id) global: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let class_ix = flat_index(global, groups, WORKGROUP);
    if (class_ix >= dims.classes) {
        return;
    }
    var count = 0.0;
    for (var row_ix = 0u; row_ix < num_valid(); row_ix++) {
        count += select(0.0, 1.0, u32(row_hits_in[3u * row_ix + 2u]) == class_ix);
    }
    class_counts[class_ix] = count;
}

@group(1) @binding(0) var<storage, read> row_loss: array<u32>;
@group(1) @binding(1) var<storage, read> row_hits_last: array<f32>;
@group(1) @binding(2) var<storage, read> class_counts_in: array<f32>;
@group(1) @binding(3) var<storage, read_write> slots: array<f32>;

@compute @workgroup_size(1)
fn add_to_slot() {
    if (scalars.report == 0u) {
        return;
    }
    let start = select(scalars.ring_slot * SLOT_LEN, 0u, TOTALS);
    if (scalars.micro == 0u && !TOTALS) {
        for (var word = 0u; word < SLOT_LEN; word++) {
            slots[start + word] = 0.0;
        }
    }
    var loss = 0.0;
    var top1 = 0.0;
    var top5 = 0.0;
    var odd = false;
    for (var row_ix = 0u; row_ix < num_valid(); row_ix++) {
        let bits = row_loss[row_ix];
        odd = odd || !is_finite_bits(bits);
        loss += bitcast<f32>(bits);
        top1 += row_hits_last[3u * row_ix];
        top5 += row_hits_last[3u * row_ix + 1u];
    }
    var modal = 0.0;
    for (var class_ix = 0u; class_ix < dims.classes; class_ix++) {
        modal = max(modal, class_counts_in[class_ix]);
    }
    slots[start] += loss;
    slots[start + 1u] += f32(num_valid());
    slots[start + 2u] += top1;
    slots[start + 3u] += top5;
    slots[start + 4u] += modal;
    if (odd) {
        slots[start + 5u] = 1.0;
    }
}
