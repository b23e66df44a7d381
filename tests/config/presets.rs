//! The presets that ship.

use vitrine::config::{Experiment, Sources, load, presets};

use super::{assert_names, config_error};

fn preset(name: &str) -> Experiment {
    load(&Sources { preset: Some(name), ..Sources::default() }).expect(name).experiment
}

#[test]
fn every_preset_loads_and_says_what_it_is_for() {
    let names: Vec<&str> = presets::names().collect();
    assert_eq!(names, ["demo", "demo-patchify", "bench-96x6", "bench-64x4", "deit-small", "deit-small-conv"]);
    for shown in presets::all() {
        preset(shown.name);
        assert!(shown.description().ends_with('.') && shown.description().len() > 20, "{}", shown.name);
        assert_names(shown.text, &["# Source", "# Expected"]);
    }
}

#[test]
fn twins_differ_in_the_stem_alone() {
    let (conv, mut twin) = (preset("demo"), preset("demo-patchify"));
    assert_ne!(conv.model.stem, twin.model.stem);
    assert_eq!(conv.model.stem_geometry().expect("valid").tokens, twin.model.stem_geometry().expect("valid").tokens);
    twin.model.stem = conv.model.stem.clone();
    twin.model.strides = conv.model.strides.clone();
    twin.model.stem_kernels = conv.model.stem_kernels.clone();
    assert_eq!(conv, twin);
}

#[test]
fn the_demo_trains_out_of_the_box() {
    let demo = preset("demo");
    demo.check_for_training().expect("the embedded set is at hand");
    assert_eq!(demo.model.stem_geometry().expect("valid").tokens, 49);
    assert_eq!((demo.train.batch, demo.optim.lr, demo.augment.label_smoothing), (64, 1e-3, 0.1));
}

#[test]
fn sizes_of_the_benchmarks_are_those_they_are_named_for() {
    for (name, dim, depth, heads, batch, tokens) in [
        ("bench-96x6", 96, 6, 3, 128, 64),
        ("bench-64x4", 64, 4, 2, 32, 64),
        ("deit-small", 384, 12, 6, 1024, 196),
        ("deit-small-conv", 384, 12, 6, 1024, 196),
    ] {
        let experiment = preset(name);
        let model = &experiment.model;
        assert_eq!((model.dim, model.depth, model.heads, experiment.train.batch), (dim, depth, heads, batch), "{name}");
        assert_eq!(model.stem_geometry().expect(name).tokens, tokens, "{name}");
    }
}

#[test]
fn unknown_preset_gets_the_nearest_name() {
    let result = load(&Sources { preset: Some("demo-patch"), ..Sources::default() });
    assert_names(&config_error(result), &["--preset: ", "`demo-patch`", "did you mean `demo-patchify`?"]);
}
