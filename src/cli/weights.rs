//! Which weights a verb looks at, and the experiment they belong to.

use std::path::{Path, PathBuf};

use clap::Args;
use vitrine::config::{Experiment, Sources, load};
use vitrine::error::{Error, Result};
use vitrine::run::read;
use vitrine::run::store::checkpoint_path;
use vitrine::train::checkpoint::BEST;
use vitrine::train::evaluate::weights_of_run;

use super::args::ConfigArgs;
use super::output;
use super::train::{FIRST_PRESET, RUN_CONFIG, RUNS_DIR};

/// Flags that name weights.
#[derive(Args, Debug)]
pub struct WeightsArgs {
    /// The weights: a safetensors file or one of PyTorch's (.pth), with timm's names
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    weights: Option<PathBuf>,
    /// A run: its id, the beginning of it, its name, its folder, or `last`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config"])]
    run: Option<String>,
    /// Which checkpoint of the run: best, last, ema or another of its folder [default: best]
    #[arg(long, value_name = "NAME", requires = "run")]
    checkpoint: Option<String>,
    /// Where the run folders are
    #[arg(long, value_name = "DIR", default_value = RUNS_DIR)]
    runs_dir: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
}

impl WeightsArgs {
    /// The weights, and what they were trained as.
    pub fn choose(&self) -> Result<(PathBuf, Experiment)> {
        let (weights, run_dir) = self.find()?;
        let experiment = self.experiment(run_dir.as_deref())?;
        Ok((weights, experiment))
    }

    /// What weights of this run folder were trained as: the config that is given, that of their run, or the demo's.
    pub fn experiment(&self, run_dir: Option<&Path>) -> Result<Experiment> {
        let resolved = match run_dir {
            Some(run_dir) if self.config.is_empty() => load(&self.config.sources_over(&run_dir.join(RUN_CONFIG)))?,
            _ if self.config.is_empty() => load(&Sources { preset: Some(FIRST_PRESET), ..self.config.sources() })?,
            _ => load(&self.config.sources())?,
        };
        Ok(resolved.experiment)
    }

    /// The weights, and the run folder they are in.
    pub fn find(&self) -> Result<(PathBuf, Option<PathBuf>)> {
        if let Some(weights) = &self.weights {
            let run_dir = weights.parent().and_then(Path::parent).filter(|folder| folder.join(RUN_CONFIG).is_file());
            return Ok((weights.clone(), run_dir.map(Path::to_path_buf)));
        }
        let Some(run) = &self.run else {
            return Err(Error::usage("no weights are named", "give --weights FILE, or --run RUN (`last` is the latest run)"));
        };
        let run_dir = read::resolve(&self.runs_dir, run)?;
        let Some(name) = &self.checkpoint else {
            let weights = weights_of_run(&run_dir)?;
            tell_missing_best(&run_dir, &weights)?;
            return Ok((weights, Some(run_dir)));
        };
        let path = checkpoint_path(&run_dir, name);
        if !path.is_file() {
            return Err(Error::file(&path, "this run has no such checkpoint", "best, last, and ema where train.ema is set"));
        }
        Ok((path, Some(run_dir)))
    }
}

/// Says that others are taken where the best weights that run.json names are not in the folder.
fn tell_missing_best(run_dir: &Path, weights: &Path) -> Result<()> {
    let meta = read::read_header(run_dir)?.meta;
    if let Some(best) = meta.best.filter(|_| weights != checkpoint_path(run_dir, BEST)) {
        let taken = weights.file_stem().unwrap_or_default().to_string_lossy();
        output::note(&format!("{}: the best weights, of step {}, are not kept; taking `{taken}`", meta.id, best.step));
    }
    Ok(())
}
