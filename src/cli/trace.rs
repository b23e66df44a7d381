//! `trace`: a few steps with everything that parity with another implementation needs.

use std::path::PathBuf;

use clap::Args;
use vitrine::error::Result;
use vitrine::platform::Wait as _;
use vitrine::train::trace::{self, Request};

use super::args::DeviceArgs;
use super::output;

const EXAMPLES: &str = "\
Examples:
  vitrine trace --config c.toml --weights w.safetensors --batch b.safetensors --out o.safetensors
  vitrine trace --config c.toml --weights w.safetensors --batch b.safetensors --out o.safetensors --device gpu

The batch holds `images` [S, B, 3, H, W], normalised, and `targets` [S, B, K]: S optimiser steps at
constant optim.lr, without augmentation, drop-path and averaged weights. The result holds loss,
grad_norm, logits, logits_eval, cossim, grad.NAME (step 0) and param.NAME (after S steps).
The config is the file alone: VITRINE_SECTION_KEY in the environment has no say in a trace.";

/// Flags of `trace`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct TraceArgs {
    /// The experiment, a TOML file
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Initial weights with timm's names, a safetensors or .pth file
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// Images and targets, a safetensors file
    #[arg(long, value_name = "FILE")]
    batch: PathBuf,
    /// Where the result goes, a safetensors file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

/// Traces and writes the result.
pub fn run(args: &TraceArgs) -> Result<u8> {
    let request = Request {
        config: args.config.clone(),
        weights: args.weights.clone(),
        batch: args.batch.clone(),
        out: args.out.clone(),
        device: args.device.choice()?,
        adapter: args.device.adapter.clone(),
    };
    trace::run(&request).wait()?;
    output::note(&format!("trace written to {}", args.out.display()));
    Ok(0)
}
