//! The config form: a preset and what a person changed of it, under the keys of the TOML file.
//!
//! The form holds texts; what they mean, and whether they may stand together, is decided where the
//! command line's `--set` is. So a form never accepts what `vitrine train` would refuse.

use std::collections::BTreeMap;

use super::host::Estimate;
use crate::config::load::load_for_training;
use crate::config::{Experiment, Resolved, Sources};

/// A key with a word for it and the place in the literature it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// `section.key`.
    pub key: &'static str,
    /// What it is, in a sentence; the citation stands at the end.
    pub help: &'static str,
    /// Values to choose from; empty where it is typed.
    pub choices: &'static [&'static str],
}

/// The keys with a word for each, in reading order; every other key of the TOML file follows them by its name.
pub const FIELDS: &[Field] = &[
    field("model.stem", "What turns pixels into tokens. Conv-stems with BN and ReLU train more stably (Wang et al. 2021, Table 1)", STEMS),
    field("model.image_size", "Side of the square input, pixels", &[]),
    field("model.strides", "Strides of the stem; their product is the patch size", &[]),
    field("model.stem_kernels", "Kernels of the stem, one for each stride", &[]),
    field("model.stem_width", "Channels of the stem's convolutions", &[]),
    field("model.dim", "Token width D", &[]),
    field("model.depth", "Encoder blocks (Dosovitskiy et al. 2020)", &[]),
    field("model.heads", "Attention heads; D must divide by them", &[]),
    field("model.ffn", "Feed-forward part (Wang et al. 2021, Table 6)", &["mlp-gelu", "mlp-relu", "conv1d-bn-gelu", "conv1d-gelu"]),
    field("model.drop_path", "Stochastic depth of the last block, 0 to 1 (Huang et al. 2016)", &[]),
    field("data.kind", "The images", &["fashion-mnist", "mnist", "cifar10", "cifar100", "folder"]),
    field(
        "data.path",
        "File or folder of the images, which may be dropped on the window: one folder a class; empty: the embedded set",
        &[],
    ),
    field("data.fraction", "Class-balanced share of the training images, above 0 to 1", &[]),
    field("augment.hflip", "Chance of a horizontal flip, 0 to 1", &[]),
    field("augment.pad_crop", "Zero-pad by so many pixels and crop back at random", &[]),
    field("augment.mixup", "Mixup α; 0 is off (Zhang et al. 2017)", &[]),
    field("augment.cutmix", "CutMix α; 0 is off (Yun et al. 2019)", &[]),
    field("augment.label_smoothing", "Label smoothing, 0 to 1 (Szegedy et al. 2016)", &[]),
    field("optim.kind", "Update rule: AdamW (Loshchilov and Hutter 2017) or SGD with momentum", &["adamw", "sgd"]),
    field("optim.lr", "Learning rate after warm-up", &[]),
    field("optim.lr_per", "0: lr as given; 512: lr × batch / 512 (Touvron et al. 2020)", &[]),
    field("optim.weight_decay", "Decoupled weight decay", &[]),
    field("optim.clip_grad", "Global L2 norm to clip gradients to; 0 is off", &[]),
    field("optim.sam_rho", "Radius of SAM; 0 is off (Foret et al. 2020)", &[]),
    field("schedule.kind", "How the learning rate falls after warm-up", &["deit", "cosine", "constant"]),
    field("schedule.epochs", "Passes over the training images", &[]),
    field("schedule.warmup_epochs", "Linear warm-up; patchify stems need it longer (Wang et al. 2021, Table 2)", &[]),
    field("schedule.min_lr", "Where the cosine ends", &[]),
    field("train.batch", "Images an optimiser step", &[]),
    field("train.seed", "Decides every random draw", &[]),
    field("train.ema", "Decay of the averaged weights; 0 is off", &[]),
    field("train.on_crash", "Whether a crash ends the run", &["stop", "continue"]),
    field("probe.every", "Steps between probes of tokens, attention and stem", &[]),
];

/// The stems in the paper's notation.
pub const STEMS: &[&str] = &[
    "3Conv+3BN+3ReLU+1Proj",
    "3Conv+3BN+1Proj",
    "3Conv+3ReLU+1Proj",
    "3Conv+1Proj",
    "3Conv+1Proj+1ReLU",
    "1Proj",
    "1Proj+1BN+1ReLU",
    "1Proj+1ReLU",
];

