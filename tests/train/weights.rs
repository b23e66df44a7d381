//! State dicts: PyTorch's names, shapes and types in, the same out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use vitrine::config::{Sources, load};
use vitrine::model::parameters::{Parameters, Source};
use vitrine::model::vit;
use vitrine::platform::Wait as _;
use vitrine::run::tensors::{Numbers, Tensor, Tensors, f32_from_f16};
use vitrine::train::device::Device;
use vitrine::train::weights;

use super::{golden, toy};

/// Parameters and state dict of a golden case.
fn golden(name: &str) -> (Parameters, Tensors, PathBuf) {
    let config = golden::case(name).join("config.toml");
    let experiment = load(&Sources { file: Some(&config), ..Sources::default() }).expect("a good config").experiment;
    let path = golden::case(name).join("weights.safetensors");
    (vit::parameters(&experiment.model).expect("parameters"), Tensors::read(&path).expect("weights"), path)
}

/// What loading these arrays is refused with.
fn refusal(tensors: BTreeMap<String, Tensor>, parameters: &Parameters) -> String {
    weights::match_names(tensors, parameters, Path::new("w.safetensors")).expect_err("a refusal").to_string()
}

#[test]
fn every_state_dict_comes_out_as_it_went_in() {
    for name in ["vit_patchify", "vit_conv_full", "vit_conv_strides2222", "vit_ffn_conv1d_bn"] {
        let (parameters, given, path) = golden(name);
        let device = Device::Cpu;
        let config = golden::case(name).join("config.toml");
        let sets = vec!["train.batch=4".to_string()];
        let experiment = load(&Sources { file: Some(&config), sets, ..Sources::default() }).expect("a good config").experiment;
        let mut trainer = toy::trainer(&experiment, &device);
        let values = weights::load(&path, &parameters).expect("weights");
        weights::upload(trainer.machine.as_mut(), &values, Source::Trained).expect("an upload");
        let count = given.by_name.values().find_map(|tensor| match &tensor.numbers {
            Numbers::I64(count) => Some(count[0] as u64),
            _ => None,
        });
        let got =
            weights::state_dict(trainer.machine.as_mut(), &parameters, Source::Trained, count.unwrap_or(0)).wait().expect("a state dict");
        assert!(got == given.by_name, "{name}: the state dict has changed");

        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy.safetensors");
        Tensors { by_name: got, about: "{}".to_string() }.write(&copy).expect("a file");
        assert_eq!(Tensors::read(&copy).expect("a file"), Tensors { about: "{}".to_string(), ..given });
    }
}

#[test]
fn prefixes_of_wrappers_are_taken_off() {
    let (parameters, given, path) = golden("vit_conv_full");
    let plain = weights::load(&path, &parameters).expect("weights");
    for prefix in ["module.", "backbone.", "model.", "module.backbone."] {
        let renamed = given.by_name.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect();
        assert_eq!(weights::match_names(renamed, &parameters, &path).expect(prefix), plain);
    }
    let mut twice = given.by_name.clone();
    twice.insert("module.head.bias".to_string(), twice["head.bias"].clone());
    assert!(refusal(twice, &parameters).contains("1 unexpected: module.head.bias"));
}

#[test]
fn a_trailing_one_is_no_difference_and_any_other_side_is() {
    let (parameters, given, path) = golden("vit_ffn_conv1d_bn");
    let plain = weights::load(&path, &parameters).expect("weights");
    let with_shape = |name: &str, shape: &[usize]| {
        let mut tensors = given.by_name.clone();
        tensors.get_mut(name).expect("an array").shape = shape.to_vec();
        tensors
    };
    for (name, shape) in [("blocks.0.mlp.fc1.weight", vec![128, 32]), ("head.weight", vec![10, 32, 1])] {
        assert_eq!(weights::match_names(with_shape(name, &shape), &parameters, &path).expect(name), plain);
    }
    let refusal = refusal(with_shape("head.weight", &[32, 10]), &parameters);
    assert!(refusal.contains("1 of a wrong shape: head.weight is [32, 10] and should be [10, 32]"), "{refusal}");
}

