// Sum over a workgroup in a fixed order. The including shader sets WORKGROUP (a power of two).

var<workgroup> sh_sum: array<f32, WORKGROUP>;

// Every invocation gets the sum; all must call it.
fn group_sum(value: f32, lane: u32) -> f32 {
    sh_sum[lane] = value;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            sh_sum[lane] += sh_sum[lane + half];
        }
        workgroupBarrier();
    }
    let total = sh_sum[0];
    // The next call overwrites sh_sum[0]; nobody may still be reading it.
    workgroupBarrier();
    return total;
}
