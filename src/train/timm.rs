//! Weights for timm: a clean state dict, and the Python that builds the model it belongs to.
//!
//! A patchify ViT is a plain `timm.create_model`. A conv-stem goes in as timm's `embed_layer`, a
//! module of a few lines whose names are those of the state dict; the other variants are as small.
//! The Python is written for the one model, so that there is nothing to fill in.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::weights;
use crate::config::experiment::ModelConfig;
use crate::config::stem::{ConvLayer, StemGeometry};
use crate::error::{Error, Result};
use crate::model::vit;
use crate::run::tensors::{Numbers, Tensor, Tensors};

/// What `export --format timm` writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The state dict.
    pub tensors: Tensors,
    /// A Python module with `create_model()` and `load(path)`.
    pub python: String,
}

/// Prepares weights of the model that `config` describes; `path` is for messages.
///
/// Errors: weights of another model.
pub fn export(tensors: Tensors, config: &ModelConfig, path: &Path) -> Result<Exported> {
    if config.arch != "vit" {
        let what = format!("model.arch = \"{}\" has no counterpart in timm", config.arch);
        return Err(Error::config(what, "`--format safetensors` writes any model"));
    }
    let parameters = vit::parameters(config)?;
    weights::match_names(tensors.by_name.clone(), &parameters, path)?;
    let by_name = tensors.by_name.into_iter().map(|(name, tensor)| (name, linear_from_conv(tensor))).collect::<BTreeMap<_, _>>();
    // timm's own files hold floats alone but for BatchNorm's counts.
    Ok(Exported { tensors: Tensors { by_name, about: String::new() }, python: python(config)? })
}

/// A Conv1d of kernel 1 is a linear layer: [out, in, 1] → [out, in].
fn linear_from_conv(tensor: Tensor) -> Tensor {
    match (tensor.shape.as_slice(), &tensor.numbers) {
        (&[out, width, 1], Numbers::F32(_)) => Tensor { shape: vec![out, width], ..tensor },
        _ => tensor,
    }
}

/// The Python for the model.
fn python(config: &ModelConfig) -> Result<String> {
    let geometry = config.stem_geometry()?;
    let patch: usize = geometry.layers.iter().map(|layer| layer.stride).product();
    let is_plain_stem = !geometry.kind.has_convs() && !geometry.kind.proj_batch_norm() && !geometry.kind.proj_relu();
    let mut arguments = vec![
        format!("img_size={}", config.image_size),
        format!("patch_size={patch}"),
        format!("num_classes={}", config.num_classes),
        format!("embed_dim={}", config.dim),
        format!("depth={}", config.depth),
        format!("num_heads={}", config.heads),
        format!("mlp_ratio={:?}", config.mlp_ratio),
    ];
    let mut text = String::from("\"\"\"Builds the model for timm. Written by `vitrine export --format timm`.\n\n");
    text.push_str("    model = load(\"weights.safetensors\").eval()\n    logits = model(images)  # [B, 3, H, W], normalised as in training\n\"\"\"\n\n");
    text.push_str("import timm\nfrom safetensors.torch import load_file\n");
    if !is_plain_stem || config.ffn != "mlp-gelu" || !config.ffn_norm {
        text.push_str("from torch import nn\n");
    }
    if !is_plain_stem {
        text.push_str(&stem(&geometry, &config.stem_activation));
        arguments.push("embed_layer=Stem".to_string());
    }
    match config.ffn.as_str() {
        "mlp-relu" => arguments.push("act_layer=nn.ReLU".to_string()),
        "conv1d-bn-gelu" => {
            text.push_str(BN_MLP);
            arguments.push("mlp_layer=BatchNormMlp".to_string());
        }
        _ => {}
    }
    text.push_str("\n\ndef create_model():\n    model = timm.create_model(\n        \"vit_tiny_patch16_224\",\n");
    for argument in arguments {
        let _ = writeln!(text, "        {argument},");
    }
    text.push_str("    )\n");
    if !config.ffn_norm {
        text.push_str("    for block in model.blocks:\n        block.norm2 = nn.Identity()\n");
    }
    text.push_str(
        "    return model\n\n\ndef load(path):\n    model = create_model()\n    model.load_state_dict(load_file(path))\n    return model\n",
    );
    Ok(text)
}

/// The feed-forward part with BatchNorm over all tokens.
const BN_MLP: &str = "\n
class BatchNormMlp(nn.Module):
    def __init__(self, in_features, hidden_features, **_):
        super().__init__()
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.bn = nn.BatchNorm1d(hidden_features)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden_features, in_features)

    def forward(self, x):
        hidden = self.bn(self.fc1(x).transpose(1, 2)).transpose(1, 2)
        return self.fc2(self.act(hidden))
";

/// The stem as a module whose names are those of the state dict.
fn stem(geometry: &StemGeometry, activation: &str) -> String {
    let kind = geometry.kind;
    let activation = if activation == "gelu" { "nn.GELU()" } else { "nn.ReLU()" };
    let mut text = String::from("\n\nclass Stem(nn.Module):\n    def __init__(self, **_):\n        super().__init__()\n");
    let (projection, convolutions) = geometry.layers.split_last().expect("a stem has a projection");
    if !convolutions.is_empty() {
        // A layer that a variant lacks leaves its place, so that the names stay.
        text.push_str("        self.conv = nn.Sequential(\n");
        for layer in convolutions {
            let norm = if kind.conv_batch_norm() { format!("nn.BatchNorm2d({})", layer.out_channels) } else { "nn.Identity()".to_string() };
            let act = if kind.conv_relu() { activation } else { "nn.Identity()" };
            let _ = writeln!(text, "            {},\n            {norm},\n            {act},", convolution(layer));
        }
        text.push_str("        )\n");
    }
    let _ = writeln!(text, "        self.proj = {}", convolution(projection));
    if kind.proj_batch_norm() {
        let _ = writeln!(text, "        self.bn = nn.BatchNorm2d({})", projection.out_channels);
    }
    if kind.proj_relu() {
        let _ = writeln!(text, "        self.act = {activation}");
    }
    let _ = writeln!(text, "        self.num_patches = {}\n\n    def forward(self, x):", geometry.tokens);
    let mut x = "x".to_string();
    let steps = [(!convolutions.is_empty(), "conv"), (true, "proj"), (kind.proj_batch_norm(), "bn"), (kind.proj_relu(), "act")];
    for (_, step) in steps.into_iter().filter(|step| step.0) {
        x = format!("self.{step}({x})");
    }
    let _ = writeln!(text, "        return {x}.flatten(2).transpose(1, 2)");
    text
}

fn convolution(layer: &ConvLayer) -> String {
    let ConvLayer { in_channels, out_channels, kernel, stride, padding, bias, .. } = layer;
    let bias = if *bias { "" } else { ", bias=False" };
    format!("nn.Conv2d({in_channels}, {out_channels}, {kernel}, stride={stride}, padding={padding}{bias})")
}
