//! Probe files: written and read back, with only the similarity, and damaged.

use std::path::Path;

use vitrine::rng::{Draws, Stream};
use vitrine::run::probe::maps::ChannelSums;
use vitrine::run::probe::theory::{Channel, Spread};
use vitrine::run::probe::{Array, Attention, BINS, Group, Maps, ProbeFile, ScaledRelu, Stage, StageKind, StageName, Theorem1};
use vitrine::run::tensors::{Numbers, Tensor, Tensors, f16_from_f32, f32_from_f16};

/// Numbers that 16 bits hold, all different where there are few.
fn array(shape: &[usize]) -> Array {
    let mut draws = Draws::new(1, Stream::Synthetic, shape.len() as u32, shape.iter().product::<usize>() as u32);
    let values = (0..shape.iter().product()).map(|_| draws.next_below(2048) as f32 / 16.0 - 64.0).collect();
    Array::new(shape, values)
}

fn sample() -> ProbeFile {
    let (images, layers, blocks, heads, grid) = (2, 4, 2, 3, 2);
    let kinds =
        [("patch_embed.conv.0", StageKind::Conv), ("patch_embed.conv.0", StageKind::BatchNorm), ("patch_embed.conv.0", StageKind::Relu)];
    let stage = |(layer, kind): (&str, StageKind)| Stage {
        name: StageName { layer: layer.to_string(), kind },
        maps: array(&[images, 2, 3, 3]),
        channels: vec![ChannelSums { mean: 1.0, deviation: 2.0, least: -3.0, largest: 4.0, zero_frac: 0.5 }, ChannelSums::default()],
        histogram: array(&[2, BINS]),
        range: [-0.1, 0.3],
        norm: if kind == StageKind::BatchNorm {
            vec![ScaledRelu { weight: 1.5, bias: -0.25, mean: 2.0, deviation: 0.5 }; 2]
        } else {
            Vec::new()
        },
        bound: vec![
            Spread { mean: 1.0, deviation: 2.0, operator_norm: 3.0, least_row_norm: 0.0, cossim: 0.5, bound: f32::INFINITY };
            images
        ],
    };
    ProbeFile {
        cossim: vec![0.5, 0.25, 0.1, 0.7],
        maps: Some(Maps {
            step: 150,
            num_images: images,
            side: 4,
            images: (0..images * 48).map(|ix| ix as u8).collect(),
            labels: vec![3, 9],
            grid,
            filters: array(&[2, 3, 3, 3]),
            stages: kinds.map(stage).to_vec(),
            attention: Attention {
                weights: array(&[images, blocks, heads, 5, 5]),
                distance: array(&[blocks, heads]),
                entropy: array(&[blocks, heads]),
                rollout: array(&[images, grid * grid]),
            },
            similarity: array(&[images, layers, 4, 4]),
            theorem1: Some(Theorem1 {
                weight: "patch_embed.proj.weight".into(),
                channels: vec![Channel { scale: 1.0, l1: 2.0, penalty: 3.0, balance: 4.0 }; 2],
            }),
            groups: vec![Group { name: "patch_embed".into(), weight_norm: 2.0, gradient_norm: 0.1, update_norm: 0.002 }],
        }),
    }
}

fn read(tensors: &Tensors) -> vitrine::error::Result<ProbeFile> {
    ProbeFile::from_bytes(&tensors.to_bytes(), Path::new("step-000150.safetensors"))
}

#[test]
fn what_is_written_is_read() {
    let probe = sample();
    assert_eq!(read(&probe.to_tensors()).expect("a whole file"), probe);
    let light = ProbeFile { maps: None, ..probe };
    assert_eq!(read(&light.to_tensors()).expect("the similarity alone"), light);
}

#[test]
fn every_array_is_missed_and_checked() {
    let whole = sample().to_tensors();
    let names: Vec<String> = whole.by_name.keys().filter(|name| *name != "images" && !name.ends_with(".norm")).cloned().collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let mut missing = whole.clone();
        let taken = missing.by_name.remove(&name).expect("it is there");
        let complaint = read(&missing).expect_err(&name).to_string();
        assert!(complaint.contains(&name), "{complaint}");
        let mut longer = taken.shape;
        longer.push(1);
        let mut misshapen = whole.clone();
        misshapen.by_name.get_mut(&name).expect("it is there").shape = longer;
        let complaint = read(&misshapen).expect_err(&name).to_string();
        assert!(complaint.contains(&name), "{complaint}");
    }
}

