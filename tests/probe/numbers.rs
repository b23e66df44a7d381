//! Numbers of probes against definitions by hand.

use vitrine::rng::{Draws, Stream};
use vitrine::run::probe::attention::{cosines, mean_distance, mean_entropy, probabilities, rollout};
use vitrine::run::probe::maps::{Gatherer, shown};
use vitrine::run::probe::pairs::{MAX_PAIRS, coarse_attention, coarse_similarity, grid_for};
use vitrine::run::probe::theory::{channel, mean_cosine, operator_norm, spread};
use vitrine::run::probe::{BINS, ScaledRelu};

fn random(len: usize, seed: u64) -> Vec<f32> {
    let mut draws = Draws::new(seed, Stream::Synthetic, 0, 0);
    (0..len).map(|_| draws.next_normal()).collect()
}

#[track_caller]
fn close(found: f64, wanted: f64, tolerance: f64) {
    assert!((found - wanted).abs() <= tolerance * wanted.abs().max(1.0), "{found} is not {wanted}");
}

/// Rows of positive numbers that sum to 1.
fn stochastic(tokens: usize, seed: u64) -> Vec<f64> {
    let mut rows: Vec<f64> = random(tokens * tokens, seed).into_iter().map(|value| f64::from(value).exp()).collect();
    for row in rows.chunks_exact_mut(tokens) {
        let sum: f64 = row.iter().sum();
        row.iter_mut().for_each(|value| *value /= sum);
    }
    rows
}

#[track_caller]
fn rows_sum_to_one(matrix: &[f64], tokens: usize) {
    assert_eq!(matrix.len(), tokens * tokens);
    matrix.chunks_exact(tokens).for_each(|row| close(row.iter().sum(), 1.0, 1e-12));
}

#[test]
fn attention_is_the_softmax_of_queries_and_keys() {
    // Two tokens, two heads of width 1; the columns are q0 q1 k0 k1 v0 v1.
    let qkv = [1.0, 0.0, 1.0, 0.0, 9.0, 9.0, 2.0, 3.0, -1.0, 0.5, 9.0, 9.0];
    let first = probabilities(&qkv, 2, 2, 0);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    // Token 0: scores 1·1, 1·(−1). Token 1: 2·1, 2·(−1).
    for (found, wanted) in first.iter().zip([sigmoid(2.0), sigmoid(-2.0), sigmoid(4.0), sigmoid(-4.0)]) {
        close(*found, wanted, 1e-12);
    }
    let second = probabilities(&qkv, 2, 2, 1);
    for (found, wanted) in second.iter().zip([0.5, 0.5, sigmoid(-1.5), sigmoid(1.5)]) {
        close(*found, wanted, 1e-12);
    }
    // One head of width 2 divides by √2.
    let whole = probabilities(&qkv, 2, 1, 0);
    close(whole[0], sigmoid((1.0 + 1.0) / 2f64.sqrt()), 1e-12);
    let huge: Vec<f32> = qkv.iter().map(|value| value * 1e3).collect();
    rows_sum_to_one(&probabilities(&huge, 2, 1, 0), 2);
}

#[test]
fn distance_and_entropy_of_known_attention() {
    let (grid, tokens) = (2, 5);
    let mut own = vec![0.0; 25];
    (0..tokens).for_each(|token| own[token * tokens + token] = 1.0);
    assert_eq!(mean_distance(&own, grid), 0.0);
    assert_eq!(mean_entropy(&own, tokens), 0.0);
    let even = vec![0.2; 25];
    // To itself 0, to two neighbours 1, across √2.
    close(mean_distance(&even, grid), (2.0 + 2f64.sqrt()) / 4.0, 1e-12);
    close(mean_entropy(&even, tokens), 5f64.ln(), 1e-12);
}

#[test]
fn rollout_multiplies_the_blocks() {
    let tokens = 3;
    let blocks = vec![stochastic(tokens, 1), stochastic(tokens, 3)];
    let mixed = |block: &[f64], row: usize, column: usize| (block[row * tokens + column] + f64::from(u8::from(row == column))) / 2.0;
    for from in 0..tokens {
        let rolled = rollout(&blocks, tokens, from);
        close(rolled.iter().sum(), 1.0, 1e-12);
        for (to, found) in rolled.iter().enumerate() {
            let wanted: f64 = (0..tokens).map(|via| mixed(&blocks[1], from, via) * mixed(&blocks[0], via, to)).sum();
            close(*found, wanted, 1e-12);
        }
    }
}

