//! The pipeline as a whole: what is off changes nothing, chances come up, draws do not depend on each other.

use std::collections::BTreeSet;

use vitrine::augment::crop::Picture;
use vitrine::augment::normalise::ChannelStats;
use vitrine::augment::rand_augment::draw;
use vitrine::augment::resample::Window;
use vitrine::augment::{ImageAugment, Operation, hflip, image_draws, random_erasing, resized_crop};
use vitrine::config::experiment::AugmentConfig;
use vitrine::config::rand_augment::RandAugmentSpec;

use super::{at, ramp};

const SIDE: usize = 16;

fn run(config: &AugmentConfig, position: u32) -> Picture {
    let augment = ImageAugment::new(config, &ChannelStats::IMAGENET).expect("a good config");
    let mut square = ramp(SIDE, SIDE);
    augment.apply(&mut square, &mut Picture::default(), at(position));
    square
}

#[test]
fn chance_0_is_the_identity() {
    let off = AugmentConfig::default();
    let never = AugmentConfig { rand_augment: "rand-m9-mstd0.5-inc1-p0".into(), ..off.clone() };
    for position in 0..50 {
        assert_eq!(run(&off, position), ramp(SIDE, SIDE));
        assert_eq!(run(&never, position), ramp(SIDE, SIDE));
        assert_eq!(random_erasing::draw(0.0, SIDE, at(position)), None);
    }
}

#[test]
fn every_key_changes_some_pictures() {
    let off = AugmentConfig::default();
    for config in [
        AugmentConfig { pad_crop: 2, ..off.clone() },
        AugmentConfig { hflip: 0.5, ..off.clone() },
        AugmentConfig { rand_augment: "rand-m9-mstd0.5-inc1".into(), ..off.clone() },
        AugmentConfig { color_jitter: 0.3, ..off.clone() },
    ] {
        let changed = (0..50).filter(|&position| run(&config, position) != ramp(SIDE, SIDE)).count();
        assert!((10..=50).contains(&changed), "{changed} of 50: {config:?}");
        assert_eq!(run(&config, 7), run(&config, 7), "the same key, the same picture");
    }
}

#[test]
fn switching_one_operation_off_leaves_the_draws_of_the_others() {
    for position in 0..20 {
        let rest = AugmentConfig { pad_crop: 2, color_jitter: 0.0, ..AugmentConfig::default() };
        let mut padded = run(&rest, position);
        hflip::flip(&mut padded.rgb, SIDE);
        assert_eq!(padded, run(&AugmentConfig { hflip: 1.0, ..rest }, position));
    }
}

#[test]
fn rand_augment_draws_all_fifteen_at_the_chance_and_strength_asked_for() {
    let spec = RandAugmentSpec::parse("rand-m9-mstd0.5-inc1").expect("timm's notation").expect("not empty");
    let layers: Vec<_> = (0..3000).map(|position| draw(&spec, &mut image_draws(1, 0, position, Operation::RandAugment))).collect();
    let names: BTreeSet<&str> = layers.iter().map(|layer| layer.distortion.name).collect();
    assert_eq!(names.len(), 15);
    // Five standard deviations of a binomial count at ½.
    let half = |count: usize| count.abs_diff(1500) < 137;
    assert!(half(layers.iter().filter(|layer| layer.is_applied).count()));
    assert!(half(layers.iter().filter(|layer| layer.strength.is_negative).count()));
    let mean = layers.iter().map(|layer| layer.strength.level).sum::<f64>() / 3000.0;
    // The clip at 10 takes two standard deviations: the mean falls by 0.004; the standard error is 0.009.
    assert!((mean - 9.0).abs() < 0.05, "{mean}");
    assert!(layers.iter().all(|layer| layer.strength.level <= 10.0 && layer.strength.is_increasing));
}

#[test]
fn resized_crops_stay_inside_and_reach_everywhere() {
    let (width, height) = (50, 40);
    let windows: Vec<_> = (0..2000)
        .map(|position| resized_crop::draw(width, height, [0.08, 1.0], &mut image_draws(2, 0, position, Operation::ResizedCrop)))
        .collect();
    for window in &windows {
        assert!(window.top + window.height <= height && window.left + window.width <= width, "{window:?}");
        let aspect = window.width as f64 / window.height as f64;
        // Half a pixel of rounding a side, at sides from 9 pixels on.
        assert!((0.65..=1.55).contains(&aspect), "{window:?}");
    }
    let share = |window: &Window| (window.width * window.height) as f64 / (width * height) as f64;
    assert!(windows.iter().map(share).fold(f64::MAX, f64::min) < 0.1);
    assert!(windows.iter().map(share).fold(0.0, f64::max) > 0.9);
    assert!(windows.iter().any(|w| w.top == 0 && w.left == 0) && windows.iter().any(|w| w.top + w.height == height));
}
