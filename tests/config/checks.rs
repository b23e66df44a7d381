//! Every impossible value or combination is refused with its numbers.

use vitrine::config::Experiment;
use vitrine::error::Error;

use super::{assert_names, config_error, load_sets};

/// Each must be refused on the last of its settings, with these words.
const REFUSED: &[(&[&str], &[&str])] = &[
    (&["model.arch=vot"], &["model.arch", "vot", "\"vit\""]),
    (&["model.image_size=0"], &["model.image_size is 0"]),
    (&["model.image_size=100000"], &["model.image_size is 100000", "8192"]),
    (&["model.num_classes=1"], &["model.num_classes is 1", "between 2"]),
    (&["model.dim=0"], &["model.dim is 0"]),
    (&["model.depth=0"], &["model.depth is 0"]),
    (&["model.heads=0"], &["model.heads is 0"]),
    (&["model.heads=128"], &["width 64", "128 heads", "try 64"]),
    (&["model.stem_width=0"], &["model.stem_width is 0"]),
    (&["model.mlp_ratio=0.01"], &["feed-forward: width 64 × ratio 0.01"]),
    (&["model.stem_activation=rleu"], &["did you mean \"relu\"?"]),
    (&["model.ffn=conv1d-bn"], &["did you mean \"conv1d-bn-gelu\"?"]),
    (&["model.drop_path=1"], &["model.drop_path is 1.0", "below 1"]),
    (&["model.stem=3Conv+3BN+3ReLU"], &["3Conv+3BN+3ReLU", "did you mean `3Conv+3BN+3ReLU+1Proj`?"]),
    (&["model.stem=resnet"], &["unknown stem `resnet`", "1Proj+1BN+1ReLU"]),
    (&["data.kind=cifar-10"], &["did you mean \"cifar10\"?"]),
    (&["data.fraction=0"], &["data.fraction is 0.0"]),
    (&["data.fraction=1.5"], &["data.fraction is 1.5"]),
    (&["train.batch=0"], &["train.batch is 0"]),
    (&["train.batch=100", "train.micro_batch=30"], &["micro-batch 30 does not divide batch 100", "try 25"]),
    (&["train.loss_scale=0.5"], &["train.loss_scale is 0.5", "65536"]),
    (&["train.loss_scale_every=0"], &["train.loss_scale_every is 0"]),
    (&["train.precision=f64"], &["train.precision cannot be \"f64\""]),
    (&["train.ema=1"], &["train.ema is 1.0"]),
    (&["train.on_crash=stopp"], &["did you mean \"stop\"?"]),
    (&["train.eval_every=0"], &["train.eval_every is 0.0"]),
    (&["augment.pad_crop=33"], &["augment.pad_crop is 33", "32"]),
    (&["augment.hflip=1.1"], &["augment.hflip is 1.1"]),
    (&["augment.mixup=-1"], &["augment.mixup is -1.0"]),
    (&["augment.cutmix=-1"], &["augment.cutmix is -1.0"]),
    (&["augment.label_smoothing=1"], &["augment.label_smoothing is 1.0"]),
    (&["augment.mixup=0.8", "train.batch=5"], &["augment.mixup", "train.batch 5 is odd"]),
    (&["train.batch=6", "augment.cutmix=1", "train.micro_batch=3"], &["augment.cutmix", "train.micro_batch 3 is odd"]),
    (&["augment.random_resized_crop=[0.5,0.2]"], &["augment.random_resized_crop [0.5, 0.2]", "[0.08, 1.0]"]),
    (&["augment.random_resized_crop=[0,1]"], &["augment.random_resized_crop [0.0, 1.0]"]),
    (&["augment.pad_crop=4", "augment.random_resized_crop=true"], &["augment.pad_crop 4", "both move"]),
    (&["augment.rand_augment=m9"], &["\"m9\"", "begin with \"rand\"", "rand-m9-mstd0.5-inc1"]),
    (&["augment.rand_augment=rand-m11"], &["\"m11\"", "from 0 to 10"]),
    (&["augment.rand_augment=rand-n1.5"], &["\"n1.5\"", "a whole number"]),
    (&["augment.rand_augment=rand-w0"], &["\"w0\"", "m, mstd, n, inc, p"]),
    (&["augment.color_jitter=2"], &["augment.color_jitter is 2.0"]),
    (&["augment.random_erasing=-0.1"], &["augment.random_erasing is -0.1"]),
    (&["augment.mixup_prob=1.5"], &["augment.mixup_prob is 1.5"]),
    (&["augment.mixup_switch_prob=-1"], &["augment.mixup_switch_prob is -1.0"]),
    (&["augment.repeats=0"], &["augment.repeats is 0"]),
    (&["augment.mean=[0.5]"], &["augment.mean", "1 numbers", "3 channels"]),
    (&["augment.mean=[0.5,0.5,0.5]"], &["mean", "std", "both or neither"]),
    (&["augment.mean=[0.5,0.5,0.5]", "augment.std=[0.5,0,0.5]"], &["augment.std", "0.0"]),
    (&["optim.kind=adam"], &["did you mean \"adamw\"?"]),
    (&["optim.lr=-1"], &["optim.lr is -1.0"]),
    (&["optim.lr=1e39"], &["optim.lr is 1e39"]),
    (&["optim.lr_per=1", "optim.lr=1e38"], &["1e38", "128", "overflows"]),
    (&["optim.betas=[0.9,1]"], &["optim.betas is 1.0"]),
    (&["optim.eps=0"], &["optim.eps is 0.0"]),
    (&["optim.momentum=1"], &["optim.momentum is 1.0"]),
    (&["optim.weight_decay=-0.1"], &["optim.weight_decay is -0.1"]),
    (&["optim.clip_grad=-1"], &["optim.clip_grad is -1.0"]),
    (&["optim.sam_rho=-0.05"], &["optim.sam_rho is -0.05"]),
    (&["schedule.kind=cosin"], &["did you mean \"cosine\"?"]),
    (&["schedule.epochs=0"], &["schedule.epochs is 0.0"]),
    (&["schedule.warmup_epochs=-1"], &["schedule.warmup_epochs is -1.0"]),
    (&["schedule.warmup_lr=-1"], &["schedule.warmup_lr is -1.0"]),
    (&["schedule.min_lr=-1"], &["schedule.min_lr is -1.0"]),
    (&["probe.images=0"], &["probe.images is 0"]),
    (&["crash.window=1"], &["crash.window is 1"]),
    (&["crash.diverged_steps=0"], &["crash.diverged_steps is 0"]),
    (&["crash.spike_mads=-1"], &["crash.spike_mads is -1.0"]),
    (&["crash.collapsed_class_frac=2"], &["crash.collapsed_class_frac is 2.0"]),
    (&["crash.collapsed_high=0.5"], &["0.97 to 0.5 of ln K, is empty"]),
];

