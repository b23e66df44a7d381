//! Merges the layers of a config into one checked experiment that knows where each value came from.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::experiment::Experiment;
use super::fault::Fault;
use super::presets;
use super::settings::{Layer, Origin, Settings};
use super::stem::StemKind;
use crate::error::{Error, Result};

/// What every environment variable of a key begins with: `VITRINE_OPTIM_LR` is `optim.lr`.
const ENV_PREFIX: &str = "VITRINE_";

/// Column at which `--print-config` starts its remarks.
const REMARK_COLUMN: usize = 40;

/// Everything that may set a value.
#[derive(Clone, Debug, Default)]
pub struct Sources<'a> {
    /// `--preset`.
    pub preset: Option<&'a str>,
    /// `--config`.
    pub file: Option<&'a Path>,
    /// Environment variables; those that name no section are left alone.
    pub env: Vec<(String, String)>,
    /// `--set`, each `section.key=value`; the last wins.
    pub sets: Vec<String>,
    /// Flags of their own: (`train.seed`, `--seed`, text of the value).
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// A checked experiment and the origin of each value.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The experiment; strides and kernels are filled in.
    pub experiment: Experiment,
    /// `section.key` → `default`, `preset demo`, `exp.toml:12`, `--set`, `VITRINE_OPTIM_LR`, …
    pub origin: BTreeMap<String, String>,
}

/// Merges the layers, weakest first, and checks the result.
///
/// Errors: [`Error::Config`] with the place for an unknown key, a wrong type, an impossible value or
/// combination; [`Error::File`] for a file that cannot be read; [`Error::Usage`] for a `--set`
/// without `=`.
pub fn load(sources: &Sources) -> Result<Resolved> {
    let settings = merge(sources)?;
    resolve(settings, Experiment::find_fault)
}

/// Like [`load`], and also checks what only training needs: that there are images.
pub fn load_for_training(sources: &Sources) -> Result<Resolved> {
    let settings = merge(sources)?;
    resolve(settings, |experiment| experiment.find_fault().and_then(|()| experiment.find_training_fault()))
}

/// Like [`load_for_training`], but a set that is not embedded may be without its path: what is trained is
/// looked at, not trained.
pub fn load_for_preview(sources: &Sources) -> Result<Resolved> {
    let settings = merge(sources)?;
    resolve(settings, |experiment| experiment.find_fault().and_then(|()| experiment.find_class_fault()))
}

impl Resolved {
    /// The experiment as TOML that loads to the same, each line with its origin.
    pub fn print(&self) -> String {
        let mut text = String::new();
        let mut section = String::new();
        for line in self.experiment.to_toml().lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name.to_owned();
            }
            let key = line.split(" = ").next().unwrap_or_default();
            match self.origin.get(&format!("{section}.{key}")) {
                Some(origin) => writeln!(text, "{line:<REMARK_COLUMN$} # from {origin}"),
                None => writeln!(text, "{line}"),
            }
            .expect("a String takes any text");
        }
        text
    }
}

impl Experiment {
    /// The experiment of a resolved config, as [`Self::to_toml`] writes it.
    ///
    /// Errors: text that is no TOML, an unknown or a missing key, a value of another type.
    pub fn from_toml(text: &str) -> std::result::Result<Self, toml::de::Error> {
        // By way of a table, as every other config is read.
        text.parse::<toml::Table>()?.try_into()
    }

    /// The experiment as TOML, section by section.
    ///
    /// Panics when a seed that no check accepted does not fit TOML's 63-bit numbers.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a checked experiment holds only TOML values")
    }
}

fn merge(sources: &Sources) -> Result<Settings> {
    let mut settings = Settings::built_in();
    if let Some(name) = sources.preset {
        let preset = presets::get(name).map_err(|error| error.located("--preset"))?;
        settings.lay_document(preset.text, Layer::Preset, |_| format!("preset {name}"))?;
    }
    if let Some(path) = sources.file {
        let text = read_file(path)?;
        settings.lay_document(&text, Layer::File, |line| format!("{}:{line}", path.display()))?;
    }
    for (name, text) in &sources.env {
        lay_env(&mut settings, name, text)?;
    }
    for set in &sources.sets {
        lay_set(&mut settings, set)?;
    }
    for (name, flag, text) in &sources.flags {
        let (section, key) = name.split_once('.').expect("flags stand for section.key");
        let origin = Origin { layer: Layer::Flag, label: (*flag).to_owned() };
        settings.lay_text(section, key, text, origin).map_err(|error| error.located(*flag))?;
    }
    Ok(settings)
}