#[test]
fn cosines_average_to_the_similarity_of_equation_5() {
    let (rows, width) = (7, 5);
    let tokens: Vec<f32> = random(rows * width, 5).into_iter().map(|value| value + 0.5).collect();
    let matrix = cosines(&tokens, rows);
    (0..rows).for_each(|row| close(matrix[row * rows + row], 1.0, 1e-12));
    let off_diagonal: f64 = (0..rows * rows).filter(|ix| ix / rows != ix % rows).map(|ix| matrix[ix]).sum();
    close(mean_cosine(&tokens, width), off_diagonal / (rows * (rows - 1)) as f64, 1e-12);
    assert!(cosines(&[0.0; 4], 2).iter().all(|value| *value == 0.0), "a token of zeros has no direction");
}

#[test]
fn coarser_grids_keep_sums_and_means() {
    let (grid, coarse) = (4, 2);
    let attention = stochastic(17, 7);
    let reduced = coarse_attention(&attention, grid, coarse, 1);
    rows_sum_to_one(&reduced, 5);
    // From the class token to the upper left block: patches 0, 1, 4, 5.
    close(reduced[1], attention[1] + attention[2] + attention[5] + attention[6], 1e-12);
    // From that block to the class token: the mean of its patches.
    close(reduced[5], (attention[17] + attention[34] + attention[85] + attention[102]) / 4.0, 1e-12);
    assert_eq!(coarse_attention(&attention, grid, grid, 1), attention);

    let matrix: Vec<f64> = random(256, 8).into_iter().map(f64::from).collect();
    let reduced = coarse_similarity(&matrix, grid, coarse);
    close(reduced.iter().sum::<f64>() / 16.0, matrix.iter().sum::<f64>() / 256.0, 1e-12);
}

#[test]
fn grids_are_the_finest_that_fit() {
    assert_eq!(grid_for(8, 1, 2 * 6 * 2), 8);
    // DeiT-S: 196 tokens, two images of 12 blocks of 6 heads.
    assert_eq!(grid_for(14, 1, 144), 7);
    assert_eq!(grid_for(14, 0, 28), 14);
    assert_eq!(grid_for(13, 1, 1 << 20), 1, "a prime has no other divisor");
    for (grid, matrices) in [(14, 144), (12, 500), (32, 24)] {
        let side = grid_for(grid, 1, matrices);
        assert!(matrices * (side * side + 1).pow(2) <= MAX_PAIRS);
    }
}

/// The largest root of the characteristic polynomial of BᵀB for two columns.
fn largest_singular_value(matrix: &[[f64; 2]]) -> f64 {
    let sum = |a: usize, b: usize| matrix.iter().map(|row| row[a] * row[b]).sum::<f64>();
    let (trace, determinant) = (sum(0, 0) + sum(1, 1), sum(0, 0) * sum(1, 1) - sum(0, 1).powi(2));
    ((trace + (trace * trace - 4.0 * determinant).sqrt()) / 2.0).sqrt()
}

#[test]
fn operator_norms_of_known_matrices() {
    close(operator_norm(&[3.0, 0.0, 0.0, 0.0, -4.0, 0.0], 3), 4.0, 1e-9);
    // A matrix of ones, n by d: √(n·d).
    close(operator_norm(&[1.0; 12], 3), 12f64.sqrt(), 1e-9);
    assert_eq!(operator_norm(&[0.0; 6], 2), 0.0);
    for seed in 0..5 {
        let values = random(20, seed);
        let rows: Vec<[f64; 2]> = values.chunks_exact(2).map(|row| [f64::from(row[0]), f64::from(row[1])]).collect();
        close(operator_norm(&values, 2), largest_singular_value(&rows), 1e-6);
    }
}

