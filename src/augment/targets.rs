//! Targets as distributions over the classes: one-hot, or smoothed.
//!
//!   y_k = ε/K + (1 − ε)·[k = label]
//!
//! Shapes      labels [B] → targets [B, K]
//! Source      Szegedy et al. 2015, arXiv:1512.00567, section 7. Differs: none.

/// Writes the targets of `labels` with smoothing ε = `smoothing` in 0..1.
pub fn smoothed(labels: &[u32], num_classes: usize, smoothing: f64, targets: &mut [f32]) {
    assert_eq!(targets.len(), labels.len() * num_classes, "targets: not one row a label");
    let off = smoothing / num_classes as f64;
    targets.fill(off as f32);
    for (row, &label) in targets.chunks_exact_mut(num_classes).zip(labels) {
        row[label as usize] = (1.0 - smoothing + off) as f32;
    }
}