#[test]
fn all_that_does_not_fit_is_listed_at_once() {
    let (parameters, given, _) = golden("vit_conv_full");
    let mut tensors: BTreeMap<String, Tensor> =
        given.by_name.into_iter().map(|(name, tensor)| (name.replace("blocks.1", "layers.1"), tensor)).collect();
    tensors.insert("pos_embed".to_string(), Tensor::floats(&[1, 197, 32], vec![0.0; 197 * 32]));
    tensors.insert("cls_token".to_string(), Tensor::integers(&[1, 1, 32], vec![0; 32]));
    let refusal = refusal(tensors, &parameters);
    for part in [
        "w.safetensors: ",
        "12 missing: blocks.1.",
        "12 unexpected: layers.1.",
        "(12 in all)",
        "2 of a wrong shape: ",
        "pos_embed is [1, 197, 32] and should be [1, 5, 32]",
        "cls_token is [1, 1, 32] of integers",
    ] {
        assert!(refusal.contains(part), "no `{part}` in: {refusal}");
    }
}

#[test]
fn unreadable_files_are_named_with_what_is_wrong() {
    let (parameters, _, path) = golden("vit_patchify");
    let folder = tempfile::tempdir().expect("a folder");
    let bad = folder.path().join("bad.safetensors");
    let refusal = || weights::load(&bad, &parameters).expect_err("a refusal").to_string();
    assert!(refusal().contains("bad.safetensors: cannot be read"), "{}", refusal());
    let whole = std::fs::read(&path).expect("the file");
    let damaged = [
        &whole[..5],
        &whole[..400],
        &whole[..whole.len() - 1],
        b"\x80\x02}q\x00(X\x05\x00\x00\x00model",
        &[whole.as_slice(), b"x"].concat(),
    ];
    for bytes in damaged {
        std::fs::write(&bad, bytes).expect("a file");
        let refusal = refusal();
        assert!(refusal.starts_with(&format!("{}: it is ", bad.display())), "{refusal}");
        let is_named = ["truncated", "no safetensors file", "pickle"].iter().any(|word| refusal.contains(word));
        assert!(is_named, "{refusal}");
    }
}

#[test]
fn other_types_of_float_are_converted() {
    let halves: Vec<u8> = [0x3C00u16, 0xC000, 0x3555].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let brains: Vec<u8> = [0x3F80u16, 0xC000, 0x3EAB].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let doubles: Vec<u8> = [1.0f64, -2.0, 1.0 / 3.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    let types = [(Dtype::F16, halves, 0.333_251_95), (Dtype::BF16, brains, 0.333_984_38), (Dtype::F64, doubles, 1.0 / 3.0)];
    for (dtype, bytes, third) in types {
        let view = TensorView::new(dtype, vec![3], &bytes).expect("a tensor");
        let file = safetensors::serialize([("x", view)], None).expect("a file");
        let tensors = Tensors::from_bytes(&file, Path::new("x")).expect("a file");
        assert_eq!(tensors.floats("x", Path::new("x")).expect("floats"), (&[3][..], &[1.0, -2.0, third][..]), "{dtype}");
    }
    let view = TensorView::new(Dtype::F8_E4M3, vec![1], &[0]).expect("a tensor");
    let file = safetensors::serialize([("x", view)], None).expect("a file");
    assert!(Tensors::from_bytes(&file, Path::new("x")).expect_err("a refusal").to_string().contains("x is of type F8_E4M3"));
}

#[test]
fn half_floats_keep_their_edges() {
    let edges = [(0x0001, 2f32.powi(-24)), (0x03FF, 1023.0 * 2f32.powi(-24)), (0x0400, 2f32.powi(-14)), (0x7BFF, 65504.0), (0x8000, -0.0)];
    for (bits, value) in edges {
        assert_eq!(f32_from_f16(bits).to_bits(), value.to_bits(), "{bits:#06x}");
    }
    assert_eq!(f32_from_f16(0xFC00), f32::NEG_INFINITY);
    assert!(f32_from_f16(0x7E01).is_nan());
}
