//! Levels of detail: no spike is lost, growing equals building, what is not finite stands apart.

use vitrine::dashboard::series::{Curve, Extent, Series, Smoother};

fn wave(len: usize) -> Vec<f64> {
    (0..len).map(|ix| (ix as f64 * 0.37).sin() + if ix == len / 3 { 50.0 } else { 0.0 }).collect()
}

#[test]
fn columns_are_few_and_lose_no_extreme() {
    for len in [1, 2, 3, 4, 5, 17, 64, 65, 1000, 4097, 100_000] {
        let values = wave(len);
        let series = Series::new(values.iter().copied());
        for range in [0..len, len / 5..len - len / 7, len / 2..len / 2 + 1] {
            for max_blocks in [1, 7, 300] {
                let blocks = series.blocks(range.clone(), max_blocks);
                assert!(blocks.len() <= max_blocks + 3, "{len} {range:?} {max_blocks}: {} blocks", blocks.len());
                assert_eq!(blocks.first().map(|block| block.first), Some(range.start), "{len} {range:?}");
                assert_eq!(blocks.last().map(|block| block.last), Some(range.end - 1), "{len} {range:?}");
                assert!(blocks.windows(2).all(|pair| pair[0].last + 1 == pair[1].first), "blocks touch");
                let drawn = blocks.iter().fold(Extent::EMPTY, |all, block| all.with(block.extent));
                let real = values[range.clone()].iter().fold(Extent::EMPTY, |all, &value| all.with(Extent::of(value)));
                assert_eq!(drawn, real, "{len} {range:?} {max_blocks}");
                assert_eq!(series.extent(range.clone()), real, "{len} {range:?}");
            }
        }
    }
}

#[test]
fn a_series_that_grows_is_the_series_built_at_once() {
    let values = wave(5000);
    let mut grown = Series::default();
    for (ix, &value) in values.iter().enumerate() {
        grown.push(value);
        if ix % 611 == 0 {
            let built = Series::new(values[..=ix].iter().copied());
            assert_eq!(grown.blocks(0..ix + 1, 40), built.blocks(0..ix + 1, 40), "after {ix}");
        }
    }
}

#[test]
fn what_is_not_finite_stands_apart_at_its_place() {
    let series = Series::new([1.0, f64::NAN, 3.0, f64::INFINITY, f64::NEG_INFINITY, 2.0]);
    let places: Vec<usize> = series.broken().iter().map(|(ix, _)| *ix).collect();
    assert_eq!(places, [1, 3, 4]);
    assert_eq!(series.extent(0..6), Extent { low: 1.0, high: 3.0 });
    assert!(series.extent(3..5).is_empty());
}

#[test]
fn smoothing_has_no_bias_at_its_start_and_survives_a_crash() {
    let mut smoother = Smoother::new(0.99);
    assert_eq!(smoother.push(2.0), 2.0);
    assert!((smoother.push(4.0) - (0.99 * 2.0 + 4.0) / 1.99).abs() < 1e-12);
    let before = smoother.push(3.0);
    assert_eq!(smoother.push(f64::NAN), before, "a number that is not finite changes nothing");
    assert!(smoother.push(3.0).is_finite());
}

#[test]
fn another_smoothing_smooths_anew() {
    let mut curve = Curve::new(0.9);
    wave(500).into_iter().for_each(|value| curve.push(value));
    curve.set_weight(0.0);
    assert!((0..500).all(|ix| curve.smooth.get(ix) == curve.raw.get(ix)), "no weight of the past is the numbers themselves");
}