#[test]
fn damage_is_told() {
    let mut no_names = sample().to_tensors();
    no_names.about.clear();
    assert!(read(&no_names).expect_err("no metadata").to_string().contains("metadata"));
    let mut huge = sample().to_tensors();
    huge.about = huge.about.replace("\"grid\":2", "\"grid\":4294967295");
    assert!(read(&huge).expect_err("an absurd grid").to_string().contains("rollout"));
    let mut bright = sample().to_tensors();
    bright.by_name.insert("images".into(), Tensor::integers(&[2, 4, 4, 3], vec![256; 96]));
    assert!(read(&bright).expect_err("no byte").to_string().contains("256"));
    let mut text = sample().to_tensors();
    text.by_name.insert("similarity".into(), Tensor::integers(&[2, 4, 4, 4], vec![1; 128]));
    assert!(read(&text).expect_err("integers").to_string().contains("integers"));
    let bytes = sample().to_tensors().to_bytes();
    ProbeFile::from_bytes(&bytes[..bytes.len() - 3], Path::new("cut")).expect_err("a cut file");
}

#[test]
fn no_damage_makes_the_reader_panic() {
    let whole = sample().to_tensors().to_bytes();
    let mut draws = Draws::new(9, Stream::Synthetic, 0, 0);
    let mut num_refused = 0;
    for _ in 0..3000 {
        let mut bytes = whole.clone();
        // Mostly in the header, where sides and names stand.
        for _ in 0..1 + draws.next_below(4) {
            let end = if draws.next_below(4) == 0 { bytes.len() } else { 2500 };
            bytes[draws.next_below(end as u32) as usize] = draws.next_below(256) as u8;
        }
        if draws.next_below(8) == 0 {
            bytes.truncate(draws.next_below(whole.len() as u32) as usize);
        }
        num_refused += usize::from(ProbeFile::from_bytes(&bytes, Path::new("damaged")).is_err());
    }
    assert!(num_refused > 1000, "{num_refused} of 3000 were refused");
}

#[test]
fn arrays_are_cut_at_leading_indices() {
    let array = Array::new(&[2, 3, 2], (0..12).map(|ix| ix as f32).collect());
    assert_eq!(array.at(&[1, 2]), Some(&[10.0, 11.0][..]));
    assert_eq!(array.at(&[1]), Some(&[6.0, 7.0, 8.0, 9.0, 10.0, 11.0][..]));
    assert_eq!(array.at(&[0, 1, 1]), Some(&[3.0][..]));
    assert_eq!(array.at(&[]).map(<[f32]>::len), Some(12));
    assert_eq!(array.at(&[0, 3]), None);
    assert_eq!(array.at(&[0, 0, 0, 0]), None);
}

#[test]
fn halves_round_to_nearest_even_and_stay_finite() {
    // Every binary16 that is a number comes back; so do numbers halfway, to the even neighbour.
    for bits in (0..=u16::MAX).filter(|bits| bits & 0x7C00 != 0x7C00) {
        assert_eq!(f16_from_f32(f32_from_f16(bits)), bits, "{bits:#06x}");
    }
    for even in [0x0000_u16, 0x0002, 0x03FE, 0x0400, 0x3C00, 0x7BFC] {
        let halfway = (f64::from(f32_from_f16(even)) + f64::from(f32_from_f16(even + 1))) / 2.0;
        assert_eq!(f16_from_f32(halfway as f32), even, "{even:#06x}");
        let above = (f64::from(f32_from_f16(even + 1)) + f64::from(f32_from_f16(even + 2))) / 2.0;
        assert_eq!(f16_from_f32(above as f32), even + 2, "{even:#06x}");
    }
    assert_eq!(f32_from_f16(f16_from_f32(-1e9)), -65_504.0);
    assert_eq!(f32_from_f16(f16_from_f32(f32::INFINITY)), f32::INFINITY);
    assert!(f32_from_f16(f16_from_f32(f32::NAN)).is_nan());
}

#[test]
fn small_arrays_are_stored_small() {
    let tensors = sample().to_tensors();
    assert!(matches!(tensors.by_name["attention"].numbers, Numbers::F16(_)));
    assert!(matches!(tensors.by_name["images"].numbers, Numbers::U8(_)));
    let values: usize = tensors.by_name.values().map(|tensor| tensor.shape.iter().product::<usize>()).sum();
    assert!(tensors.to_bytes().len() < 4 * values + 4096, "two bytes a number of the large arrays");
}
