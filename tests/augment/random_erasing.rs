//! Noise over a box: where it lies, how it is distributed, that each image and step has its own, and the kernel.

use std::collections::BTreeSet;

use vitrine::augment::random_erasing::{self, HOLE_LEN, Hole, NUM_QUANTILES, fill, hole_row, quantiles};
use vitrine::graph::{Scalars, Value};

use super::at;
use crate::support::case::Setup;
use crate::support::origin::FromCpu64;
use crate::support::{Case, Tensor, check_kernel};

const BEFORE: f32 = 100.0;

fn scalars(seed: u32, step: u32) -> Scalars {
    Scalars { seed, step, ..Scalars::default() }
}

/// Images of `side`, filled with [`BEFORE`], with these holes at these places of the batch. Noise is copied from the
/// table: one ulp of f32 is too much.
fn case(side: usize, holes: &[(usize, Option<Hole>)], scalars: Scalars) -> Case {
    let rows = holes.iter().flat_map(|(position, hole)| hole_row(*hole, *position)).collect();
    Case::new(vec![Tensor::new(&[holes.len(), HOLE_LEN], rows), Tensor::new(&[NUM_QUANTILES], quantiles())])
        .state(Tensor::new(&[holes.len(), side, side, 3], vec![BEFORE; holes.len() * side * side * 3]))
        .scalars(scalars)
        .tolerance(1e-9)
}

fn build(graph: &mut vitrine::graph::Graph, leaves: &[Value]) -> vitrine::error::Result<Vec<Value>> {
    fill(graph, leaves[2], leaves[0], leaves[1])?;
    Ok(vec![])
}

fn filled(case: &Case) -> Vec<f64> {
    FromCpu64::run(&Setup::new(case, &build)).result(0).to_vec()
}

#[test]
fn kernels_agree_at_every_counter() {
    let hole = |top, left, height, width| Some(Hole { top, left, height, width });
    let holes = [(0, hole(1, 2, 7, 5)), (1, None), (1023, hole(0, 0, 1, 1)), (70_000, hole(3, 10, 13, 6)), (4, hole(15, 15, 1, 1))];
    for scalars in [scalars(0, 0), scalars(0x9E37_79B9, 70_000), scalars(u32::MAX, u32::MAX)] {
        check_kernel(&case(16, &holes, scalars), build);
    }
    // Sides at which a hole ends inside a counter, and one that is all of an image.
    check_kernel(&case(9, &[(2, hole(1, 1, 8, 7)), (3, hole(0, 0, 9, 9))], scalars(1, 2)), build);
}

#[test]
fn erasing_comes_with_its_chance_and_fills_its_hole_with_normals() {
    let side = 64;
    let holes: Vec<_> =
        (0..4000).filter_map(|position| random_erasing::draw(0.25, side, at(position)).map(|hole| (position as usize, hole))).collect();
    // Five standard deviations of a binomial count of 4000 at ¼.
    assert!(holes.len().abs_diff(1000) < 137, "{}", holes.len());
    let some: Vec<_> = holes.iter().take(100).map(|(position, hole)| (*position, Some(*hole))).collect();
    let images = filled(&case(side, &some, scalars(4, 1)));
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for ((_, hole), image) in holes.iter().zip(images.chunks_exact(side * side * 3)) {
        for (ix, &value) in image.iter().enumerate() {
            let (row, column) = (ix / 3 / side, ix / 3 % side);
            let is_inside = (hole.top..hole.top + hole.height).contains(&row) && (hole.left..hole.left + hole.width).contains(&column);
            assert_eq!(value != f64::from(BEFORE), is_inside, "{hole:?} at {row}, {column}");
            if is_inside {
                (sum, squares, count) = (sum + value, squares + value.powi(2), count + 1.0);
            }
        }
    }
    // Some 200 000 normals: standard errors of 0.0022 and 0.0032, six of each.
    assert!(count > 100_000.0, "{count}");
    assert!((sum / count).abs() < 0.014 && (squares / count - 1.0).abs() < 0.02, "{} {}", sum / count, squares / count);
}

#[test]
fn the_noise_takes_the_quantiles_of_the_normal() {
    let table = quantiles();
    assert!(table.is_sorted());
    let share_below = |value: f64| 0.5 * libm::erfc(-value / std::f64::consts::SQRT_2);
    for (ix, value) in table.iter().enumerate() {
        let wanted = (ix as f64 + 0.5) / NUM_QUANTILES as f64;
        // A hundredth of the way to the next; rounding to f32 is a ten-thousandth at the middle, less further out.
        let off = (share_below(f64::from(*value)) - wanted).abs() * NUM_QUANTILES as f64;
        assert!(off < 0.01, "quantile {ix}: {value} is off by {off} of a step");
    }
    let mean_square = table.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / NUM_QUANTILES as f64;
    assert!((mean_square - 1.0).abs() < 2e-4, "{mean_square}");
}

#[test]
fn each_image_seed_and_step_has_noise_of_its_own() {
    let whole = Hole { top: 0, left: 0, height: 8, width: 8 };
    let noise = |position, scalars| filled(&case(8, &[(position, Some(whole))], scalars));
    let noises = [noise(0, scalars(1, 1)), noise(1, scalars(1, 1)), noise(0, scalars(2, 1)), noise(0, scalars(1, 2))];
    let bits = |noise: &Vec<f64>| noise.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(noises.iter().map(bits).collect::<BTreeSet<_>>().len(), 4);
    for (ix, other) in noises.iter().enumerate().skip(1) {
        // 192 numbers of 65 536 values: an equal one at an equal place comes once in 341 images.
        let equal = noises[0].iter().zip(other).filter(|(a, b)| a == b).count();
        assert!(equal <= 2, "noise {ix}: {equal} numbers are those of noise 0");
    }
    assert_eq!(noises[0], noise(0, scalars(1, 1)));
}
