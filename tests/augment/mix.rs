//! Mixup and cutmix against their formulas, and the kernel.

use vitrine::augment::mix::{Area, Mix, Mixer, ROW_LEN, UNMIXED, blend};
use vitrine::cpu::machine::CpuMachine;
use vitrine::graph::machine::Machine as _;
use vitrine::graph::plan::{Layout, Plan};
use vitrine::graph::{Graph, Place, Region, Scalars, Value};

use crate::support::{Case, Tensor, check_kernel};

const SIDE: usize = 4;
const IMAGE_LEN: usize = SIDE * SIDE * 3;

/// `images` [len, side, side, 3], mixed by the definition in f32 with their own reverse; `targets` [len, K] likewise.
pub fn mixed(mix: Mix, images: &[f32], targets: &[f32], side: usize, len: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = mix.row().repeat(len);
    let mut graph = Graph::new();
    let own = graph.leaf(Place::new(Region::Params, 0), [len, side, side, 3]);
    let table = graph.leaf(Place::new(Region::Drawn, 0), [len, ROW_LEN]);
    let result = blend(&mut graph, own, own, table).expect("the shapes fit");
    graph.store(result, Place::new(Region::Images, 0));
    let mut machine =
        CpuMachine::<f32>::new(&[(Region::Params, images.len()), (Region::Drawn, rows.len()), (Region::Images, images.len())]);
    let plan = machine.load(Plan::new("mix", &graph, &Layout::processor()).expect("a plan")).expect("it loads");
    machine.upload(Place::new(Region::Params, 0), images).expect("they fit");
    machine.upload(Place::new(Region::Drawn, 0), &rows).expect("they fit");
    machine.run(plan, &Scalars::default()).expect("it runs");
    let mut soft = targets.to_vec();
    mix.mix_targets(&mut soft, len);
    (machine.region(Region::Images).to_vec(), soft)
}

#[test]
fn kernels_agree() {
    let cutmix = Mix::cutmix(0.5, 9, 3, 8);
    for mix in [Mix::Mixup { lambda: 0.3 }, cutmix] {
        for batch in [1, 4, 5] {
            let sides = [batch, 9, 9, 3];
            let rows = (0..batch).flat_map(|ix| if ix == 2 { UNMIXED } else { mix.row() }).collect();
            let case = Case::new(vec![Tensor::normal(1, &sides), Tensor::normal(2, &sides), Tensor::new(&[batch, ROW_LEN], rows)]);
            // Two products and a sum: 1e-6 is several ulp, and a pixel on the wrong side of an edge is off by itself.
            check_kernel(&case.tolerance(1e-6), |graph: &mut Graph, leaves: &[Value]| {
                Ok(vec![blend(graph, leaves[0], leaves[1], leaves[2])?])
            });
        }
    }
}

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
        let lambda = 0.7f32;
        let (images, targets) = mixed(Mix::Mixup { lambda }, &before, &targets_before, SIDE, len);
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
    // √(1 − 0.75) = ½: a box of 2, from 1 before the centre to 1 behind it.
    let mix = Mix::cutmix(0.75, SIDE, 2, 0);
    let area = Area { top: 1, bottom: 3, left: 0, right: 1 };
    let lambda = 1.0 - 2.0 / 16.0;
    assert_eq!(mix, Mix::CutMix { lambda, area });
    let (images, targets) = mixed(mix, &before, &targets_before, SIDE, len);
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