fn resolve(mut settings: Settings, find_fault: impl Fn(&Experiment) -> Result<(), Fault>) -> Result<Resolved> {
    let mut experiment = settings.experiment();
    if let Ok(kind) = StemKind::from_name(&experiment.model.stem) {
        follow_stem(&mut experiment, kind, &mut settings);
    }
    find_fault(&experiment).map_err(|fault| {
        // Of the keys that clash, the one set last is the one the user has just touched.
        let strongest = fault.keys.iter().rev().max_by_key(|key| settings.origin(key).layer);
        let place = settings.place(strongest.expect("a fault names a key"));
        fault.into_error_at(&place)
    })?;
    Ok(Resolved { experiment, origin: settings.into_origins() })
}

/// Fills in strides and kernels. Those of a weaker layer that were meant for the other family of
/// stems (convolutions or patchify) follow the stem and keep the patch size, so that
/// `--set model.stem=1Proj` turns a preset into its twin.
fn follow_stem(experiment: &mut Experiment, kind: StemKind, settings: &mut Settings) {
    const STEM: &str = "model.stem";
    const STRIDES: &str = "model.strides";
    const KERNELS: &str = "model.stem_kernels";
    let layer = |name: &str| settings.origin(name).layer;
    let (stem_layer, strides_layer, kernels_layer) = (layer(STEM), layer(STRIDES), layer(KERNELS));
    let model = &mut experiment.model;
    let misfits = |numbers: &[usize]| !numbers.is_empty() && numbers.len() != kind.num_layers();

    let follows = Origin { layer: stem_layer, label: format!("{} (follows {STEM})", settings.origin(STEM).label) };
    let of_stem = Origin { layer: Layer::Default, label: "default of the stem".into() };
    let mut conv_kernels = Vec::new();
    if strides_layer < stem_layer && misfits(&model.strides) {
        let patch = model.strides.iter().fold(1, |side: usize, stride| side.saturating_mul(*stride));
        if !kind.has_convs() {
            model.strides = vec![patch];
        } else if patch.is_multiple_of(2) {
            model.strides = vec![2, 1, 1, patch / 2];
            conv_kernels = vec![7, 3, 3, patch / 2];
        }
        settings.set_origin(STRIDES, follows.clone());
    }
    let weaker_than_strides = kernels_layer < strides_layer && !kind.has_convs();
    if (kernels_layer < stem_layer && misfits(&model.stem_kernels)) || weaker_than_strides {
        model.stem_kernels = Vec::new();
    }
    if model.stem_kernels.is_empty() && !conv_kernels.is_empty() {
        model.stem_kernels = conv_kernels;
        settings.set_origin(KERNELS, follows);
    }
    if model.strides.is_empty() {
        model.strides = model.strides_of(kind);
        settings.set_origin(STRIDES, of_stem.clone());
    }
    if model.stem_kernels.is_empty() {
        model.stem_kernels = model.kernels_of(kind);
        settings.set_origin(KERNELS, of_stem);
    }
}

fn read_file(path: &Path) -> Result<String> {
    let unreadable = |error: std::io::Error| {
        Error::file(path, format!("cannot be read: {error}"), "--config takes a TOML file; `vitrine presets` lists presets")
    };
    let bytes = crate::platform::files::read(path).map_err(unreadable)?;
    String::from_utf8(bytes).map_err(|error| {
        let what = format!("is not text: byte {} is not UTF-8", error.utf8_error().valid_up_to());
        Error::file(path, what, "--config takes a TOML file")
    })
}

fn lay_env(settings: &mut Settings, name: &str, text: &str) -> Result<()> {
    let Some((section, key)) = name.strip_prefix(ENV_PREFIX).and_then(|rest| rest.split_once('_')) else {
        return Ok(());
    };
    let (section, key) = (section.to_lowercase(), key.to_lowercase());
    // Other variables may share the prefix; only those that name a section are keys.
    if settings.known().table().get(&section).is_none() {
        return Ok(());
    }
    let origin = Origin { layer: Layer::Env, label: name.to_owned() };
    settings.lay_text(&section, &key, text, origin).map_err(|error| error.located(name))
}

fn lay_set(settings: &mut Settings, set: &str) -> Result<()> {
    let malformed = || Error::usage(format!("--set {set}: not section.key=value"), "for example --set optim.lr=1e-3");
    let (name, text) = set.split_once('=').ok_or_else(malformed)?;
    let name = name.trim();
    let place = format!("--set {name}");
    let Some((section, key)) = name.split_once('.') else {
        let hint = match settings.known().home_of(name) {
            Some(section) => format!("write --set {section}.{name}={text}"),
            None => "write --set section.key=value".to_owned(),
        };
        return Err(Error::usage(format!("{place}: the section is missing"), hint));
    };
    let origin = Origin { layer: Layer::Set, label: "--set".into() };
    settings.lay_text(section, key, text, origin).map_err(|error| error.located(place))
}
