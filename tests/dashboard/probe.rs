//! Screens that look inside a model: tokens, stem, attention.

use egui::Key;
use egui_kittest::kittest::Queryable as _;
use vitrine::config::{Sources, load};
use vitrine::dashboard::panels::attention::looks;
use vitrine::dashboard::panels::stem::receptive_field;
use vitrine::dashboard::widgets::probe_view::coarse_patch;
use vitrine::run::probe::maps::ChannelSums;
use vitrine::run::probe::theory::{Channel, Spread};
use vitrine::run::probe::{Array, Attention, BINS, Group, Maps, ProbeFile, Stage, StageKind, StageName, Theorem1};

use super::host::Stage as Theatre;
use super::sample;

const SIDE: usize = 28;
const GRID: usize = 7;
const TOKENS: usize = GRID * GRID + 1;

fn filled(shape: &[usize], value: impl Fn(usize) -> f32) -> Array {
    Array::new(shape, (0..shape.iter().product()).map(value).collect())
}

fn stage(layer: &str, kind: StageKind, side: usize) -> Stage {
    let lively = ChannelSums { mean: 0.4, deviation: 1.0, least: -1.0, largest: 2.0, zero_frac: 0.4 };
    let dead = ChannelSums { largest: 0.0, zero_frac: 1.0, ..ChannelSums::default() };
    Stage {
        name: StageName { layer: layer.to_string(), kind },
        maps: filled(&[2, 8, side, side], |ix| ((ix % side) as f32 * 0.4).sin() + ((ix / side) as f32 * 0.3).cos()),
        channels: (0..8).map(|channel| if channel == 5 { dead } else { lively }).collect(),
        histogram: filled(&[8, BINS], |ix| (-((ix % BINS) as f32 - 12.0).powi(2) / 40.0).exp() / 11.0),
        range: [-1.0, 2.0],
        norm: Vec::new(),
        bound: vec![Spread { mean: 0.4, deviation: 1.0, operator_norm: 21.0, least_row_norm: 1.5, cossim: 0.3, bound: 4.0 }; 2],
    }
}

/// A probe as a conv-stem on 28 pixels leaves it.
pub fn file() -> ProbeFile {
    let picture = |ix: usize| {
        let pixel = ix / 3 % (SIDE * SIDE);
        let (x, y) = ((pixel % SIDE) as f32 - 14.0, (pixel / SIDE) as f32 - 14.0);
        if x.hypot(y) < 9.0 { 230 } else { (20 + 4 * (pixel % SIDE)) as u8 }
    };
    let attention = |ix: usize| {
        let (query, key) = (ix / TOKENS % TOKENS, ix % TOKENS);
        (-((query as f32 - key as f32) / 6.0).powi(2)).exp() / 10.6
    };
    let kinds =
        [("patch_embed.conv.0", StageKind::Conv), ("patch_embed.conv.0", StageKind::BatchNorm), ("patch_embed.conv.0", StageKind::Relu)];
    ProbeFile {
        cossim: vec![0.3, 0.28, 0.35, 0.45, 0.5, 0.6],
        maps: Some(Maps {
            step: 200,
            num_images: 2,
            side: SIDE,
            images: (0..2 * SIDE * SIDE * 3).map(picture).collect(),
            labels: vec![3, 9],
            grid: GRID,
            filters: filled(&[32, 3, 7, 7], |ix| ((ix % 7) as f32 * 0.9 + (ix / 147) as f32).sin()),
            stages: kinds.iter().map(|(layer, kind)| stage(layer, *kind, 14)).collect(),
            attention: Attention {
                weights: filled(&[2, 4, 2, TOKENS, TOKENS], attention),
                distance: filled(&[4, 2], |ix| 4.0 + ix as f32),
                entropy: filled(&[4, 2], |ix| 3.5 - 0.2 * ix as f32),
                rollout: filled(&[2, GRID * GRID], |ix| (ix % 7) as f32 / 100.0),
            },
            similarity: filled(&[2, 6, GRID * GRID, GRID * GRID], |ix| 0.5 + 0.5 * ((ix % 49) as f32 * 0.2).cos()),
            theorem1: Some(Theorem1 {
                weight: "patch_embed.proj.weight".to_string(),
                channels: (0..8)
                    .map(|ix| Channel { scale: 0.5 + 0.1 * ix as f32, l1: 3.0 - 0.2 * ix as f32, penalty: 1.0, balance: 1.1 })
                    .collect(),
            }),
            groups: vec![Group { name: "patch_embed".to_string(), weight_norm: 2.0, gradient_norm: 0.1, update_norm: 0.002 }],
        }),
    }
}

fn theatre(hash: &str) -> Theatre {
    let long = sample::long();
    Theatre { probe: Some(file().to_tensors().to_bytes()), ..Theatre::new(vec![long.clone()], format!("{hash}runs={}", long.key())) }
}

#[test]
fn the_probe_at_the_playhead_is_read_once() {
    let (mut harness, log, _) = theatre("tokens?step=1200&").open();
    harness.run_steps(6);
    assert_eq!(log.borrow().probes, [(sample::long().key(), 1000)]);
    harness.get_by_label("Similarity of 49 × 49 patches, stem");
    harness.get_by_label("Similarity to the patch, block 3").click_accesskit();
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.layer, 5);
    harness.get_by_label("Similarity of 49 × 49 patches, block 3");
}