#[test]
fn theorem_1_by_hand() {
    // s = √(3² + 4²) = 5; ‖W‖₁ = 1 + 2 + 3 + 2 = 8 over 4 numbers; penalty 2·5·8/√4; η = √(4/5).
    let found = channel(3.0, -4.0, [1.0, -2.0, 3.0, -2.0].into_iter());
    assert_eq!((found.scale, found.l1, found.penalty), (5.0, 8.0, 40.0));
    close(found.balance.into(), 0.8f64.sqrt(), 1e-6);
    // η makes the decayed sum η²s² + q²/η² least: 2·s·q, half the penalty's slope each way.
    let sum = |eta: f64| eta.powi(2) * 25.0 + 16.0 / eta.powi(2);
    let best = sum(found.balance.into());
    close(best, found.penalty.into(), 1e-6);
    assert!(best < sum(0.8) && best < sum(1.0));
}

#[test]
fn theorem_2_by_hand() {
    // Rows (1, 0) and (1, 1): norms 1 and √2, cosine 1/√2, ‖B‖² = (3 + √5)/2.
    let found = spread(&[1.0, 0.0, 1.0, 1.0], 2);
    close(found.mean.into(), 0.75, 1e-6);
    close(found.deviation.into(), (3f64 / 16.0).sqrt(), 1e-6);
    close(found.operator_norm.into(), ((3.0 + 5f64.sqrt()) / 2.0).sqrt(), 1e-6);
    close(found.least_row_norm.into(), 1.0, 1e-6);
    close(found.cossim.into(), 0.5f64.sqrt(), 1e-6);
    close(found.bound.into(), (1.0 + 5f64.sqrt()) / 2.0, 1e-6);
}

#[test]
fn the_bound_holds_after_relu_and_says_nothing_of_zero_rows() {
    for seed in 0..8 {
        let relu: Vec<f32> = random(60, seed).into_iter().map(|value| (value + 0.7).max(0.0)).collect();
        let found = spread(&relu, 6);
        assert!(found.cossim <= found.bound, "{found:?}");
    }
    assert_eq!(spread(&[0.0, 0.0, 1.0, 2.0], 2).bound, f32::INFINITY);
}

#[test]
fn channels_are_gathered_over_images() {
    let mut gatherer = Gatherer::new(2);
    gatherer.add(&[0.0, -1.0, 0.0, -3.0]);
    gatherer.add(&[0.0, 5.0, 4.0, -1.0]);
    let [first, second] = gatherer.channels()[..] else { panic!("two channels") };
    assert_eq!((first.mean, first.least, first.largest, first.zero_frac), (1.0, 0.0, 4.0, 0.75));
    close(first.deviation.into(), 3f64.sqrt(), 1e-6);
    assert_eq!((second.mean, second.least, second.largest, second.zero_frac), (0.0, -3.0, 5.0, 0.75));
    close(second.deviation.into(), 3.0, 1e-6);
    let (histogram, range) = gatherer.histogram();
    assert!(range[0] < -3.0 && range[1] > 0.0 && range[1] < 4.0, "{range:?} is that of the first image");
    for channel in 0..2 {
        let shares = histogram.at(&[channel]).expect("a channel");
        close(shares.iter().map(|share| f64::from(*share)).sum(), 1.0, 1e-6);
        assert_eq!(shares[BINS - 1], 0.25, "what is beyond the range counts in the last bin");
    }
}

#[test]
fn large_maps_are_shown_as_means_of_blocks() {
    // 130 pixels a side fall into blocks of 3: 44 a side, the last blocks cut off.
    let side = 130;
    let stage: Vec<f32> = (0..side * side).flat_map(|pixel| [(pixel % side) as f32, -1.0]).collect();
    let (maps, sides) = shown(&stage, side, 2);
    assert_eq!(sides, [2, 44, 44]);
    assert_eq!((maps[0], maps[1], maps[43], maps[44 * 44]), (1.0, 4.0, 129.0, -1.0));
    let (maps, sides) = shown(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 2, 2);
    assert_eq!((maps, sides), (vec![1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0], [2, 2, 2]));
}

#[test]
fn a_batch_norm_is_scale_and_shift() {
    let norm = ScaledRelu { weight: 1.5, bias: -0.25, mean: 2.0, deviation: 0.5 };
    for x in [0.0f32, 1.0, 3.0] {
        let direct = norm.weight * (x - norm.mean) / norm.deviation + norm.bias;
        close((norm.scale() * x + norm.shift()).into(), direct.into(), 1e-6);
    }
}
