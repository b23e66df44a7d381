//! Weights: safetensors, PyTorch's zip, and the pickle inside.

use std::io::{Cursor, Write as _};
use std::path::Path;

use vitrine::run::pickle;
use vitrine::run::pth::weights_from_bytes;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::{survives, survives_rounds};

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)).expect(name)
}

fn read(bytes: &[u8]) {
    let _ = weights_from_bytes(bytes, Path::new("damaged"));
}

/// The pickle of a file of PyTorch.
fn pickle_of(name: &str) -> Vec<u8> {
    let mut archive = ZipArchive::new(Cursor::new(file(name))).expect("a zip");
    let inner = archive.file_names().flatten().find(|name| name.ends_with("data.pkl")).expect("a pickle").to_string();
    let mut pickle = Vec::new();
    std::io::Read::read_to_end(&mut archive.by_name(&inner).expect("a pickle"), &mut pickle).expect("read");
    pickle
}

#[test]
fn safetensors() {
    let whole = file("timm/weights.safetensors");
    survives("safetensors", &whole, read);
    // Damage in the header, where all that can mislead a reader is.
    let header_len = u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize + 8;
    survives("header", &whole[..header_len], |header| read(&[header, &whole[header_len..]].concat()));
}

#[test]
fn files_of_pytorch() {
    for name in ["pth/deit.pth", "pth/evil.pth"] {
        survives_rounds(name, &file(name), 250, read);
    }
}

#[test]
fn pickles_in_order_around_damage_within() {
    for name in ["pth/half.pth", "pth/training.pth", "pth/namespace.pth"] {
        let original = pickle_of(name);
        survives(name, &original, |bytes| drop(pickle::read(bytes)));
    }
    survives("pickle", &pickle_of("pth/deit.pth"), |pickle| read(&zip_with(pickle)));
}

/// A file of PyTorch with this pickle and one small storage.
fn zip_with(pickle: &[u8]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in [("x/data.pkl", pickle), ("x/data/0", &[0; 4096][..])] {
        zip.start_file(name, options).expect("an entry");
        zip.write_all(content).expect("written");
    }
    zip.finish().expect("a zip").into_inner()
}

#[test]
fn small_pickles_do_not_become_large() {
    // Each would multiply what it repeats if values were copied: a row used as a tensor's shape, a
    // long key of a storage, a dictionary filled from a row over and over.
    let row: Vec<u8> = [b"(".to_vec(), b"K\x01".repeat(50_000), b"tq\x00".to_vec()].concat();
    let repeated =
        |head: &[u8], tail: &[u8]| [b"\x80\x02".to_vec(), row.clone(), head.to_vec(), tail.repeat(20_000), b".".to_vec()].concat();
    let size = repeated(b"ctorch\nSize\nq\x01", b"0h\x01h\x00\x85R");
    let ordered = repeated(b"ccollections\nOrderedDict\nq\x01", b"0h\x01h\x00\x85R");
    let tuples = repeated(b"", b"0h\x00");
    for (name, bytes) in [("size", &size), ("ordered", &ordered), ("tuples", &tuples)] {
        survives_rounds(name, bytes, 20, |bytes| drop(pickle::read(bytes)));
        let (_, peak_bytes) = super::memory::peak(|| pickle::read(bytes).is_ok());
        assert!(peak_bytes < 64 * bytes.len(), "{name}: {peak_bytes} bytes for {}", bytes.len());
    }
}
