//! What attention does with tokens: probabilities, distance, entropy, rollout.
//!
//! Matrices are [T, T] over the class token and the patches of a grid, row by row; row i says where
//! token i looks, and sums to 1.

/// softmax(Q·Kᵀ/√w) of one head from packed `qkv` [T, 3·D] in timm's layout, in f64.
pub fn probabilities(qkv: &[f32], tokens: usize, num_heads: usize, head: usize) -> Vec<f64> {
    let packed = qkv.len() / tokens;
    let width = packed / 3;
    let head_width = width / num_heads;
    let scale = 1.0 / (head_width as f64).sqrt();
    let part = |token: usize, which: usize| &qkv[token * packed + which * width + head * head_width..][..head_width];
    let mut result = Vec::with_capacity(tokens * tokens);
    for query in 0..tokens {
        let start = result.len();
        let dot = |key: usize| part(query, 0).iter().zip(part(key, 1)).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>();
        result.extend((0..tokens).map(|key| scale * dot(key)));
        softmax(&mut result[start..]);
    }
    result
}

fn softmax(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    row.iter_mut().for_each(|value| *value = (*value - largest).exp());
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|value| *value /= sum);
}

/// Mean over the patches of the distance to what they attend to, in patches; the class token, which
/// lies nowhere, is left out and the rest scaled to 1.
pub fn mean_distance(attention: &[f64], grid: usize) -> f64 {
    let num_patches = grid * grid;
    let tokens = num_patches + 1;
    let place = |patch: usize| ((patch / grid) as f64, (patch % grid) as f64);
    let of_patch = |patch: usize| {
        let row = &attention[(patch + 1) * tokens + 1..][..num_patches];
        let (y, x) = place(patch);
        let (sum, total) = row.iter().enumerate().fold((0.0, 0.0), |(sum, total), (other, weight)| {
            let (other_y, other_x) = place(other);
            (sum + weight * (y - other_y).hypot(x - other_x), total + weight)
        });
        if total > 0.0 { sum / total } else { 0.0 }
    };
    (0..num_patches).map(of_patch).sum::<f64>() / num_patches as f64
}

/// Mean entropy −Σ p·ln p of the rows, in nats.
pub fn mean_entropy(attention: &[f64], tokens: usize) -> f64 {
    let term = |p: &f64| if *p > 0.0 { -p * p.ln() } else { 0.0 };
    attention.iter().map(term).sum::<f64>() / tokens as f64
}

/// Attention rollout: how much of what token `from` holds after all blocks came from each token.
/// `blocks` are the means over heads, first block first; the row sums to 1.
///
///   r = e_from · Â_L · … · Â_1,  Â = ½(A + I)
///
/// Source: Abnar & Zuidema 2020, arXiv:2005.00928, section 3. Differs: one row instead of the whole
/// product.
pub fn rollout(blocks: &[Vec<f64>], tokens: usize, from: usize) -> Vec<f64> {
    let mut row = vec![0.0; tokens];
    row[from] = 1.0;
    for attention in blocks.iter().rev() {
        let mut next: Vec<f64> = row.iter().map(|part| 0.5 * part).collect();
        for (part, looks) in row.iter().zip(attention.chunks_exact(tokens)) {
            next.iter_mut().zip(looks).for_each(|(next, look)| *next += 0.5 * part * look);
        }
        row = next;
    }
    row
}

/// Cosine of every pair of tokens [n, D]: [n, n].
pub fn cosines(tokens: &[f32], num_tokens: usize) -> Vec<f64> {
    let width = tokens.len() / num_tokens;
    let units: Vec<Vec<f64>> = tokens
        .chunks_exact(width)
        .map(|token| {
            let length = token.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
            token.iter().map(|value| f64::from(*value) / length.max(1e-12)).collect()
        })
        .collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    units.iter().flat_map(|a| units.iter().map(move |b| dot(a, b))).collect()
}
