//! PyTorch's own files: the tensors of a state dict, and a clear refusal of everything else.

use std::path::{Path, PathBuf};

use vitrine::run::pth::{read_weights, weights_from_bytes};
use vitrine::run::tensors::{Numbers, Tensors};

/// A file of `tests/interop`.
pub fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

fn reference() -> Tensors {
    Tensors::read(&file("timm/weights.safetensors")).expect("the reference")
}

fn refusal(name: &str) -> String {
    let error = read_weights(&file(name)).expect_err(name).to_string();
    assert!(error.contains(name), "{error}");
    error
}

#[test]
fn state_dicts_are_read_as_they_were_saved() {
    let reference = reference();
    for name in ["pth/deit.pth", "pth/training.pth", "pth/parameters.pth"] {
        assert_eq!(read_weights(&file(name)).expect(name).by_name, reference.by_name, "{name}");
    }
    let nested = read_weights(&file("pth/module.pth")).expect("a state dict").by_name;
    assert_eq!(nested.len(), reference.by_name.len());
    for (name, tensor) in &reference.by_name {
        assert_eq!(nested.get(&format!("module.backbone.{name}")), Some(tensor), "{name}");
    }
    assert_eq!(read_weights(&file("timm/weights.safetensors")).expect("safetensors too").by_name, reference.by_name);
}

#[test]
fn half_floats_and_counts_are_read() {
    let half = read_weights(&file("pth/half.pth")).expect("a state dict").by_name;
    assert_eq!(half["num_batches_tracked"].numbers, Numbers::I64(vec![3]));
    assert!(half["num_batches_tracked"].shape.is_empty());
    let (Numbers::F32(half), Numbers::F32(full)) = (&half["head.weight"].numbers, &reference().by_name["head.weight"].numbers) else {
        panic!("floats")
    };
    assert!(half.iter().zip(full).all(|(half, full)| (half - full).abs() <= full.abs() / 1024.0 + 1e-7));
}

#[test]
fn nothing_is_run() {
    let error = refusal("pth/evil.pth");
    assert!(error.contains("`posix.system`") && error.contains("never run"), "{error}");
    assert!(!Path::new("/tmp/vitrine-was-here").exists());
    let error = refusal("pth/namespace.pth");
    assert!(error.contains("`argparse.Namespace`") && error.contains("save_file"), "{error}");
    let error = refusal("pth/numbers.pth");
    assert!(error.contains("no state dict") && error.contains("epoch, lr, names"), "{error}");
}

#[test]
fn damage_is_named() {
    let bytes = std::fs::read(file("pth/deit.pth")).expect("the file");
    let refusal = |bytes: &[u8]| weights_from_bytes(bytes, Path::new("w.pth")).expect_err("a refusal").to_string();
    assert!(refusal(&bytes[..bytes.len() / 2]).contains("damaged zip"), "{}", refusal(&bytes[..bytes.len() / 2]));
    let Numbers::F32(head) = &reference().by_name["head.weight"].numbers else { panic!("floats") };
    let word = [head[0].to_le_bytes(), head[1].to_le_bytes()].concat();
    let at = bytes.windows(8).position(|window| window == word).expect("the numbers of the head");
    let mut flipped = bytes.clone();
    flipped[at] ^= 0xff;
    assert!(refusal(&flipped).contains("damaged"), "{}", refusal(&flipped));
    assert!(refusal(b"\x80\x02}q\x00.").contains("before 1.6"));
    assert!(refusal(b"PK\x03\x04").contains("damaged zip"));
    assert!(refusal(b"").contains("truncated"));
}
