//! Mixup and cutmix against their formulas.

use vitrine::augment::mix::{Area, Mix, Mixer};

const SIDE: usize = 4;
const IMAGE_LEN: usize = SIDE * SIDE * 3;

/// Image i is filled with 10·i + its own place / 1000; targets are one-hot.
fn batch(len: usize) -> (Vec<f32>, Vec<f32>) {
    let image = |i: usize| (0..IMAGE_LEN).map(move |at| 10.0 * i as f32 + at as f32 / 1000.0);
    let images = (0..len).flat_map(image).collect();
    let target = |i: usize| (0..len).map(move |class| if class == i { 1.0 } else { 0.0 });
    (images, (0..len).flat_map(target).collect())
}

#[test]
fn mixup_blends_with_the_reversed_batch() {
    for len in [4, 5] {
        let (before, targets_before) = batch(len);
        let (mut images, mut targets) = (before.clone(), targets_before.clone());
        let lambda = 0.7f32;
        Mix::Mixup { lambda }.apply(&mut images, &mut targets, SIDE, len);
        let check = |after: &[f32], before: &[f32], row_len: usize| {
            for ix in 0..after.len() {
                let partner = len - 1 - ix / row_len;
                let other = before[partner * row_len + ix % row_len];
                let expected = lambda * before[ix] + (1.0 - lambda) * other;
                assert!((after[ix] - expected).abs() < 1e-5, "{ix}: {} {expected}", after[ix]);
            }
        };
        check(&images, &before, IMAGE_LEN);
        check(&targets, &targets_before, len);
    }
}

#[test]
fn cutmix_pastes_the_box_of_the_reversed_batch() {
    let len = 4;
    let (before, targets_before) = batch(len);
    let (mut images, mut targets) = (before.clone(), targets_before.clone());
    // √(1 − 0.75) = ½: a box of 2, from 1 before the centre to 1 behind it.
    let mix = Mix::cutmix(0.75, SIDE, 2, 0);
    let area = Area { top: 1, bottom: 3, left: 0, right: 1 };
    let lambda = 1.0 - 2.0 / 16.0;
    assert_eq!(mix, Mix::CutMix { lambda, area });
    mix.apply(&mut images, &mut targets, SIDE, len);
    for (ix, value) in images.iter().enumerate() {
        let (image, place) = (ix / IMAGE_LEN, ix % IMAGE_LEN);
        let (row, column) = (place / 3 / SIDE, place / 3 % SIDE);
        let is_pasted = (1..3).contains(&row) && column == 0;
        let from = if is_pasted { len - 1 - image } else { image };
        assert_eq!(*value, before[from * IMAGE_LEN + place], "image {image}, {row}, {column}");
    }
    assert_eq!(targets[..4], [lambda, 0.0, 0.0, 1.0 - lambda]);
    assert_eq!(targets_before[..4], [1.0, 0.0, 0.0, 0.0]);
}

#[test]
fn cutmix_boxes_are_clipped_and_odd_sides_halved_downwards() {
    // int(32·√0.5) = 22, half 11.
    let Mix::CutMix { area, lambda } = Mix::cutmix(0.5, 32, 30, 5) else {
        panic!("cutmix makes a cutmix");
    };
    assert_eq!(area, Area { top: 19, bottom: 32, left: 0, right: 16 });
    assert!((f64::from(lambda) - (1.0 - 13.0 * 16.0 / 1024.0)).abs() < 1e-7);
    let Mix::CutMix { area, lambda } = Mix::cutmix(1.0, 32, 7, 7) else {
        panic!("cutmix makes a cutmix");
    };
    assert_eq!((area.bottom - area.top, lambda), (0, 1.0));
}

#[test]
fn kinds_are_chosen_by_alpha_and_a_fair_coin() {
    let draw = |mixup, cutmix, step| Mixer { mixup, cutmix, chance: 1.0, switch_chance: 0.5 }.draw(8, step, 0, 32);
    let is_cutmix = |mix: Option<Mix>| matches!(mix, Some(Mix::CutMix { .. }));
    assert!((0..100).all(|step| draw(0.0, 0.0, step).is_none()));
    assert!((0..100).all(|step| matches!(draw(0.8, 0.0, step), Some(Mix::Mixup { .. }))));
    assert!((0..100).all(|step| is_cutmix(draw(0.0, 1.0, step))));
    let num_cutmix = (0..2000).filter(|&step| is_cutmix(draw(0.8, 1.0, step))).count();
    // Five standard deviations of a fair coin thrown 2000 times.
    assert!(num_cutmix.abs_diff(1000) < 112, "{num_cutmix} of 2000");
    assert_eq!(draw(0.8, 1.0, 17), draw(0.8, 1.0, 17));
    assert_ne!(draw(0.8, 0.0, 17), draw(0.8, 0.0, 18));
}

#[test]
fn chances_of_mixing_and_of_switching_are_kept() {
    let draw = |chance, switch_chance, group| Mixer { mixup: 0.8, cutmix: 1.0, chance, switch_chance }.draw(8, 3, group, 32);
    assert!((0..500).all(|group| draw(0.0, 0.5, group).is_none()));
    assert!((0..500).all(|group| matches!(draw(1.0, 0.0, group), Some(Mix::Mixup { .. }))));
    assert!((0..500).all(|group| matches!(draw(1.0, 1.0, group), Some(Mix::CutMix { .. }))));
    let num_mixed = (0..2000).filter(|&group| draw(0.3, 0.5, group).is_some()).count();
    // Five standard deviations of a binomial count of 2000 at 0.3.
    assert!(num_mixed.abs_diff(600) < 103, "{num_mixed} of 2000");
    assert_ne!(draw(1.0, 0.0, 0), draw(1.0, 0.0, 1), "each group has a weight of its own");
}
