//! Which layer wins, what each value remembers, and the printed config.

use vitrine::config::load::load_for_training;
use vitrine::config::{Sources, load};
use vitrine::error::Error;

use super::{assert_names, config_error, load_sets, load_text};

const FILE: &str = "[optim]\nlr = 0.002\neps = 1e-7\n\n[train]\nbatch = 32\nseed = 2\n";

#[test]
fn stronger_layers_win_and_are_remembered() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("exp.toml");
    std::fs::write(&path, FILE).expect("a temporary file");
    let env = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let resolved = load(&Sources {
        preset: Some("demo"),
        file: Some(&path),
        env: vec![env("VITRINE_OPTIM_LR", "0.003"), env("VITRINE_TRAIN_BATCH", "16"), env("VITRINE_CACHE", "x"), env("HOME", "x")],
        sets: vec!["train.batch=8".into(), "train.seed=4".into(), "train.batch=24".into()],
        flags: vec![("train.seed", "--seed", "5".into())],
    })
    .expect("valid");

    let experiment = &resolved.experiment;
    let origin = |name: &str| resolved.origin[name].as_str();
    assert_eq!((experiment.optim.momentum, origin("optim.momentum")), (0.9, "default"));
    assert_eq!((experiment.model.depth, origin("model.depth")), (4, "preset demo"));
    assert_eq!((experiment.optim.eps, origin("optim.eps")), (1e-7, format!("{}:3", path.display()).as_str()));
    assert_eq!((experiment.optim.lr, origin("optim.lr")), (0.003, "VITRINE_OPTIM_LR"));
    assert_eq!((experiment.train.batch, origin("train.batch")), (24, "--set"), "the last --set wins");
    assert_eq!((experiment.train.seed, origin("train.seed")), (5, "--seed"));
}

#[test]
fn keys_with_underscores_have_variables_too() {
    let sources = Sources { env: vec![("VITRINE_OPTIM_WEIGHT_DECAY".into(), "0.25".into())], ..Sources::default() };
    assert_eq!(load(&sources).expect("valid").experiment.optim.weight_decay, 0.25);
    let sources = Sources { env: vec![("VITRINE_OPTIM_WEIGTH_DECAY".into(), "0.25".into())], ..Sources::default() };
    assert_names(&config_error(load(&sources)), &["VITRINE_OPTIM_WEIGTH_DECAY: ", "did you mean `weight_decay`?"]);
}

#[test]
fn set_takes_texts_numbers_lists_and_truth_values() {
    let sets = [
        "model.stem=1Proj",
        "model.strides=[8]",
        "model.ffn_norm=false",
        "model.ffn='mlp-relu'",
        "data.kind=\"folder\"",
        "data.path=C:\\images=all",
        "optim.lr=1e20",
        "optim.weight_decay=.5",
        "schedule.epochs=3",
        "optim.betas=0.8, 0.9",
        " train.seed = 7 ",
    ];
    let experiment = load_sets(&sets).expect("valid").experiment;
    assert_eq!(experiment.model.stem, "1Proj");
    assert_eq!(experiment.model.strides, [8]);
    assert!(!experiment.model.ffn_norm);
    assert_eq!(experiment.model.ffn, "mlp-relu");
    assert_eq!(experiment.data.kind, "folder");
    assert_eq!(experiment.data.path, "C:\\images=all");
    assert_eq!(experiment.optim.lr, 1e20);
    assert_eq!(experiment.optim.weight_decay, 0.5);
    assert_eq!(experiment.schedule.epochs, 3.0);
    assert_eq!(experiment.optim.betas, [0.8, 0.9]);
    assert_eq!(experiment.train.seed, 7);
}

#[test]
fn mistakes_in_set_name_it() {
    assert_names(&config_error(load_sets(&["model.head=2"])), &["--set model.head: ", "did you mean `heads`?"]);
    assert_names(&config_error(load_sets(&["model.heads=7"])), &["--set model.heads: ", "7 heads", "try 4 or 8"]);
    assert_names(&config_error(load_sets(&["optim.lr=fast"])), &["--set optim.lr: ", "a finite number", "fast"]);
    assert_names(&config_error(load_sets(&["optim.lr=inf"])), &["--set optim.lr: ", "a finite number", "inf"]);
    assert_names(&config_error(load_sets(&["model.ffn_norm=yes"])), &["true or false", "yes"]);
    for (set, hint) in [("optim.lr", "--set optim.lr=1e-3"), ("lr=0.1", "--set optim.lr=0.1")] {
        let error = load_sets(&[set]).expect_err("must be refused");
        assert!(matches!(error, Error::Usage { .. }), "{error:?}");
        assert_eq!(error.exit_code(), 2);
        assert_names(&error.to_string(), &[set, hint]);
    }
}

