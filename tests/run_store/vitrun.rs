//! Runs as one file: what goes in comes out, and nothing else gets out.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use vitrine::run::event::Status;
use vitrine::run::marks::Marks;
use vitrine::run::read::read_run;
use vitrine::run::store::RunStore;
use vitrine::run::vitrun::{Limits, import, pack, read, to_bytes, unpack};

use super::sample::{new_run, whole};

const SOURCE: &str = "x.vitrun";

/// A recorded run with a checkpoint, a probe, marks, and things that are not part of the record.
fn recorded(runs_dir: &Path) -> PathBuf {
    let mut store = RunStore::create(runs_dir, new_run("demo")).expect("a new run");
    whole(Status::Crashed).iter().for_each(|event| store.record(event).expect("recorded"));
    let path = store.path().to_path_buf();
    fs::write(store.probe_path(2), [1, 2, 3]).expect("written");
    fs::write(store.checkpoint_path("best"), vec![7; 100_000]).expect("written");
    fs::write(path.join("checkpoints/.best.safetensors.1-2.tmp"), [0]).expect("written");
    let mut marks = Marks { note: "the twin\nof another".to_string(), ..Marks::default() };
    marks.add("paper").expect("a tag");
    marks.write(&path).expect("written");
    path
}

/// A gzip file with a tar of these (path, content); the paths are not looked at.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.as_gnu_mut().expect("gnu").name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *content).expect("appended");
    }
    builder.into_inner().and_then(GzEncoder::finish).expect("an archive")
}

fn refusal(bytes: &[u8]) -> String {
    let error = read(bytes, Path::new(SOURCE)).expect_err("a refusal").to_string();
    assert!(error.starts_with(SOURCE), "{error}");
    error
}

#[test]
fn a_run_comes_out_as_it_went_in() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = recorded(folder.path());
    let original = read_run(&path).expect("readable");
    let bytes = pack(&path, true, Vec::new()).expect("packed");
    assert_eq!(bytes, pack(&path, true, Vec::new()).expect("packed"), "the bytes depend on the run alone");

    let files = read(&bytes, Path::new(SOURCE)).expect("read");
    let names: Vec<&str> = files.by_name.keys().map(String::as_str).collect();
    let expected = [
        "checkpoints/best.safetensors",
        "config.toml",
        "events.jsonl",
        "marks.json",
        "metrics.jsonl",
        "probes/step-000002.safetensors",
        "run.json",
        "summary.csv",
    ];
    assert_eq!(names, expected);
    let found = files.recorded(Path::new(SOURCE)).expect("a run");
    assert_eq!(format!("{:?}", found.events), format!("{:?}", original.events), "NaN included");
    assert_eq!((&found.header.meta.id, &found.config_toml), (&original.header.meta.id, &original.config_toml));
    assert_eq!(found.header.marks.tags, ["paper"]);
    assert_eq!(files.probe_steps(), [2]);
    assert_eq!(read(&to_bytes(&files).expect("packed"), Path::new(SOURCE)).expect("read"), files);

    let small = read(&pack(&path, false, Vec::new()).expect("packed"), Path::new(SOURCE)).expect("read");
    assert!(!small.by_name.contains_key("checkpoints/best.safetensors") && small.by_name.len() == 7);
}

#[test]
fn an_imported_run_is_a_run_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = recorded(&folder.path().join("from"));
    let bytes = pack(&path, true, Vec::new()).expect("packed");
    let runs_dir = folder.path().join("to");
    let copy = import(bytes.as_slice(), Path::new(SOURCE), &runs_dir).expect("imported");
    assert_eq!(copy.file_name(), path.file_name());
    for name in ["run.json", "metrics.jsonl", "events.jsonl", "summary.csv", "config.toml", "checkpoints/best.safetensors"] {
        assert_eq!(fs::read(copy.join(name)).expect(name), fs::read(path.join(name)).expect(name), "{name}");
    }
    let again = import(bytes.as_slice(), Path::new(SOURCE), &runs_dir).expect_err("it is there").to_string();
    assert!(again.contains("already") && again.contains("runs rm"), "{again}");
    import(&bytes[..bytes.len() / 2], Path::new(SOURCE), &runs_dir).expect_err("truncated");
    assert_eq!(fs::read_dir(&runs_dir).expect("listed").count(), 1, "nothing is left of what failed");
}

