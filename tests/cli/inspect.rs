//! `inspect`: the files it writes, what it prints, what it refuses.

use std::path::Path;

use serde_json::Value;
use vitrine::run::palette::NOT_FINITE;
use vitrine::run::probe::ProbeFile;
use vitrine::run::tensors::{Numbers, Tensors};

use super::{vitrine, vitrine_in};

/// A run of three steps on noise of 8 pixels a side.
fn train(folder: &Path) {
    let model = ["model.image_size=8", "model.dim=16", "model.depth=2", "model.stem_width=4"];
    let others = ["data.kind=random", "train.batch=8", "probe.images=4", "probe.every=0"];
    let sets = model.iter().chain(&others).flat_map(|set| ["--set", set]);
    let arguments: Vec<&str> = ["train", "--device", "cpu", "--quiet", "--max-steps", "3"].into_iter().chain(sets).collect();
    vitrine_in(folder, &arguments).done();
}

fn rows(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join(name)).expect("a table");
    text.lines().map(|line| line.split(',').map(str::to_string).collect()).collect()
}

#[test]
fn a_run_is_looked_into() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    train(folder.path());
    let line = vitrine_in(folder.path(), &["inspect", "--run", "last", "--out", "look", "--device", "cpu", "--json"]).done();
    let summary: Value = serde_json::from_str(&line).expect("one JSON object");
    assert_eq!(summary["stages"].as_array().map(Vec::len), Some(10), "{line}");
    assert_eq!(summary["theorem1"]["weight"], "patch_embed.proj.weight");
    let out = folder.path().join("look");

    let listed: Vec<String> =
        summary["files"].as_array().expect("files").iter().map(|name| name.as_str().expect("a name").into()).collect();
    let mut found: Vec<String> = std::fs::read_dir(&out)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    found.sort();
    let mut sorted = listed.clone();
    sorted.sort();
    assert_eq!(found, sorted);
    let page = std::fs::read_to_string(out.join("index.html")).expect("the page");
    for name in listed.iter().filter(|name| *name != "index.html") {
        assert!(page.contains(&format!("\"{name}\"")), "the page does not show {name}");
    }
    for (name, sides) in
        [("filters.png", (398, 98)), ("images.png", (194, 96)), ("attention-0.png", (194, 194)), ("rollout-1.png", (194, 96))]
    {
        let picture = image::open(out.join(name)).expect("a picture");
        assert_eq!((picture.width(), picture.height()), sides, "{name}");
    }

    let probe =
        ProbeFile::from_bytes(&std::fs::read(out.join("probe.safetensors")).expect("the probe"), Path::new("probe")).expect("whole");
    let similarity = rows(&out, "similarity.csv");
    assert_eq!(similarity[0], ["layer", "name", "cossim"]);
    let written: Vec<f32> = similarity[1..].iter().map(|row| row[2].parse().expect("a number")).collect();
    assert_eq!(written, probe.cossim);
    // Four channels in nine stages, sixteen in the projection, and the head.
    assert_eq!(rows(&out, "stem.csv").len(), 9 * 4 + 16 + 1);
    assert_eq!(rows(&out, "theorem1.csv").len(), 4 + 1);
    assert_eq!(rows(&out, "theorem2.csv").len(), 10 * 2 + 1);
    assert_eq!(rows(&out, "attention.csv").len(), 2 * 2 + 1);
    assert_eq!(rows(&out, "rollout.csv").len(), 2 * 4 + 1);
    for table in ["stem.csv", "theorem1.csv", "theorem2.csv", "attention.csv", "rollout.csv", "similarity.csv"] {
        let rows = rows(&out, table);
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{table}");
    }

    // An older look is replaced, and the terminal hears of stem, theorem and similarity.
    let text = vitrine_in(folder.path(), &["inspect", "--run", "last", "--out", "look", "--device", "cpu"]).done();
    for word in ["patch_embed.conv.6", "channels dead", "theorem 1", "block 1", "index.html"] {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
}