#[test]
fn impossible_settings_are_refused_where_they_were_made() {
    for (sets, parts) in REFUSED {
        let text = config_error(load_sets(sets));
        let guilty = sets.last().and_then(|set| set.split('=').next()).expect("a setting");
        let blamed = text.strip_prefix(&format!("--set {guilty}"));
        assert!(blamed.is_some_and(|rest| rest.starts_with([':', ' '])), "{guilty} is not blamed: {text}");
        assert_names(&text, parts);
    }
}

#[test]
fn limits_themselves_are_accepted() {
    for set in [
        "optim.lr=0",
        "optim.lr=1e20",
        "data.fraction=1",
        "augment.hflip=1",
        "augment.pad_crop=32",
        "model.heads=64",
        "schedule.warmup_epochs=0",
        "schedule.epochs=0.01",
        "train.micro_batch=128",
        "probe.every=0",
    ] {
        load_sets(&[set]).expect(set);
    }
}

#[test]
fn batch_norm_needs_two_rows() {
    let one_token = ["train.batch=1", "model.stem=1Proj+1BN+1ReLU", "model.strides=[32]"];
    assert_names(&config_error(load_sets(&one_token)), &["patch_embed.proj", "1 row", "at least 2"]);
    let four_tokens = ["train.batch=1", "model.stem=1Proj+1BN+1ReLU", "model.strides=[16]"];
    load_sets(&four_tokens).expect("four rows");
    let without_norm = ["train.batch=1", "model.stem=1Proj", "model.strides=[32]"];
    load_sets(&without_norm).expect("no BatchNorm");
    let narrow = ["train.batch=1", "model.image_size=2", "model.strides=[2,1,1,1]", "model.stem_kernels=[7,3,3,1]"];
    assert_names(&config_error(load_sets(&narrow)), &["patch_embed.conv.0", "1 row"]);
    // The class token is a row too, so the feed-forward part always has two.
    load_sets(&["train.batch=1", "model.stem=1Proj", "model.strides=[32]", "model.ffn=conv1d-bn-gelu"]).expect("two rows");
}

#[test]
fn experiments_made_in_code_are_checked_too() {
    let mut experiment = Experiment::default();
    experiment.check().expect("the built-in experiment is possible");
    experiment.model.heads = 5;
    let error = experiment.check().expect_err("must be refused");
    assert!(matches!(error, Error::Config { .. }));
    assert_names(&error.to_string(), &["model.heads: ", "width 64 is not divisible by 5 heads", "try 4 or 8"]);

    let mut experiment = Experiment::default();
    experiment.optim.lr = f64::NAN;
    assert_names(&experiment.check().expect_err("must be refused").to_string(), &["optim.lr is NaN"]);
    let mut experiment = Experiment::default();
    experiment.train.seed = u64::MAX;
    assert_names(&experiment.check().expect_err("must be refused").to_string(), &["train.seed", "18446744073709551615"]);
}

#[test]
fn the_kinds_of_sets_are_those_that_can_be_read() {
    let text = config_error(load_sets(&["data.kind=?"]));
    let (_, list) = text.split_once("use one of ").expect("the kinds are listed");
    let listed: Vec<&str> = list.split(", ").map(|name| name.trim_matches('"')).collect();
    let readable: Vec<&str> = vitrine::data::KINDS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, readable);
}

#[test]
fn resized_crops_can_be_written_in_every_way_one_would_try() {
    for (text, expected) in [
        ("true", vec![0.08, 1.0]),
        ("false", vec![]),
        ("[]", vec![]),
        ("0", vec![]),
        ("0.3", vec![0.3, 1.0]),
        ("[0.4, 1]", vec![0.4, 1.0]),
        ("0.4, 0.9", vec![0.4, 0.9]),
    ] {
        let sets = format!("augment.random_resized_crop={text}");
        let found = load_sets(&[sets.as_str()]).expect(text).experiment;
        assert_eq!(found.augment.random_resized_crop, expected, "{text}");
    }
}
