//! Dropped files: runs, event files, weights, and what is none of them.

use std::collections::BTreeMap;

use vitrine::dashboard::import::{Imported, read};
use vitrine::dashboard::panels::stem::first_filters;
use vitrine::dashboard::runs::{Metric, Run};
use vitrine::run::files::RunFiles;
use vitrine::run::line::{metric_from_event, note_from_event};
use vitrine::run::tensors::{Tensor, Tensors};
use vitrine::run::tfevents::{At, scalars, version};
use vitrine::run::vitrun;

use super::sample::{self, Sample};

fn files_of(sample: &Sample) -> RunFiles {
    let lines = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>().into_bytes();
    let metrics = lines(sample.events.iter().filter_map(metric_from_event).collect());
    let notes = lines(sample.events.iter().filter(|event| metric_from_event(event).is_none()).map(note_from_event).collect());
    let meta = serde_json::to_vec(&sample.head.meta).expect("plain data");
    let files = [
        ("run.json", meta),
        ("config.toml", sample.head.config_toml.clone().into_bytes()),
        ("metrics.jsonl", metrics),
        ("events.jsonl", notes),
    ];
    RunFiles { by_name: BTreeMap::from(files.map(|(name, bytes)| (name.to_string(), bytes))) }
}

#[test]
fn a_vitrun_file_is_the_run() {
    let crashed = sample::crashed();
    let bytes = vitrun::to_bytes(&files_of(&crashed)).expect("a whole run");
    let Ok(Imported::Run(head, events, _)) = read("a/b/run.vitrun", &bytes) else { panic!("a run") };
    assert_eq!(head.key, crashed.key());
    let state = |events| Run::new(crashed.head.clone(), events, 0.9).state;
    assert_eq!(format!("{:?}", state(&events)), format!("{:?}", state(&crashed.events)));
    for damaged in [&bytes[..bytes.len() / 2], b"not a run at all"] {
        let error = read("run.vitrun", damaged).err().expect("a damaged file is an error").to_string();
        assert!(error.contains("run.vitrun"), "{error}");
    }
}

#[test]
fn event_files_of_tensorboard_have_charts() {
    let mut bytes = version(1.7e9);
    for step in 1..=50i64 {
        bytes.extend(scalars(At { step, wall_secs: 1.7e9 + step as f64 }, &[("Loss/train", 2.3 - 0.01 * step as f64), ("lr", 1e-3)]));
    }
    let Ok(Imported::Run(head, events, _)) = read("events.out.tfevents.1700000000.host", &bytes) else { panic!("a run") };
    let run = Run::new(*head, &events, 0.9);
    assert_eq!(run.num_points(), 50);
    assert!((run.curve(Metric::Loss).raw.get(49).expect("the last step") - 1.8).abs() < 1e-6);
    let empty = read("events.out.tfevents.1", &version(1.7e9)).err().expect("nothing to show").to_string();
    assert!(empty.contains("no series"), "{empty}");
}

#[test]
fn weights_show_the_filters_of_their_stem() {
    let filter = Tensor::floats(&[4, 3, 2, 2], (0..48).map(|ix| ix as f32).collect());
    let other = Tensor::floats(&[2, 3, 5, 5], vec![0.0; 150]);
    let by_name = BTreeMap::from([("backbone.conv.weight".to_string(), other), ("patch_embed.proj.weight".to_string(), filter)]);
    let bytes = Tensors { by_name, about: String::new() }.to_bytes();
    let Ok(Imported::Weights(name, tensors)) = read("vit.safetensors", &bytes) else { panic!("weights") };
    assert_eq!(name, "vit.safetensors");
    let (layer, array) = first_filters(&tensors).expect("it has filters");
    assert_eq!((layer.as_str(), array.shape.as_slice()), ("patch_embed.proj.weight", [4, 3, 2, 2].as_slice()));
}

#[test]
fn foreign_files_are_refused_with_a_hint() {
    let error = read("holiday.jpg", b"\xff\xd8").err().expect("no run").to_string();
    assert!(error.contains("holiday.jpg") && error.contains(".vitrun"), "{error}");
}