#[test]
fn a_missing_probe_is_said_in_its_place() {
    let (harness, ..) = Theatre { probe: None, ..theatre("attention?") }.open();
    harness.get_by_label("The probe of step 6000 cannot be shown");
    harness.get_by_label("the run has no probe files");
    let (harness, ..) = Theatre { probe: Some(b"no probe".to_vec()), ..theatre("stem?") }.open();
    harness.get_by_label("The probe of step 6000 cannot be shown");
    harness.get_by_label_contains("it is no safetensors file");
}

#[test]
fn attention_is_looked_at_head_by_head() {
    let (mut harness, ..) = theatre("attention?").open();
    harness.get_by_label("Block 2, head 1").click_accesskit();
    harness.run_steps(3);
    let view = &harness.state().model.view;
    assert_eq!((view.layer, view.head), (4, Some(1)), "block 2 is layer 4 of Tokens: the stem and the position come first");
    harness.get_by_label("Block 2, head 1, from the class token");
    let maps = file().maps.expect("the file has maps");
    let shares = looks(&maps, 0, 2, Some(1), Some(20)).expect("within the file");
    let most = shares.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map(|(patch, _)| patch);
    assert_eq!(most, Some(20), "a token of this file looks at itself most");
    assert!(looks(&maps, 0, 9, None, None).is_none(), "there is no such block");
}

#[test]
fn the_patch_under_the_pointer_looks() {
    let (mut harness, ..) = theatre("attention?").open();
    let picture = harness.get_by_label("Probe image: choose the patch that looks").rect();
    // The third patch of the second row.
    harness.hover_at(picture.min + egui::vec2(2.5, 1.5) / GRID as f32 * picture.width());
    harness.run_steps(3);
    harness.get_by_label(&format!("Block 0, all heads, from patch {}", GRID + 2));
    harness.hover_at(picture.min - egui::vec2(20.0, 20.0));
    harness.run_steps(3);
    harness.get_by_label("Block 0, all heads, from the class token");
}

#[test]
fn the_arrow_keys_choose_a_patch() {
    let (mut harness, ..) = theatre("attention?").open();
    harness.get_by_label("Probe image: choose the patch that looks").focus();
    harness.run_steps(2);
    for key in [Key::ArrowRight, Key::ArrowRight, Key::ArrowDown, Key::ArrowLeft] {
        harness.key_press(key);
        harness.run_steps(3);
    }
    assert_eq!(harness.state().model.view.patch, Some(GRID), "the first key chooses the first patch");
}

#[test]
fn probes_without_maps_are_passed_over() {
    let bare_steps = vec![6000, 5500];
    let (mut harness, log, _) = Theatre { bare_steps, ..theatre("stem?") }.open();
    harness.run_steps(12);
    harness.get_by_label("Step 5000: the last probe with maps up to the playhead");
    assert_eq!(log.borrow().probes.iter().map(|(_, step)| *step).collect::<Vec<_>>(), [6000, 5500, 5000]);
    let (mut harness, ..) = Theatre { bare_steps: (0..=12).map(|ix| 500 * ix).collect(), ..theatre("stem?") }.open();
    harness.run_steps(60);
    harness.get_by_label("The probes of this run hold the similarity per layer only");
}

#[test]
fn what_is_not_finite_stands_out_of_a_map() {
    use vitrine::dashboard::theme;
    let loud = theme::sequential(f64::NAN);
    assert!([0.0, 0.5, 1.0].iter().all(|&share| theme::sequential(share) != loud && theme::grey(share) != loud));
    assert_eq!([theme::grey(f64::NAN), theme::diverging(f64::INFINITY)], [loud; 2]);
}

#[test]
fn the_stem_names_its_dead_channels() {
    let (harness, ..) = theatre("stem?").open();
    harness.get_by_label("1 dead");
    harness.get_by_label("Filter 31");
    harness.get_by_label_contains("Theorem 1: 8 channels");
}

#[test]
fn a_pixel_sees_what_its_convolutions_reach() {
    let sources = Sources { preset: Some("demo"), ..Sources::default() };
    let stem = load(&sources).expect("the demo").experiment.model.stem_geometry().expect("a fine stem");
    // 7×7 with stride 2 and padding 3: pixel (0, 0) sees −3..4, pixel (5, 2) sees 7..14 and 1..8.
    assert_eq!(receptive_field(&stem, stem.layers[0].name, 14, 0, 0), Some([-3.0, -3.0, 4.0, 4.0]));
    assert_eq!(receptive_field(&stem, stem.layers[0].name, 14, 5, 2), Some([7.0, 1.0, 14.0, 8.0]));
    // A 3×3 behind it adds one pixel of stride 2 on each side.
    assert_eq!(receptive_field(&stem, stem.layers[1].name, 14, 5, 2), Some([5.0, -1.0, 16.0, 10.0]));
    assert_eq!(receptive_field(&stem, "elsewhere", 14, 0, 0), None);
}

#[test]
fn coarse_grids_find_their_patch() {
    assert_eq!(coarse_patch(20, 7, 7), 20);
    assert_eq!(coarse_patch(8 * 3 + 5, 8, 4), 4 + 2);
    assert_eq!(coarse_patch(63, 8, 1), 0);
}
