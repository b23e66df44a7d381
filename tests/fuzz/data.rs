//! Configs and image sets.

use std::path::Path;

use vitrine::config::experiment::DataConfig;
use vitrine::config::{Sources, load};
use vitrine::data::decode;
use vitrine::data::open_whole;

use super::survives_rounds;

#[test]
fn configs() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("c.toml");
    for name in ["vit_conv_full", "vit_ffn_conv1d_bn"] {
        let original =
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).join("config.toml")).expect(name);
        survives_rounds(name, &original, 300, |bytes| {
            std::fs::write(&path, bytes).expect("written");
            if let Ok(resolved) = load(&Sources { file: Some(&path), ..Sources::default() }) {
                let _ = resolved.experiment.model.stem_geometry();
            }
        });
    }
}

/// An image set of this kind with one damaged file among good ones.
fn images(kind: &str, files: &[(&str, Vec<u8>)]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).expect("written");
    }
    let path = folder.path().to_str().expect("temporary paths are UTF-8").to_string();
    let config = DataConfig { kind: kind.to_string(), path, fraction: 1.0, workers: 1, pack: false };
    open_whole(&config, 28, 10).unwrap_or_else(|error| panic!("the good set opens: {error}"));
    for (name, content) in files {
        survives_rounds(name, content, 60, |bytes| {
            std::fs::write(folder.path().join(name), bytes).expect("written");
            let _ = open_whole(&config, 28, 10);
        });
        std::fs::write(folder.path().join(name), content).expect("written");
    }
}

#[test]
fn idx_files() {
    let numbers = |count: u32| {
        [vec![0, 0, 8, 3], count.to_be_bytes().to_vec(), vec![0, 0, 0, 28, 0, 0, 0, 28], vec![7; 784 * count as usize]].concat()
    };
    let labels = |count: u32| [vec![0, 0, 8, 1], count.to_be_bytes().to_vec(), (0..count as u8).map(|label| label % 10).collect()].concat();
    images(
        "mnist",
        &[
            ("train-images-idx3-ubyte", numbers(12)),
            ("train-labels-idx1-ubyte", labels(12)),
            ("t10k-images-idx3-ubyte", numbers(4)),
            ("t10k-labels-idx1-ubyte", labels(4)),
        ],
    );
}

#[test]
fn cifar_files() {
    let batch = |count: usize| (0..count).flat_map(|image| std::iter::once(image as u8 % 10).chain([9; 3072])).collect::<Vec<u8>>();
    let names = ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"];
    images("cifar10", &names.map(|name| (name, batch(3))));
}

#[test]
fn pictures() {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for format in [image::ImageFormat::Jpeg, image::ImageFormat::Png, image::ImageFormat::WebP] {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::RgbImage::from_fn(24, 20, |x, y| image::Rgb([x as u8 * 9, y as u8 * 11, 80])).write_to(&mut bytes, format).expect("encoded");
        files.push(bytes.into_inner());
    }
    for file in &files {
        decode::bytes(file).expect("the good picture opens");
        survives_rounds("picture", file, 100, |bytes| drop(decode::bytes(bytes)));
    }
}