#[test]
fn pictures_of_ones_own_are_looked_at() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    train(folder.path());
    let picture = image::RgbImage::from_fn(60, 40, |x, _| image::Rgb([if x < 30 { 250 } else { 10 }; 3]));
    picture.save(folder.path().join("half.png")).expect("a picture");
    let arguments = ["inspect", "--run", "last", "--out", "look", "--device", "cpu", "--json", "--images", "half.png", "half.png"];
    let line = vitrine_in(folder.path(), &arguments).done();
    let summary: Value = serde_json::from_str(&line).expect("one JSON object");
    assert_eq!(summary["shown"], serde_json::json!(["half.png", "half.png"]));
    let bytes = std::fs::read(folder.path().join("look/probe.safetensors")).expect("the probe");
    let maps = ProbeFile::from_bytes(&bytes, Path::new("probe")).expect("whole").maps.expect("maps");
    // White on the left and black on the right.
    assert_eq!((maps.num_images, maps.side, maps.labels), (2, 8, vec![-1, -1]));
    assert!(maps.images[0] > 240 && maps.images[7 * 3] < 20);
}

#[test]
fn weights_that_are_not_finite_are_shown_as_such() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    train(folder.path());
    let run = std::fs::read_dir(folder.path().join("runs")).expect("runs").next().expect("a run").expect("an entry").path();
    let path = run.join("checkpoints/last.safetensors");
    let mut weights = Tensors::read(&path).expect("weights");
    let bias = weights.by_name.get_mut("patch_embed.proj.bias").expect("a bias");
    bias.numbers = Numbers::F32(vec![f32::NAN; 16]);
    weights.write(&run.join("checkpoints/broken.safetensors")).expect("weights");
    let broken = run.join("checkpoints/broken.safetensors").display().to_string();
    let line = vitrine_in(folder.path(), &["inspect", "--weights", &broken, "--out", "look", "--device", "cpu", "--json"]).done();
    let summary: Value = serde_json::from_str(&line).expect("one JSON object");
    assert_eq!(summary["cossim"][0], "NaN");
    assert_eq!(summary["stages"][9]["operator_norm"], "NaN");
    assert!(summary["stages"][8]["operator_norm"].as_f64() > Some(0.0), "{line}");
    let out = folder.path().join("look");
    assert_eq!(rows(&out, "similarity.csv")[1][2], "NaN");
    let marked = image::open(out.join("similarity-0.png")).expect("a picture").into_rgb8();
    assert_eq!(marked.get_pixel(5, 5).0, NOT_FINITE);
}

#[test]
fn what_cannot_be_looked_at_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let call = |arguments: &[&str]| vitrine_in(folder.path(), &[&["inspect", "--device", "cpu"], arguments].concat());
    call(&["--out", "look"]).refused(2, &["--weights"]);
    call(&["--run", "none"]).refused(2, &["--out"]);
    call(&["--run", "none", "--out", "look"]).refused(2, &["none"]);
    call(&["--weights", "none.safetensors", "--out", "look"]).refused(3, &["none.safetensors"]);
    std::fs::write(folder.path().join("other.safetensors"), "not it").expect("a file");
    call(&["--weights", "other.safetensors", "--out", "look"]).refused(3, &["other.safetensors", "safetensors"]);
    call(&["--weights", "other.safetensors", "--out", "other.safetensors"]).refused(2, &["is a file"]);
    std::fs::create_dir(folder.path().join("full")).expect("a folder");
    std::fs::write(folder.path().join("full/letter.txt"), "keep me").expect("a file");
    call(&["--weights", "other.safetensors", "--out", "full"]).refused(2, &["not empty"]);
    train(folder.path());
    std::fs::write(folder.path().join("cat.jpg"), "no picture").expect("a file");
    call(&["--run", "last", "--out", "look", "--images", "cat.jpg"]).refused(3, &["cat.jpg", "JPEG"]);
    call(&["--run", "last", "--out", "look", "--set", "model.dim=32"]).refused(3, &["wrong shape"]);
    assert!(!folder.path().join("look").exists(), "a refused look leaves nothing behind");
    assert!(vitrine(&["inspect", "--help"]).done().contains("index.html"));
}
