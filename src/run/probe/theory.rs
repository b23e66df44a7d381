//! The quantities of the paper's two theorems.
//!
//! Theorem 1: with weight decay on BatchNorm's α (bias), β (weight) and on W_Q, W_K, W_V, scaled
//! ReLU acts as an L1 penalty λ·(2/√m)·Σ_c ‖W_c‖₁·√(α_c² + β_c²), m the numbers in W_c.
//! Theorem 2: CosSim(B) ≤ (‖B‖²_op / b²_min − 1)/(n − 1), b_min the smallest row norm.
//!
//! Source      "Scaled ReLU Matters for Training Vision Transformers", theorems 1 and 2, eq. (4), (6).
//!             Differs: η_c minimises η²s² + η⁻²q² (s = √(α² + β²), q = ‖W_c‖₁/√m), so it is √(q/s); the
//!             printed √(‖W_c‖₁/(α² + β²)) does not.

/// Rounds of the power iteration at most. The error falls by (s₂/s₁)⁴ a round, so two singular values
/// 1 % apart are told apart to 1e-5; closer ones give a norm between them, which is as good.
const MAX_ROUNDS: usize = 300;
/// It ends when a round changes the norm by less than this share.
const ENOUGH: f64 = 1e-9;

/// Theorem 1 for one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Channel {
    /// s = √(α² + β²).
    pub scale: f32,
    /// ‖W_c‖₁.
    pub l1: f32,
    /// 2·s·‖W_c‖₁/√m: the channel's part of the penalty at λ = 1.
    pub penalty: f32,
    /// η_c, by which decay alone would scale (α, β) for balance; 1: it stands there.
    pub balance: f32,
}

/// Theorem 1 for a channel with BatchNorm's `weight` and `bias`, and the numbers of its slice W_c.
pub fn channel(weight: f32, bias: f32, slice: impl Iterator<Item = f32>) -> Channel {
    let scale = f64::from(weight).hypot(f64::from(bias));
    let (l1, count) = slice.fold((0.0, 0usize), |(sum, count), value| (sum + f64::from(value.abs()), count + 1));
    let reduced = l1 / (count.max(1) as f64).sqrt();
    Channel { scale: scale as f32, l1: l1 as f32, penalty: (2.0 * scale * reduced) as f32, balance: (reduced / scale).sqrt() as f32 }
}

/// Theorem 2 for a matrix of n rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Mean of the entries, μ.
    pub mean: f32,
    /// Deviation of the entries, σ.
    pub deviation: f32,
    /// ‖B‖_op.
    pub operator_norm: f32,
    /// b_min; 0: some row is all zero, and the bound says nothing.
    pub least_row_norm: f32,
    /// Left side: the rows' mean cosine similarity.
    pub cossim: f32,
    /// Right side; infinite where b_min is 0. Proven where all products of rows are ≥ 0, as after ReLU.
    pub bound: f32,
}

/// Theorem 2 for `matrix` [n, width].
pub fn spread(matrix: &[f32], width: usize) -> Spread {
    let num_rows = matrix.len() / width;
    let count = matrix.len() as f64;
    let mean = matrix.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let variance = matrix.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count;
    let norm = operator_norm(matrix, width);
    let row_norms = matrix.chunks_exact(width).map(|row| row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt());
    let least = row_norms.fold(f64::INFINITY, f64::min);
    let pairs = (num_rows as f64 - 1.0).max(1.0);
    Spread {
        mean: mean as f32,
        deviation: variance.sqrt() as f32,
        operator_norm: norm as f32,
        least_row_norm: least as f32,
        cossim: mean_cosine(matrix, width) as f32,
        bound: (((norm / least).powi(2) - 1.0) / pairs) as f32,
    }
}

/// ‖B‖_op: the largest singular value, by power iteration on BᵀB.
pub fn operator_norm(matrix: &[f32], width: usize) -> f64 {
    // Unequal beginnings: not orthogonal to the first singular vector but by rare accident.
    let mut vector: Vec<f64> = (0..width).map(|ix| 1.0 + (ix as f64 * 0.618_033_988_75).fract()).collect();
    let mut norm = 0.0;
    for _ in 0..MAX_ROUNDS {
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length == 0.0 || !length.is_finite() {
            return length;
        }
        vector.iter_mut().for_each(|value| *value /= length);
        let mut next = vec![0.0; width];
        let mut squared = 0.0;
        for row in matrix.chunks_exact(width) {
            let along: f64 = row.iter().zip(&vector).map(|(value, part)| f64::from(*value) * part).sum();
            squared += along * along;
            next.iter_mut().zip(row).for_each(|(next, value)| *next += along * f64::from(*value));
        }
        let before = std::mem::replace(&mut norm, squared.sqrt());
        vector = next;
        if (norm - before).abs() <= ENOUGH * norm {
            break;
        }
    }
    norm
}

/// Equation (5): the mean cosine of all pairs of rows of [n, width], in the O(n·width) form.
pub fn mean_cosine(matrix: &[f32], width: usize) -> f64 {
    let (mut sum, mut own, mut count) = (vec![0.0; width], 0.0, 0.0);
    for row in matrix.chunks_exact(width) {
        let length = row.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt().max(1e-12);
        for (sum, value) in sum.iter_mut().zip(row) {
            let unit = f64::from(*value) / length;
            *sum += unit;
            own += unit * unit;
        }
        count += 1.0;
    }
    (sum.iter().map(|value| value * value).sum::<f64>() - own) / (count * (count - 1.0))
}