const fn field(key: &'static str, help: &'static str, choices: &'static [&'static str]) -> Field {
    Field { key, help, choices }
}

/// The form.
#[derive(Clone, Debug)]
pub struct Form {
    /// Name of the preset it starts from.
    pub preset: String,
    /// Name of the run.
    pub name: String,
    /// `section.key` → text, for what differs from the preset.
    pub edits: BTreeMap<String, String>,
    /// The checked experiment, or what is wrong with the texts.
    pub resolved: Result<Resolved, String>,
    /// What it would take; none while it is worked out.
    pub estimate: Option<Result<Estimate, String>>,
    is_asked: bool,
    shown: toml::Table,
    base: toml::Table,
}

impl Default for Form {
    fn default() -> Self {
        Self::from_preset("demo")
    }
}

impl Form {
    /// The form of a preset, unchanged.
    pub fn from_preset(name: &str) -> Self {
        let mut form = Self {
            preset: name.to_string(),
            name: name.to_string(),
            edits: BTreeMap::new(),
            resolved: Err(String::new()),
            estimate: None,
            is_asked: false,
            shown: toml::Table::new(),
            base: toml::Table::new(),
        };
        form.resolve();
        form.base.clone_from(&form.shown);
        form
    }

    /// The form of a recorded run's experiment: its values over the preset `demo`.
    pub fn from_experiment(name: &str, experiment: &Experiment) -> Self {
        let mut form = Self::from_preset("demo");
        form.name = name.to_string();
        let values = table_of(experiment);
        for (section, keys) in &values {
            for (key, value) in keys.as_table().into_iter().flatten() {
                if form.base.get(section).and_then(|keys| keys.get(key)) != Some(value) {
                    form.edits.insert(format!("{section}.{key}"), plain_text(value));
                }
            }
        }
        form.resolve();
        form
    }

    /// The keys of a section that are no [`FIELDS`], as `section.key`.
    pub fn other_keys(&self, section: &str) -> Vec<String> {
        let own = self.base.get(section).and_then(toml::Value::as_table).into_iter().flatten();
        let names = own.map(|(key, _)| format!("{section}.{key}"));
        names.filter(|name| FIELDS.iter().all(|field| field.key != name)).collect()
    }

    /// The text of a key: as typed, or of its value.
    pub fn text(&self, key: &str) -> String {
        self.edits.get(key).cloned().unwrap_or_else(|| text_in(&self.shown, key))
    }

    /// The text that the preset has.
    pub fn preset_text(&self, key: &str) -> String {
        text_in(&self.base, key)
    }

    /// Where the value came from, in words.
    pub fn origin(&self, key: &str) -> String {
        let origin = self.resolved.as_ref().ok().and_then(|resolved| resolved.origin.get(key));
        origin.map_or_else(String::new, |origin| if origin == "--set" { "changed here".to_string() } else { origin.clone() })
    }

    /// Takes a text for a key; the preset's own text takes the change back.
    pub fn set(&mut self, key: &str, text: &str) {
        if text.trim() == self.preset_text(key) {
            self.edits.remove(key);
        } else {
            self.edits.insert(key.to_string(), text.to_string());
        }
        self.resolve();
    }

    /// Takes a change back.
    pub fn reset(&mut self, key: &str) {
        self.edits.remove(key);
        self.resolve();
    }

    /// Whether the present texts are still to be estimated; true once for each change.
    pub fn asked_for_estimate(&mut self) -> bool {
        !std::mem::replace(&mut self.is_asked, true)
    }

    fn resolve(&mut self) {
        let sets = self.edits.iter().map(|(key, text)| format!("{key}={text}")).collect();
        let sources = Sources { preset: Some(&self.preset), sets, ..Sources::default() };
        self.resolved = load_for_training(&sources).map_err(|error| error.to_string().replace("--set ", ""));
        self.estimate = None;
        self.is_asked = false;
        if let Ok(resolved) = &self.resolved {
            self.shown = table_of(&resolved.experiment);
        }
    }
}

fn table_of(experiment: &Experiment) -> toml::Table {
    toml::Table::try_from(experiment).expect("a checked experiment holds only TOML values")
}

fn text_in(table: &toml::Table, name: &str) -> String {
    let value = name.split_once('.').and_then(|(section, key)| table.get(section)?.get(key));
    value.map_or_else(String::new, plain_text)
}

/// A value as it is typed: text without quotes, lists without brackets.
fn plain_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => items.iter().map(plain_text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
