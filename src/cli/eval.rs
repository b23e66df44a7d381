//! `eval`: loss and accuracy of weights on the test images.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vitrine::config::{Experiment, Sources, load};
use vitrine::error::Result;
use vitrine::platform::Wait as _;
use vitrine::run::number::{self, short};
use vitrine::run::read;
use vitrine::run::report::grouped;
use vitrine::train::evaluate::{self, Request};

use super::args::{ConfigArgs, DeviceArgs};
use super::output;
use super::train::{FIRST_PRESET, RUN_CONFIG, RUNS_DIR};

const EXAMPLES: &str = "\
Examples:
  vitrine eval --run last                                      the best weights of the latest run
  vitrine eval --weights runs/ID/checkpoints/last.safetensors  other weights of a run
  vitrine eval --preset deit-small --weights deit_small.safetensors --data-path /data/imagenet
  vitrine eval --run last --out logits.safetensors             also write the logits

Weights carry timm's parameter names. Without --config or --preset, weights in a run folder take
the config of that run, and others that of the demo.";

/// Flags of `eval`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct EvalArgs {
    /// The weights, a safetensors file
    #[arg(long, value_name = "FILE", required_unless_present = "run", conflicts_with = "run")]
    weights: Option<PathBuf>,
    /// A run: its id, the beginning of it, its name, its folder, or `last`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config"])]
    run: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Write `logits` [N, K] and `labels` [N] to this safetensors file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where the run folders are
    #[arg(long, value_name = "DIR", default_value = RUNS_DIR)]
    runs_dir: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The result as JSON.
#[derive(Serialize)]
struct Found {
    weights: String,
    device: String,
    images: u64,
    #[serde(with = "number")]
    loss: f64,
    #[serde(with = "number")]
    top1: f64,
    #[serde(with = "number")]
    top5: f64,
    /// Images that could not be decoded.
    unreadable: Vec<String>,
}

/// Evaluates and prints.
pub fn run(args: &EvalArgs) -> Result<u8> {
    let (weights, run_dir) = args.weights()?;
    let request = Request {
        experiment: args.experiment(run_dir.as_deref())?,
        weights,
        out: args.out.clone(),
        device: args.device.choice()?,
        adapter: args.device.adapter.clone(),
    };
    let report = evaluate::run(&request).wait()?;
    for problem in &report.unreadable {
        output::note(&format!("warning: {problem}"));
    }
    let found = Found {
        weights: request.weights.display().to_string(),
        device: report.device,
        images: report.totals.count,
        loss: report.totals.loss,
        top1: report.totals.top1,
        top5: report.totals.top5,
        unreadable: report.unreadable,
    };
    if args.json {
        output::print_json(&found)?
    } else {
        output::print(&found.text())?
    }
    Ok(0)
}

impl EvalArgs {
    /// The weights, and the run folder they are in.
    fn weights(&self) -> Result<(PathBuf, Option<PathBuf>)> {
        if let Some(weights) = &self.weights {
            let run_dir = weights.parent().and_then(Path::parent).filter(|folder| folder.join(RUN_CONFIG).is_file());
            return Ok((weights.clone(), run_dir.map(Path::to_path_buf)));
        }
        let run = self.run.as_deref().expect("the parser wants weights or a run");
        let run_dir = read::resolve(&self.runs_dir, run)?;
        Ok((evaluate::weights_of_run(&run_dir)?, Some(run_dir)))
    }

    fn experiment(&self, run_dir: Option<&Path>) -> Result<Experiment> {
        let resolved = match run_dir {
            Some(run_dir) if self.config.is_empty() => load(&self.config.sources_over(&run_dir.join(RUN_CONFIG)))?,
            _ if self.config.is_empty() => load(&Sources { preset: Some(FIRST_PRESET), ..self.config.sources() })?,
            _ => load(&self.config.sources())?,
        };
        Ok(resolved.experiment)
    }
}

impl Found {
    fn text(&self) -> String {
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let rows = [
            ("top-1", percent(self.top1)),
            ("top-5", percent(self.top5)),
            ("loss", short(self.loss)),
            ("images", grouped(self.images)),
            ("weights", self.weights.clone()),
            ("device", self.device.clone()),
        ];
        rows.iter().map(|(title, row)| format!("{title:<8}{row}\n")).collect()
    }
}
