//! Probes of a session: when they come, and which of them have maps.

use std::path::Path;
use std::sync::mpsc::channel;

use vitrine::config::{Experiment, Sources, load};
use vitrine::platform::Wait as _;
use vitrine::run::event::Event;
use vitrine::run::probe::ProbeFile;
use vitrine::train::probe::fixed::maps_every;
use vitrine::train::session::{DeviceChoice, Request, Start, run};

/// A few steps of a small model; (steps with a probe, steps whose file has maps).
fn probes(sets: &[&str], steps: u64) -> (Vec<u64>, Vec<u64>) {
    let folder = tempfile::tempdir().expect("a folder");
    let model = ["model.image_size=8", "model.dim=16", "model.depth=1", "model.stem_width=4"];
    let others = ["data.kind=random", "train.batch=8", "probe.images=3"];
    let sets = model.iter().chain(&others).chain(sets).map(|set| set.to_string()).collect();
    let request = Request {
        resolved: load(&Sources { preset: Some("demo"), sets, ..Sources::default() }).expect("a good config"),
        name: "test".into(),
        runs_dir: folder.path().to_path_buf(),
        max_steps: Some(steps),
        start: Start::Fresh,
        device: DeviceChoice::Cpu,
        adapter: None,
    };
    let (_sender, commands) = channel();
    let mut told = Vec::new();
    let mut keep = |event: &Event| {
        if let Event::Probe(probe) = event {
            told.push(probe.clone());
        }
    };
    let run_dir = run(&request, &commands, &mut keep).wait().expect("a session").run_dir;
    let mut with_maps = Vec::new();
    for probe in &told {
        let path = run_dir.join(format!("probes/step-{:06}.safetensors", probe.step));
        let file = ProbeFile::from_bytes(&std::fs::read(&path).expect("a probe file"), Path::new("probe")).expect("a whole file");
        assert_eq!(file.cossim.len(), 3);
        // Stem, tokens, attention, feed-forward, head; nothing has moved before the first step.
        assert_eq!(probe.updates.len(), if probe.step == 0 { 0 } else { 5 });
        assert!(probe.updates.iter().all(|&ratio| ratio > 0.0 && ratio < 1.0), "{:?}", probe.updates);
        if let Some(maps) = file.maps {
            assert_eq!((maps.step, maps.stages.len(), maps.groups.is_empty()), (probe.step, 10, probe.step == 0));
            assert!(maps.groups.iter().all(|group| group.weight_norm > 0.0 && group.update_norm > 0.0), "{:?}", maps.groups);
            with_maps.push(probe.step);
        }
    }
    with_maps.dedup();
    let mut steps: Vec<u64> = told.iter().map(|probe| probe.step).collect();
    steps.dedup();
    (steps, with_maps)
}

#[test]
fn some_probes_have_maps() {
    assert_eq!(probes(&["probe.every=2", "probe.maps_every=4"], 7), (vec![0, 2, 4, 6, 7], vec![0, 4, 7]));
    assert_eq!(probes(&["probe.every=3", "probe.maps=0"], 4), (vec![0, 3, 4], vec![]));
    assert_eq!(probes(&["probe.every=0"], 2), (vec![2], vec![2]));
}

#[test]
fn maps_left_open_come_about_twelve_times() {
    let every = |probe_every: usize, maps: usize, total: u64| {
        let mut experiment = Experiment::default();
        (experiment.probe.every, experiment.probe.maps_every) = (probe_every, maps);
        maps_every(&experiment, total)
    };
    assert_eq!(every(150, 0, 1500), 150);
    assert_eq!(every(100, 0, 375_000), 31_300);
    assert_eq!(every(0, 0, 1500), 0);
    assert_eq!(every(10, 30, 1500), 30);
}

#[test]
fn maps_between_probes_are_refused() {
    let refused = |sets: [&str; 2]| {
        let sets = sets.map(str::to_string).to_vec();
        load(&Sources { sets, ..Sources::default() }).expect_err("an impossible pair").to_string()
    };
    let complaint = refused(["probe.every=100", "probe.maps_every=150"]);
    assert!(complaint.contains("maps_every is 150") && complaint.contains("100"), "{complaint}");
    assert!(refused(["probe.maps=17", "probe.every=1"]).contains("probe.maps is 17"));
}
