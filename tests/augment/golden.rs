//! Each operation against PIL, torchvision and timm: `tests/golden/augment/make.py` made the pictures.
//!
//! Operations on bytes are defined to the byte (tables, fixed point, f32 and f64 arithmetic in a
//! fixed order), so they must be equal. Warps alone have sines and products whose last bits
//! another machine may round otherwise; there a value may be off by one.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;
use vitrine::augment::crop::{self, Picture};
use vitrine::augment::distortion::{Canvas, DISTORTIONS, Strength};
use vitrine::augment::mix::Mix;
use vitrine::augment::resample::{self, Window};
use vitrine::augment::{enhance, random_erasing, resized_crop, targets};
use vitrine::data::resize::{self, Origin};

use super::mix::mixed;

/// The reference file.
struct Golden {
    bytes: Vec<u8>,
    about: Value,
}

impl Golden {
    fn open() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/augment/pictures.safetensors");
        let bytes = fs::read(path).expect("the reference pictures are in the repository");
        let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
        let about = metadata.metadata().as_ref().expect("metadata")["about"].clone();
        Self { about: serde_json::from_str(&about).expect("JSON"), bytes }
    }

    fn picture(&self, name: &str) -> Picture {
        let tensors = SafeTensors::deserialize(&self.bytes).expect("safetensors");
        let tensor = tensors.tensor(name).expect(name);
        Picture { width: tensor.shape()[1], height: tensor.shape()[0], rgb: tensor.data().to_vec() }
    }

    fn floats(&self, name: &str) -> Vec<f32> {
        let tensors = SafeTensors::deserialize(&self.bytes).expect("safetensors");
        let data = tensors.tensor(name).expect(name).data().to_vec();
        data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().expect("four bytes"))).collect()
    }

    /// The rows of a list of parameters, numbers only; a leading name apart.
    fn rows(&self, key: &str) -> Vec<(String, Vec<f64>)> {
        let row = |row: &Value| {
            let row = row.as_array().expect("a row");
            let name = row[0].as_str().unwrap_or_default().to_string();
            (name, row.iter().filter_map(Value::as_f64).collect())
        };
        let rows: Vec<_> = self.about[key].as_array().expect(key).iter().map(row).collect();
        assert!(!rows.is_empty(), "{key}");
        rows
    }
}

fn worst(found: &Picture, expected: &Picture) -> u8 {
    assert_eq!((found.width, found.height, found.rgb.len()), (expected.width, expected.height, expected.rgb.len()));
    found.rgb.iter().zip(&expected.rgb).map(|(a, b)| a.abs_diff(*b)).max().expect("pixels")
}

