//! The experiments that ship with Vitrine, embedded; each file says what it is for.

use super::known;
use crate::error::{Error, Result};

/// One preset.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// What `--preset` takes.
    pub name: &'static str,
    /// The TOML file, comments included.
    pub text: &'static str,
}

impl Preset {
    /// The first line of the file: what the preset is for.
    pub fn description(&self) -> &'static str {
        let line = self.text.lines().next().unwrap_or_default();
        line.trim_start_matches('#').trim()
    }
}

const PRESETS: [Preset; 12] = [
    Preset { name: "demo", text: include_str!("../../assets/presets/demo.toml") },
    Preset { name: "demo-patchify", text: include_str!("../../assets/presets/demo-patchify.toml") },
    Preset { name: "bench-96x6", text: include_str!("../../assets/presets/bench-96x6.toml") },
    Preset { name: "bench-64x4", text: include_str!("../../assets/presets/bench-64x4.toml") },
    Preset { name: "cifar10", text: include_str!("../../assets/presets/cifar10.toml") },
    Preset { name: "cifar10-conv", text: include_str!("../../assets/presets/cifar10-conv.toml") },
    Preset { name: "deit-tiny", text: include_str!("../../assets/presets/deit-tiny.toml") },
    Preset { name: "deit-tiny-conv", text: include_str!("../../assets/presets/deit-tiny-conv.toml") },
    Preset { name: "deit-small", text: include_str!("../../assets/presets/deit-small.toml") },
    Preset { name: "deit-small-conv", text: include_str!("../../assets/presets/deit-small-conv.toml") },
    Preset { name: "deit-base", text: include_str!("../../assets/presets/deit-base.toml") },
    Preset { name: "deit-base-conv", text: include_str!("../../assets/presets/deit-base-conv.toml") },
];

/// Every preset, in the order to show them.
pub fn all() -> &'static [Preset] {
    &PRESETS
}

/// The names, in the order to show them.
pub fn names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name)
}

/// The preset of that name; an error with the nearest name otherwise.
pub fn get(name: &str) -> Result<&'static Preset> {
    if let Some(preset) = PRESETS.iter().find(|preset| preset.name == name) {
        return Ok(preset);
    }
    let hint = match known::nearest(name, names()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("presets: {}", names().collect::<Vec<_>>().join(", ")),
    };
    Err(Error::config(format!("unknown preset `{name}`"), hint))
}
