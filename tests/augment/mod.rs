//! Augmentation: each operation by hand, its draws, and what switching it off leaves alone.

mod golden;
mod mix;
mod normalise;
mod pipeline;
mod prepare;
mod random_erasing;

use vitrine::augment::crop::{self, Picture};
use vitrine::augment::{ImagePlace, Operation, beta, hflip, image_draws, pad_crop, targets};
use vitrine::rng::{Draws, Stream};

/// A picture whose pixel (row, column) is [row, column, row + column].
fn ramp(width: usize, height: usize) -> Picture {
    let pixel = |ix: usize| {
        let (row, column) = ((ix / width) as u8, (ix % width) as u8);
        [row, column, row + column]
    };
    Picture { width, height, rgb: (0..width * height).flat_map(pixel).collect() }
}

/// A place of the batch of step 1.
fn at(position: u32) -> ImagePlace {
    ImagePlace { seed: 4, step: 1, position }
}

fn pixel(square: &[u8], side: usize, row: usize, column: usize) -> [u8; 3] {
    let at = (row * side + column) * 3;
    [square[at], square[at + 1], square[at + 2]]
}

#[test]
fn a_larger_picture_is_cut_at_its_centre() {
    let picture = ramp(9, 6);
    let mut square = Picture::default();
    assert_eq!(crop::centre(&picture, 4), (1, 2));
    crop::cut(&picture, 4, (1, 2), &mut square);
    let square = square.rgb;
    assert_eq!(square.len(), 4 * 4 * 3);
    assert_eq!(pixel(&square, 4, 0, 0), [1, 2, 3]);
    assert_eq!(pixel(&square, 4, 3, 3), [4, 5, 9]);
}

#[test]
fn a_smaller_picture_is_padded_with_black_on_all_sides() {
    let picture = Picture { width: 28, height: 28, rgb: vec![255; 28 * 28 * 3] };
    let mut square = ramp(3, 1);
    crop::cut(&picture, 32, crop::centre(&picture, 32), &mut square);
    let square = square.rgb;
    for row in 0..32 {
        for column in 0..32 {
            let inside = (2..30).contains(&row) && (2..30).contains(&column);
            let expected = if inside { [255; 3] } else { [0; 3] };
            assert_eq!(pixel(&square, 32, row, column), expected, "at {row}, {column}");
        }
    }
}

#[test]
fn random_cuts_stay_inside_and_reach_all_places() {
    let picture = ramp(10, 8);
    let mut seen = std::collections::BTreeSet::new();
    for position in 0..500 {
        let mut draws = image_draws(3, 0, position, Operation::Crop);
        seen.insert(crop::draw(&picture, 8, &mut draws));
    }
    let expected: std::collections::BTreeSet<_> = [(0, 0), (0, 1), (0, 2)].into();
    assert_eq!(seen, expected);
}

#[test]
fn a_flip_mirrors_rows_and_twice_is_the_identity() {
    for side in [4, 5] {
        let original = ramp(side, side).rgb;
        let mut square = original.clone();
        hflip::flip(&mut square, side);
        for row in 0..side {
            for column in 0..side {
                let mirrored = pixel(&original, side, row, side - 1 - column);
                assert_eq!(pixel(&square, side, row, column), mirrored);
            }
        }
        hflip::flip(&mut square, side);
        assert_eq!(square, original);
    }
}

#[test]
fn a_flip_comes_with_its_chance() {
    let flips = |chance| {
        let flipped = |position| hflip::draw(chance, &mut image_draws(1, 2, position, Operation::HFlip));
        (0..4000).filter(|&position| flipped(position)).count()
    };
    assert_eq!(flips(0.0), 0);
    assert_eq!(flips(1.0), 4000);
    // Five standard deviations of a binomial count of 4000 at 0.25.
    assert!(flips(0.25).abs_diff(1000) < 137, "{} of 4000", flips(0.25));
}

#[test]
fn pad_crop_moves_the_picture_and_uncovers_black() {
    let side = 6;
    let original = ramp(side, side).rgb;
    let mut moved = Vec::new();
    for (down, right) in [(0, 0), (2, 1), (-3, 2), (1, -2), (-1, -1), (6, 0), (0, -9)] {
        pad_crop::shift(&original, &mut moved, side, down, right);
        for row in 0..side {
            for column in 0..side {
                let from = (row as isize - down, column as isize - right);
                let is_inside = |place: isize| (0..side as isize).contains(&place);
                let expected =
                    if is_inside(from.0) && is_inside(from.1) { pixel(&original, side, from.0 as usize, from.1 as usize) } else { [0; 3] };
                assert_eq!(pixel(&moved, side, row, column), expected, "{down}, {right}");
            }
        }
    }
}

#[test]
fn pad_crop_offsets_are_uniform_over_all_places() {
    let mut counts = std::collections::BTreeMap::new();
    for position in 0..8100 {
        let mut draws = image_draws(5, 9, position, Operation::PadCrop);
        *counts.entry(pad_crop::draw(4, &mut draws)).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 81);
    assert!(counts.keys().all(|(down, right)| down.abs() <= 4 && right.abs() <= 4));
    // Mean 100, standard deviation 10; 5.5 of them for the worst of 81.
    assert!(counts.values().all(|&count| count.abs_diff(100) < 55), "{counts:?}");
}

#[test]
fn smoothed_targets_sum_to_one() {
    let mut rows = vec![9.0; 10];
    targets::smoothed(&[3, 0], 5, 0.1, &mut rows);
    let expected = [0.02, 0.02, 0.02, 0.92, 0.02, 0.92, 0.02, 0.02, 0.02, 0.02];
    for (found, expected) in rows.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-6, "{rows:?}");
    }
    targets::smoothed(&[3, 0], 5, 0.0, &mut rows);
    assert_eq!(rows, [0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn beta_draws_have_their_mean_and_variance() {
    let num_draws = 20_000;
    for alpha in [0.05, 0.2, 0.8, 1.0, 4.0] {
        let draw = |step| beta::draw(alpha, &mut Draws::new(11, Stream::Mix, step, 0));
        let values: Vec<f64> = (0..num_draws).map(draw).collect();
        assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "alpha {alpha}");
        let mean = values.iter().sum::<f64>() / f64::from(num_draws);
        let deviations = values.iter().map(|value| (value - 0.5).powi(2));
        let variance = deviations.sum::<f64>() / f64::from(num_draws);
        // Var Beta(α, α) = 1/(4(2α + 1)). The mean's standard error is at most 0.5/√20000 =
        // 0.0035, that of the variance at most 0.25/√20000 = 0.0018; five of each.
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        assert!((mean - 0.5).abs() < 0.0177, "alpha {alpha}: mean {mean}");
        assert!((variance - expected).abs() < 0.0089, "alpha {alpha}: {variance}, {expected}");
    }
}