#[test]
fn distortions_are_timms() {
    let golden = Golden::open();
    let small = golden.picture("small");
    let cases = golden.about["distorted"].as_array().expect("a list");
    assert!(cases.len() >= 30, "two strengths each at least, but for the three without any");
    for distortion in &DISTORTIONS {
        let own: Vec<&Value> = cases.iter().filter(|case| case[1] == distortion.name).collect();
        assert!(!own.is_empty(), "{}", distortion.name);
        for case in own {
            let (mut picture, mut spare) = (small.clone(), Picture::default());
            let mut canvas = Canvas { picture: &mut picture, spare: &mut spare, fill: [124, 116, 104] };
            (distortion.apply)(&mut canvas, case[2].as_f64().expect("a number"));
            let expected = golden.picture(case[0].as_str().expect("a name"));
            let is_warp = ["Rotate", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"].contains(&distortion.name);
            let worst = worst(&picture, &expected);
            assert!(worst <= u8::from(is_warp), "{case}: off by {worst}");
            assert_ne!(expected, small, "{case}: the reference itself changes the picture");
        }
    }
}

#[test]
fn strengths_mean_what_they_mean_in_timm() {
    let golden = Golden::open();
    let cases = golden.about["amounts"].as_array().expect("a list");
    assert_eq!(cases.len(), 15 * 4 * 4);
    for case in cases {
        let distortion = DISTORTIONS.iter().find(|distortion| case[0] == distortion.name).expect("one of the fifteen");
        let strength = Strength {
            level: case[1].as_f64().expect("a number"),
            is_negative: case[2].as_bool().expect("a truth value"),
            is_increasing: case[3].as_bool().expect("a truth value"),
        };
        let (found, expected) = ((distortion.amount)(strength), case[4].as_f64().expect("a number"));
        // One rounding of f64 at numbers up to 256.
        assert!((found - expected).abs() < 1e-12, "{case}: {found}");
    }
}

#[test]
fn resized_crops_are_torchvisions() {
    let golden = Golden::open();
    let large = golden.picture("large");
    for (name, numbers) in golden.rows("resized") {
        let [top, left, height, width, to_width, to_height] = numbers[..] else { panic!("{name}: {numbers:?}") };
        let window = Window { top: top as usize, left: left as usize, height: height as usize, width: width as usize };
        let mut found = Picture::default();
        resample::bicubic(&large, window, to_width as usize, to_height as usize, &mut found);
        assert_eq!(worst(&found, &golden.picture(&name)), 0, "{name}");
    }
}

#[test]
fn evaluation_cuts_what_torchvision_cuts() {
    let golden = Golden::open();
    let mut picture = golden.picture("large");
    resize::scale(&mut picture, 112, Origin::Photographs).expect("a good size");
    let mut square = Picture::default();
    crop::cut(&picture, 112, crop::centre(&picture, 112), &mut square);
    // The reference keeps every third row and column.
    let expected = golden.picture("evaluated");
    for row in 0..expected.height {
        for column in 0..expected.width {
            let (at, from) = ((row * expected.width + column) * 3, (row * 3 * 112 + column * 3) * 3);
            assert_eq!(square.rgb[from..from + 3], expected.rgb[at..at + 3], "row {row}, column {column}");
        }
    }
}

#[test]
fn parts_have_torchvisions_sizes() {
    let golden = Golden::open();
    for (_, numbers) in golden.rows("fallbacks") {
        let [width, height, top, left, high, wide] = numbers[..] else { panic!("{numbers:?}") };
        let expected = Window { top: top as usize, left: left as usize, height: high as usize, width: wide as usize };
        assert_eq!(resized_crop::fallback(width as usize, height as usize), expected);
    }
    for (_, numbers) in golden.rows("sides") {
        let [width, height, area, aspect, wide, high] = numbers[..] else { panic!("{numbers:?}") };
        assert_eq!(resized_crop::sides(area * width * height, aspect), (wide as usize, high as usize), "{numbers:?}");
    }
}

#[test]
fn jitter_is_torchvisions() {
    let golden = Golden::open();
    let factors: Vec<f64> = golden.about["jitter"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
    let mut picture = golden.picture("small");
    enhance::brightness(&mut picture, factors[0] as f32);
    enhance::color(&mut picture, factors[1] as f32);
    enhance::contrast(&mut picture, factors[2] as f32);
    assert_eq!(worst(&picture, &golden.picture("jittered")), 0);
}

#[test]
fn holes_have_timms_sizes() {
    for (_, numbers) in Golden::open().rows("erasing") {
        let [side, area, aspect, top, left, height, width] = numbers[..] else { panic!("{numbers:?}") };
        assert_eq!(random_erasing::sides(area * side * side, aspect), (height as usize, width as usize), "{numbers:?}");
        // The reference drew the last place of each axis.
        assert_eq!((top + height, left + width), (side, side));
    }
}

#[test]
fn mixing_is_timms() {
    let golden = Golden::open();
    let about = &golden.about["mixed"];
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    let (side, classes) = (number(&about["side"]), number(&about["classes"]));
    let labels: Vec<u32> = about["labels"].as_array().expect("a list").iter().map(|label| number(label) as u32).collect();
    for case in about["cases"].as_array().expect("a list") {
        let (name, lambda) = (case[0].as_str().expect("a name"), case[1].as_f64().expect("a number"));
        let mix = match name {
            "mixup" => Mix::Mixup { lambda: lambda as f32 },
            _ => Mix::cutmix(lambda, side, number(&case[2]), number(&case[3])),
        };
        let images: Vec<f32> = (0..4 * side * side * 3).map(|ix| ix as f32 / 768.0).collect();
        let mut soft = vec![0.0; 4 * classes];
        targets::smoothed(&labels, classes, 0.1, &mut soft);
        let (images, soft) = mixed(mix, &images, &soft, side, 4);
        for (kind, found) in [("images", images), ("targets", soft)] {
            let expected = golden.floats(&format!("{name}.{kind}"));
            assert_eq!(found.len(), expected.len());
            // A few roundings of f32 at numbers up to 1.
            let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 5e-7, "{name}.{kind}: off by {worst}");
        }
    }
}
