//! Weights for timm: the state dict and the Python that builds its model.
//!
//! `check_timm.py` runs that Python with timm and holds its logits against those of `tests/golden`. Here
//! the Python is held against the copies that the script has run.

use std::fs;

use vitrine::config::{Sources, load};
use vitrine::model::vit;
use vitrine::run::tensors::Tensors;
use vitrine::train::timm::export;
use vitrine::train::weights;

use super::pth::file;
use crate::train::golden::case;

/// Golden cases whose models differ.
const CASES: [&str; 4] = ["vit_patchify", "vit_conv_full", "vit_conv_strides2222", "vit_ffn_conv1d_bn"];

fn exported(name: &str, sets: &[&str]) -> vitrine::error::Result<(Tensors, String)> {
    let config = case(name).join("config.toml");
    let sets = sets.iter().map(|set| set.to_string()).collect();
    let model = load(&Sources { file: Some(&config), sets, ..Sources::default() }).expect("a good config").experiment.model;
    let path = case(name).join("weights.safetensors");
    let exported = export(Tensors::read(&path).expect("weights"), &model, &path)?;
    Ok((exported.tensors, exported.python))
}

#[test]
fn the_python_is_what_was_run_with_timm() {
    for name in CASES {
        let (_, python) = exported(name, &[]).expect(name);
        let path = file(&format!("timm/{name}.py"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &python).expect("written");
        }
        let committed = fs::read_to_string(&path).expect("the copy that was run");
        assert_eq!(python, committed, "{name}: run tests/interop/check_timm.py on the new text, with UPDATE_GOLDEN=1 here before");
    }
    let (_, python) = exported("vit_patchify", &["model.ffn=mlp-relu"]).expect("weights of the same names");
    assert!(python.contains("act_layer=nn.ReLU"), "{python}");
}

#[test]
fn the_state_dict_is_clean_and_comes_back() {
    for name in CASES {
        let path = case(name).join("weights.safetensors");
        let original = Tensors::read(&path).expect("weights");
        let (tensors, _) = exported(name, &[]).expect(name);
        assert!(tensors.about.is_empty() && tensors.by_name.keys().eq(original.by_name.keys()), "{name}");
        assert!(
            tensors.by_name.values().all(|tensor| tensor.shape.len() != 3 || tensor.shape[0] == 1),
            "{name}: a linear layer has two sides"
        );
        let config = case(name).join("config.toml");
        let model = load(&Sources { file: Some(&config), ..Sources::default() }).expect("a good config").experiment.model;
        let parameters = vit::parameters(&model).expect("parameters");
        let values = weights::match_names(tensors.by_name, &parameters, &path).expect("it loads again");
        assert_eq!(values, weights::match_names(original.by_name, &parameters, &path).expect("weights"), "{name}");
    }
    let error = exported("vit_patchify", &["model.depth=3"]).expect_err("another model").to_string();
    assert!(error.contains("missing: blocks.2"), "{error}");
}
