//! `eval`: loss and accuracy of weights on the test images.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use vitrine::error::Result;
use vitrine::platform::Wait as _;
use vitrine::run::number::{self, short};
use vitrine::run::report::grouped;
use vitrine::train::evaluate::{self, Request};

use super::args::DeviceArgs;
use super::output;
use super::weights::WeightsArgs;

const EXAMPLES: &str = "\
Examples:
  vitrine eval --run last                                      the best weights of the latest run
  vitrine eval --weights runs/ID/checkpoints/last.safetensors  other weights of a run
  vitrine eval --preset deit-small --weights deit_small.safetensors --data-path /data/imagenet
  vitrine eval --run last --out logits.safetensors             also write the logits

Weights carry timm's parameter names; position embeddings of another image size are resized. Without
--config or --preset, weights in a run folder take the config of that run, and others that of the demo.";

/// Flags of `eval`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct EvalArgs {
    #[command(flatten)]
    weights: WeightsArgs,
    /// Write `logits` [N, K] and `labels` [N] to this safetensors file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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
    let (weights, experiment) = args.weights.choose()?;
    let request =
        Request { experiment, weights, out: args.out.clone(), device: args.device.choice()?, adapter: args.device.adapter.clone() };
    let report = evaluate::run(&request).wait()?;
    for line in &report.adopted {
        output::note(line);
    }
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
