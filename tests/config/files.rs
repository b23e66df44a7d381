//! What a file may hold, and how a mistake in it is reported.

use std::path::Path;

use vitrine::config::{Sources, load};
use vitrine::error::Error;

use super::{assert_names, config_error, golden_config, load_text};

#[test]
fn reference_configs_load() {
    for (case, strides, kernels) in [
        ("vit_conv_full", vec![2, 1, 1, 8], vec![7, 3, 3, 8]),
        ("vit_conv_full_sam", vec![2, 1, 1, 8], vec![7, 3, 3, 8]),
        ("vit_conv_strides2222", vec![2, 2, 2, 2], vec![7, 3, 3, 8]),
        ("vit_ffn_conv1d_bn", vec![8], vec![8]),
        ("vit_patchify", vec![8], vec![8]),
    ] {
        let path = golden_config(case);
        let resolved = load(&Sources { file: Some(&path), ..Sources::default() }).expect(case);
        let model = &resolved.experiment.model;
        assert_eq!((model.dim, model.depth, model.heads), (32, 2, 2), "{case}");
        assert_eq!(model.strides, strides, "{case}");
        assert_eq!(model.stem_kernels, kernels, "{case}");
        assert_eq!(resolved.experiment.optim.betas, [0.9, 0.999], "{case}: unnamed keys keep their built-in value");
    }
}

#[test]
fn unknown_key_names_line_and_nearest_key() {
    let text = config_error(load_text("[model]\ndim = 64\n\n# a remark\nhaeds = 4\n"));
    assert_names(&text, &["exp.toml:5: ", "`haeds`", "[model]", "did you mean `heads`?"]);
}

#[test]
fn key_of_another_section_is_sent_home() {
    let text = config_error(load_text("[train]\nlr = 0.1\n"));
    assert_names(&text, &["exp.toml:2: ", "`lr` belongs to [optim]"]);
    let text = config_error(load_text("batch = 3\n"));
    assert_names(&text, &["exp.toml:1: ", "it belongs under [train]"]);
}

#[test]
fn unknown_section_names_line_and_nearest_section() {
    let text = config_error(load_text("\n[modle]\ndim = 64\n"));
    assert_names(&text, &["exp.toml:2: ", "[modle]", "did you mean [model]?"]);
    let text = config_error(load_text("model = 3\n"));
    assert_names(&text, &["exp.toml:1: ", "[model] is a section"]);
}

#[test]
fn wrong_type_says_what_was_expected_and_found() {
    for (line, parts) in [
        ("dim = \"wide\"", ["model.dim", "a whole number", "the text `\"wide\"`"]),
        ("dim = -4", ["model.dim", "a whole number, 0 or more", "-4"]),
        ("dim = 64.0", ["model.dim", "a whole number", "64.0"]),
        ("mlp_ratio = true", ["model.mlp_ratio", "a finite number", "the truth value `true`"]),
        ("mlp_ratio = nan", ["model.mlp_ratio", "a finite number", "NaN"]),
        ("drop_path = -inf", ["model.drop_path", "a finite number", "-inf"]),
        ("stem = 3", ["model.stem", "a text", "3"]),
        ("strides = 4", ["model.strides", "a list of numbers", "4"]),
        ("strides = [4.5]", ["model.strides", "a list of numbers", "[4.5]"]),
        ("ffn_norm = 1", ["model.ffn_norm", "true or false", "1"]),
    ] {
        let text = config_error(load_text(&format!("[model]\n{line}\n")));
        assert_names(&text, &["exp.toml:2: "]);
        assert_names(&text, &parts);
    }
    let text = config_error(load_text("[optim]\nbetas = [0.9]\n"));
    assert_names(&text, &["exp.toml:2: ", "optim.betas", "a list of 2 numbers"]);
}

#[test]
fn whole_numbers_serve_where_fractions_may_stand() {
    let resolved = load_text("[model]\nmlp_ratio = 2\n[augment]\nmean = [0, 0, 0]\nstd = [1, 1, 1]\n").expect("valid");
    assert_eq!(resolved.experiment.model.mlp_ratio.to_bits(), 2f64.to_bits());
    assert_eq!(resolved.experiment.augment.std, [1.0; 3]);
}

#[test]
fn impossible_value_names_the_line_of_the_guilty_key() {
    let text = config_error(load_text("[model]\ndim = 64\n\nheads = 7\n"));
    assert_names(&text, &["exp.toml:4: model.heads", "width 64 is not divisible by 7 heads", "try 4 or 8"]);
    // Here the width is the user's and the heads are built in.
    let text = config_error(load_text("[model]\n\ndim = 33\n"));
    assert_names(&text, &["exp.toml:3: model.dim", "width 33 is not divisible by 2 heads", "try 1 or 3"]);
}

#[test]
fn broken_toml_names_the_line() {
    assert_names(&config_error(load_text("[model]\ndim = 6 4\n")), &["exp.toml:2: "]);
    assert_names(&config_error(load_text("[model]\ndim = 64\ndim = 32\n")), &["exp.toml:3: "]);
    assert_names(&config_error(load_text("[train]\nseed = 99999999999999999999\n")), &["exp.toml:2: "]);
}

#[test]
fn unreadable_file_is_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let binary = folder.path().join("image.toml");
    std::fs::write(&binary, [b'a', 0xff, 0xfe]).expect("a temporary file");
    for (path, reason) in
        [(Path::new("no/such/exp.toml"), "cannot be read"), (folder.path(), "cannot be read"), (&binary, "byte 1 is not UTF-8")]
    {
        let error = load(&Sources { file: Some(path), ..Sources::default() }).expect_err("must be refused");
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        assert_eq!(error.exit_code(), 3);
        assert_names(&error.to_string(), &[&path.display().to_string(), reason]);
    }
}

#[test]
fn empty_file_is_the_built_in_experiment() {
    let resolved = load_text("").expect("valid");
    assert_eq!(resolved.experiment.model.strides, [2, 1, 1, 8]);
    assert_eq!(resolved.origin["model.dim"], "default");
}
