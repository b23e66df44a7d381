//! Run folders, `.vitrun`, event files, probes.

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use vitrine::run::event::Status;
use vitrine::run::files::RunFiles;
use vitrine::run::foreign::events_from_scalars;
use vitrine::run::marks::Marks;
use vitrine::run::probe::ProbeFile;
use vitrine::run::state::RunState;
use vitrine::run::store::RunStore;
use vitrine::run::tensors::{Tensor, Tensors};
use vitrine::run::{compare, csv, html, report, tensorboard, tfevents, vitrun};

use super::{survives, survives_rounds};
use crate::run_store::sample::{new_run, whole};

const SOURCE: &str = "damaged";

/// A recorded run in memory.
fn files() -> RunFiles {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut store = RunStore::create(folder.path(), new_run("demo")).expect("a new run");
    whole(Status::Crashed).iter().for_each(|event| store.record(event).expect("recorded"));
    let marks = Marks { tags: vec!["paper".to_string()], note: "text".to_string() };
    marks.write(store.path()).expect("written");
    let bytes = vitrun::pack(store.path(), false, Vec::new()).expect("packed");
    vitrun::read(&bytes, Path::new(SOURCE)).expect("read")
}

/// Everything that is made of a run.
fn look(files: &RunFiles) {
    let Ok(run) = files.recorded(Path::new(SOURCE)) else { return };
    let _ = (report::show(&run), report::show_json(&run), html::page(&run), tensorboard::file_from_run(&run));
    let _ = (csv::table(&RunState::from_events(&run.events)), compare::compare(std::slice::from_ref(&run)).text());
}

#[test]
fn files_of_a_run() {
    let files = files();
    look(&files);
    for (name, original) in &files.by_name {
        survives_rounds(name, original, 250, |bytes| {
            let mut spoiled = files.clone();
            spoiled.by_name.insert(name.clone(), bytes.to_vec());
            look(&spoiled);
            let _ = spoiled.probe_steps();
        });
    }
}

#[test]
fn runs_as_one_file() {
    let files = files();
    let packed = vitrun::to_bytes(&files).expect("packed");
    let read = |bytes: &[u8]| drop(vitrun::read(bytes, Path::new(SOURCE)).map(|files| look(&files)));
    survives("vitrun", &packed, read);
    // The tar inside, behind a gzip that is in order.
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut tar).expect("inflated");
    survives("tar", &tar, |tar| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(tar).expect("written");
        read(&gzip.finish().expect("deflated"));
    });
}

#[test]
fn event_files() {
    let run = files().recorded(Path::new(SOURCE)).expect("a run");
    let ours = tensorboard::file_from_run(&run);
    let theirs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/tfevents/pytorch_new_style.bin");
    let theirs = std::fs::read(theirs).expect("the file");
    let read = |bytes: &[u8]| drop(tfevents::read(bytes, Path::new(SOURCE)).map(|scalars| events_from_scalars("x", &scalars)));
    survives("tfevents", &ours, read);
    survives("tfevents of PyTorch", &theirs, read);
    // Damage inside a record whose checksums are in order.
    let len = u64::from_le_bytes(theirs[..8].try_into().expect("eight bytes")) as usize;
    let second = &theirs[len + 16..];
    let len = u64::from_le_bytes(second[..8].try_into().expect("eight bytes")) as usize;
    survives("record", &second[12..12 + len], |message| {
        let head = (message.len() as u64).to_le_bytes();
        let crc = |bytes: &[u8]| tfevents::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
        read(&[&head[..], &crc(&head), message, &crc(message)].concat());
    });
}

#[test]
fn probe_files() {
    let arrays =
        [("cossim".to_string(), Tensor::floats(&[3], vec![0.1, 0.2, 0.3])), ("labels".to_string(), Tensor::integers(&[2], vec![1, 2]))];
    let bytes = Tensors { by_name: arrays.into(), about: "{\"step\":1}".to_string() }.to_bytes();
    survives("probe", &bytes, |bytes| drop(ProbeFile::from_bytes(bytes, Path::new(SOURCE))));
}
