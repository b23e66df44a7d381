//! Which weights a verb looks at, and the experiment they belong to.

use std::path::{Path, PathBuf};

use clap::Args;
use vitrine::config::{Experiment, Sources, load};
use vitrine::error::Result;
use vitrine::run::read;
use vitrine::train::evaluate::weights_of_run;

use super::args::ConfigArgs;
use super::train::{FIRST_PRESET, RUN_CONFIG, RUNS_DIR};

/// Flags that name weights.
#[derive(Args, Debug)]
pub struct WeightsArgs {
    /// The weights, a safetensors file
    #[arg(long, value_name = "FILE", required_unless_present = "run", conflicts_with = "run")]
    weights: Option<PathBuf>,
    /// A run: its id, the beginning of it, its name, its folder, or `last`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config"])]
    run: Option<String>,
    /// Where the run folders are
    #[arg(long, value_name = "DIR", default_value = RUNS_DIR)]
    runs_dir: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

impl WeightsArgs {
    /// The weights, and what they were trained as: the config that is given, that of their run, or the demo's.
    pub fn choose(&self) -> Result<(PathBuf, Experiment)> {
        let (weights, run_dir) = self.weights()?;
        let resolved = match run_dir {
            Some(run_dir) if self.config.is_empty() => load(&self.config.sources_over(&run_dir.join(RUN_CONFIG)))?,
            _ if self.config.is_empty() => load(&Sources { preset: Some(FIRST_PRESET), ..self.config.sources() })?,
            _ => load(&self.config.sources())?,
        };
        Ok((weights, resolved.experiment))
    }

    /// The weights, and the run folder they are in.
    fn weights(&self) -> Result<(PathBuf, Option<PathBuf>)> {
        if let Some(weights) = &self.weights {
            let run_dir = weights.parent().and_then(Path::parent).filter(|folder| folder.join(RUN_CONFIG).is_file());
            return Ok((weights.clone(), run_dir.map(Path::to_path_buf)));
        }
        let run = self.run.as_deref().expect("the parser wants weights or a run");
        let run_dir = read::resolve(&self.runs_dir, run)?;
        Ok((weights_of_run(&run_dir)?, Some(run_dir)))
    }
}
