//! The presets that ship.

use vitrine::config::{Experiment, Sources, load, presets};

use super::{assert_names, config_error};

fn preset(name: &str) -> Experiment {
    load(&Sources { preset: Some(name), ..Sources::default() }).expect(name).experiment
}

#[test]
fn every_preset_loads_and_says_what_it_is_for() {
    let names: Vec<&str> = presets::names().collect();
    let own = ["demo", "demo-patchify", "bench-96x6", "bench-64x4", "cifar10", "cifar10-conv"];
    let deit = ["deit-tiny", "deit-tiny-conv", "deit-small", "deit-small-conv", "deit-base", "deit-base-conv"];
    assert!(own.iter().chain(&deit).all(|name| names.contains(name)), "{names:?}");
    for shown in presets::all() {
        preset(shown.name);
        assert!(shown.description().ends_with('.') && shown.description().len() > 20, "{}", shown.name);
        assert_names(shown.text, &["# Source", "# Expected"]);
    }
}

#[test]
fn twins_differ_in_the_stem_alone() {
    let twins = [
        ("demo", "demo-patchify"),
        ("cifar10-conv", "cifar10"),
        ("deit-tiny-conv", "deit-tiny"),
        ("deit-small-conv", "deit-small"),
        ("deit-base-conv", "deit-base"),
    ];
    for (conv, twin) in twins.map(|(conv, twin)| (preset(conv), preset(twin))) {
        assert_ne!(conv.model.stem, twin.model.stem);
        assert_eq!(conv.model.stem_geometry().expect("valid").tokens, twin.model.stem_geometry().expect("valid").tokens);
        let mut model = twin.model.clone();
        model.stem = conv.model.stem.clone();
        model.strides = conv.model.strides.clone();
        model.stem_kernels = conv.model.stem_kernels.clone();
        assert_eq!(conv, Experiment { model, ..twin });
    }
}

/// The paper, section 5.1: every number of the recipe, as the six presets have it.
#[test]
fn the_deit_presets_have_the_recipe_in_full() {
    for (name, dim, heads) in [("deit-tiny", 192, 3), ("deit-small", 384, 6), ("deit-base", 768, 12)] {
        for name in [name.to_string(), format!("{name}-conv")] {
            let Experiment { model, augment, optim, schedule, train, .. } = preset(&name);
            assert_eq!((model.image_size, model.num_classes, model.depth), (224, 1000, 12));
            assert_eq!((model.dim, model.heads, model.drop_path), (dim, heads, 0.1));
            assert_eq!(augment.random_resized_crop, [0.08, 1.0]);
            assert_eq!((augment.hflip, augment.color_jitter, augment.random_erasing), (0.5, 0.0, 0.25));
            assert_eq!(augment.rand_augment, "rand-m9-mstd0.5-inc1");
            assert_eq!((augment.mixup, augment.cutmix, augment.mixup_prob, augment.mixup_switch_prob), (0.8, 1.0, 1.0, 0.5));
            assert_eq!((augment.label_smoothing, augment.repeats), (0.1, 3));
            assert_eq!((optim.lr, optim.lr_per, optim.weight_decay, optim.betas, optim.eps), (5e-4, 512, 0.05, [0.9, 0.999], 1e-8));
            assert_eq!((optim.clip_grad, optim.peak_lr(train.batch)), (0.0, 1e-3));
            assert_eq!((schedule.kind.as_str(), schedule.epochs, schedule.warmup_epochs), ("deit", 300.0, 5.0));
            assert_eq!((schedule.warmup_lr, schedule.min_lr), (1e-6, 1e-5));
            assert_eq!((train.batch, train.micro_batch, train.ema), (1024, 128, 0.99996));
        }
    }
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
