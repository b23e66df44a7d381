//! What `trace` refuses, and the file it writes.

use std::path::Path;

use vitrine::error::Result;
use vitrine::platform::Wait as _;
use vitrine::run::tensors::{Tensor, Tensors};
use vitrine::train::session::DeviceChoice;
use vitrine::train::trace::{Request, run};

use super::golden;

fn traced(batch: &Path, out: &Path) -> Result<()> {
    let folder = golden::case("vit_patchify");
    run(&Request {
        config: folder.join("config.toml"),
        weights: folder.join("weights.safetensors"),
        batch: batch.to_path_buf(),
        out: out.to_path_buf(),
        device: DeviceChoice::Cpu,
        adapter: None,
    })
    .wait()
}

#[test]
fn the_file_holds_every_array_in_its_reference_shape() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.safetensors");
    traced(&golden::case("vit_patchify").join("batch.safetensors"), &out).expect("a trace");
    let shapes = |path: &Path| {
        let tensors = Tensors::read(path).expect("a file").by_name;
        tensors.into_iter().map(|(name, tensor)| (name, tensor.shape)).collect::<Vec<_>>()
    };
    assert_eq!(shapes(&out), shapes(&golden::case("vit_patchify").join("expected.safetensors")));
}

#[test]
fn batches_of_another_shape_are_refused_with_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let [batch, out] = ["batch.safetensors", "out.safetensors"].map(|name| folder.path().join(name));
    let refusal = |images: &[usize], targets: &[usize]| {
        let arrays = [("images", images), ("targets", targets)];
        let by_name = arrays.map(|(name, shape)| (name.to_string(), Tensor::floats(shape, vec![0.0; shape.iter().product()]))).into();
        Tensors { by_name, about: String::new() }.write(&batch).expect("a file");
        traced(&batch, &out).expect_err("a refusal").to_string()
    };
    assert!(refusal(&[1, 2, 3, 16, 16], &[1, 2, 10]).contains("images is [1, 2, 3, 16, 16] and should be [steps, batch, 3, 32, 32]"));
    assert!(refusal(&[0, 2, 3, 32, 32], &[0, 2, 10]).contains("images is [0, 2,"));
    assert!(refusal(&[1, 2, 3, 32, 32], &[1, 2, 9]).contains("targets is [1, 2, 9] and should be [1, 2, 10]"));
    assert!(!out.exists(), "a refused trace has written its result");

    Tensors::default().write(&batch).expect("a file");
    let missing = traced(&batch, &out).expect_err("a refusal").to_string();
    assert!(missing.contains("it has no images"), "{missing}");
}