#[test]
fn mistakes_in_flags_name_the_flag() {
    let sources = Sources { flags: vec![("train.seed", "--seed", "-1".into())], ..Sources::default() };
    assert_names(&config_error(load(&sources)), &["--seed: ", "train.seed", "a whole number, 0 or more", "-1"]);
}

#[test]
fn printed_config_loads_to_the_same_experiment() {
    for preset in vitrine::config::presets::names() {
        let sets = ["optim.lr=1e20", "optim.eps=1e-12", "data.path=a \"b\" \\c#d", "train.seed=9223372036854775807"];
        let sources = Sources { preset: Some(preset), sets: sets.map(String::from).to_vec(), ..Sources::default() };
        let resolved = load(&sources).expect(preset);
        let printed = resolved.print();
        assert_eq!(load_text(&printed).expect(&printed).experiment, resolved.experiment, "{preset}");
        assert_eq!(load_text(&resolved.experiment.to_toml()).expect(preset).experiment, resolved.experiment, "{preset}");
    }
}

#[test]
fn printed_config_states_every_origin() {
    let printed = load_sets(&["model.depth=3"]).expect("valid").print();
    let line_of = |key: &str| printed.lines().find(|line| line.starts_with(&format!("{key} = "))).expect(key);
    assert!(line_of("depth").starts_with("depth = 3 ") && line_of("depth").ends_with(" # from --set"), "{printed}");
    assert!(line_of("strides").ends_with(" # from default of the stem"), "{printed}");
    let values = printed.lines().filter(|line| line.contains(" = "));
    for line in values {
        assert!(line.contains(" # from "), "no origin: {line}");
    }
}

#[test]
fn a_stem_set_later_brings_its_strides_along() {
    let with_demo = |sets: &[&str]| {
        let sets = sets.iter().map(|set| set.to_string()).collect();
        load(&Sources { preset: Some("demo"), sets, ..Sources::default() })
    };
    let twin = with_demo(&["model.stem=1Proj"]).expect("valid");
    assert_eq!((twin.experiment.model.strides, twin.experiment.model.stem_kernels), (vec![4], vec![4]));
    assert_eq!(twin.origin["model.strides"], "--set (follows model.stem)");
    let same_family = with_demo(&["model.stem=3Conv+1Proj"]).expect("valid").experiment.model;
    assert_eq!((same_family.strides, same_family.stem_kernels), (vec![2, 1, 1, 2], vec![7, 3, 3, 2]));

    let sources = Sources { preset: Some("demo-patchify"), sets: vec!["model.stem=3Conv+1Proj".into()], ..Sources::default() };
    let back = load(&sources).expect("valid").experiment.model;
    assert_eq!((back.strides, back.stem_kernels), (vec![2, 1, 1, 2], vec![7, 3, 3, 2]));

    // Strides set together with the stem are the user's word.
    assert_names(&config_error(with_demo(&["model.stem=1Proj", "model.strides=[2,1,1,2]"])), &["takes 1 strides"]);
}

#[test]
fn training_needs_a_path_and_the_classes_of_the_set() {
    let sources = |sets: &[&str]| Sources { sets: sets.iter().map(|set| set.to_string()).collect(), ..Sources::default() };
    load(&sources(&["data.kind=cifar10"])).expect("trace and bench need no images");
    let text = config_error(load_for_training(&sources(&["data.kind=cifar10"])));
    assert_names(&text, &["--set", "cifar10", "--data-path PATH"]);
    let text = config_error(load_for_training(&sources(&["data.kind=cifar100", "data.path=x"])));
    assert_names(&text, &["cifar100 has 100 classes, the model has 10", "model.num_classes=100"]);
    load_for_training(&sources(&["data.kind=folder", "data.path=x", "model.num_classes=7"])).expect("a folder may have any classes");
    load_for_training(&sources(&[])).expect("the embedded set needs no path");
}
