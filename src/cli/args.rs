//! Flags that several verbs take.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use vitrine::config::Sources;
use vitrine::error::{Error, Result};
use vitrine::train::session::DeviceChoice;

/// What every environment variable of a key begins with.
const ENV_PREFIX: &str = "VITRINE_";

/// Where the experiment comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigArgs {
    /// Start from a preset (`vitrine presets` lists them)
    #[arg(long, value_name = "NAME")]
    pub preset: Option<String>,
    /// Read a TOML file over the preset or the defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set one key over everything else; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub sets: Vec<String>,
    /// The images: the same as --set data.path=PATH
    #[arg(long, value_name = "PATH")]
    pub data_path: Option<String>,
}

impl ConfigArgs {
    /// Whether the flags name an experiment of their own.
    pub fn is_empty(&self) -> bool {
        self.preset.is_none() && self.config.is_none()
    }

    /// The layers of these flags and the environment.
    pub fn sources(&self) -> Sources<'_> {
        let data_path = self.data_path.iter().map(|path| ("data.path", "--data-path", path.clone()));
        Sources {
            preset: self.preset.as_deref(),
            file: self.config.as_deref(),
            env: environment(),
            sets: self.sets.clone(),
            flags: data_path.collect(),
        }
    }

    /// The layers over the config of a recorded run, which was complete: the environment has no say.
    pub fn sources_over<'a>(&self, run_config: &'a Path) -> Sources<'a> {
        let Sources { sets, flags, .. } = self.sources();
        Sources { preset: None, file: Some(run_config), env: Vec::new(), sets, flags }
    }
}

fn environment() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).filter(|(name, _)| name.starts_with(ENV_PREFIX)).collect()
}

/// Where to compute.
#[derive(Args, Clone, Debug, Default)]
pub struct DeviceArgs {
    /// auto: a real GPU if there is one, else the processor
    #[arg(long, value_enum, default_value_t = DeviceName::Auto)]
    pub device: DeviceName,
    /// Take the GPU adapter whose name contains NAME (`vitrine doctor` lists them)
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
}

/// What `--device` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DeviceName {
    /// A real GPU if there is one, else the processor
    #[default]
    Auto,
    /// The processor
    Cpu,
    /// A GPU adapter, software or not
    Gpu,
}

impl DeviceArgs {
    /// The flags that say the same again; none for the defaults.
    pub fn words(&self) -> Vec<String> {
        let device = self.device.to_possible_value().filter(|_| self.device != DeviceName::default());
        let device = device.map(|value| ["--device".to_string(), value.get_name().to_string()]);
        let adapter = self.adapter.clone().map(|name| ["--adapter".to_string(), name]);
        [device, adapter].into_iter().flatten().flatten().collect()
    }

    /// The choice; a named adapter is taken whatever it is.
    pub fn choice(&self) -> Result<DeviceChoice> {
        match (self.device, &self.adapter) {
            (DeviceName::Cpu, Some(_)) => {
                Err(Error::usage("--adapter names a GPU, and --device cpu takes none", "leave one of the two out"))
            }
            (DeviceName::Cpu, None) => Ok(DeviceChoice::Cpu),
            (DeviceName::Auto, None) => Ok(DeviceChoice::Auto),
            (DeviceName::Gpu, _) | (DeviceName::Auto, Some(_)) => Ok(DeviceChoice::Gpu),
        }
    }
}
