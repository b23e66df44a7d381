//! Means, deviations and intervals of small samples: 95 % everywhere.

/// Two-sided 95 % quantile of the normal distribution.
const Z95: f64 = 1.959_964;

/// Two-sided 95 % quantiles of Student's t for 1 to 10 degrees of freedom.
const T95: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];

/// Mean, or none of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Deviation of the sample (divided by n − 1); none of fewer than two values.
pub fn deviation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|_| values.len() > 1)?;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// Wilson's interval for a share: `hits` of `count` ≥ 1. Unlike the usual ± it says something of 0 and
/// of all hits, and never leaves 0..1.
pub fn wilson(hits: u64, count: u64) -> (f64, f64) {
    let n = count.max(1) as f64;
    let share = hits as f64 / n;
    let z2 = Z95 * Z95;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    let low = if hits == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if hits == count { 1.0 } else { (centre + half).min(1.0) };
    (low, high)
}

/// Half the width of Student's interval for the mean; none of fewer than two values.
pub fn student_half(values: &[f64]) -> Option<f64> {
    let freedom = values.len().checked_sub(1)?;
    // Beyond the table: Cornish and Fisher's first terms, good to 0.2 %.
    let quantile = match T95.get(freedom.wrapping_sub(1)) {
        Some(quantile) => *quantile,
        None => Z95 + (Z95.powi(3) + Z95) / (4.0 * freedom as f64),
    };
    Some(quantile * deviation(values)? / (values.len() as f64).sqrt())
}