#[test]
fn archives_made_by_hand_open_too() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = recorded(folder.path());
    let content = |name: &str| fs::read(path.join(name)).expect(name);
    let names = ["run.json", "config.toml", "metrics.jsonl", "events.jsonl"];
    let contents = names.map(content);
    for prefix in ["", "./", "x/", "./x/"] {
        let paths = names.map(|name| format!("{prefix}{name}"));
        let mut files: Vec<(&str, &[u8])> = paths.iter().map(String::as_str).zip(contents.iter().map(Vec::as_slice)).collect();
        let hidden = format!("{prefix}._run.json");
        files.push((&hidden, b"of a Mac"));
        let found = read(&archive(&files), Path::new(SOURCE)).expect(prefix);
        assert_eq!(found.by_name.len(), 4, "{prefix}");
        found.recorded(Path::new(SOURCE)).expect("a run");
    }
}

#[test]
fn nothing_leaves_the_folder() {
    for path in ["../evil", "x/../../evil", "/etc/evil", "x\\..\\evil", "C:evil", "x//evil", "x/a\nb", "x/.."] {
        let refusal = refusal(&archive(&[(path, b"!")]));
        assert!(refusal.contains("leads out"), "{path}: {refusal}");
    }
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "x/run.json", "/etc/passwd").expect("appended");
    let link = builder.into_inner().and_then(GzEncoder::finish).expect("an archive");
    assert!(refusal(&link).contains("link"), "{}", refusal(&link));
    assert!(refusal(&archive(&[("a/run.json", b"{}"), ("b/run.json", b"{}")])).contains("more than one run"));

    let folder = tempfile::tempdir().expect("a temporary folder");
    let escape = br#"{"schema":1,"id":"../evil","name":"","status":"finished","verdict":"healthy","crash":null,"best":null,
        "final":{"step":0},"params":0,"device":"","versions":{},"seed":0,"data":{"kind":"","hash":""}}"#;
    let runs_dir = folder.path().join("runs");
    let error = import(archive(&[("x/run.json", escape)]).as_slice(), Path::new(SOURCE), &runs_dir).expect_err("a refusal");
    assert!(error.to_string().contains("no name of a folder"), "{error}");
    assert!(!folder.path().join("evil").exists());
}

#[test]
fn limits_hold() {
    let bytes = archive(&[("x/a", &[0; 5000]), ("x/b", &[0; 5000])]);
    let with = |limits| unpack(bytes.as_slice(), Path::new(SOURCE), limits, &mut |_, _| Ok(()));
    with(Limits { files: 2, bytes: 20_000 }).expect("just enough");
    let error = with(Limits { files: 1, bytes: 20_000 }).expect_err("too many").to_string();
    assert!(error.contains("more than 1 files"), "{error}");
    let error = with(Limits { files: 2, bytes: 6_000 }).expect_err("too large").to_string();
    assert!(error.contains("larger than a run may be"), "{error}");
}

#[test]
fn damage_is_named_in_words() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bytes = pack(&recorded(folder.path()), false, Vec::new()).expect("packed");
    for cut in [bytes.len() - 1, bytes.len() / 2, 20] {
        assert!(refusal(&bytes[..cut]).contains("damaged"), "{cut}: {}", refusal(&bytes[..cut]));
    }
    let mut flipped = bytes.clone();
    let middle = bytes.len() / 2;
    flipped[middle] ^= 0x55;
    assert!(refusal(&flipped).contains("damaged"));
    for bytes in [&b""[..], b"PK\x03\x04", b"{}"] {
        assert!(refusal(bytes).contains("not a .vitrun file"), "{}", refusal(bytes));
    }
    assert!(refusal(&archive(&[("x/other", b"")])).contains("no run.json"));
    let mut text = GzEncoder::new(Vec::new(), Compression::fast());
    text.write_all(b"no tar at all").expect("written");
    let text = text.finish().expect("a file");
    assert!(refusal(&text).contains("damaged") || refusal(&text).contains("no run.json"), "{}", refusal(&text));
}
