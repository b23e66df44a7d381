//! `export`: weights for other programs.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use vitrine::error::{Error, Result};
use vitrine::platform;
use vitrine::run::pth;
use vitrine::run::tensors::Tensors;
use vitrine::train::timm;

use super::output;
use super::weights::WeightsArgs;

const EXAMPLES: &str = "\
Examples:
  vitrine export --run last                         the best weights of the latest run for timm
  vitrine export --run last --checkpoint ema -o vit.safetensors
  vitrine export --weights deit.pth --format safetensors --out deit.safetensors

For timm two files are written: the state dict, and beside it a Python module that builds the model
it belongs to, conv-stem included:
  >>> from vit import load                          with vit.safetensors and vit.py
  >>> model = load(\"vit.safetensors\").eval()

Runs as a whole go through `vitrine runs export`.";

/// What is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A state dict that timm loads, and the Python that builds its model
    #[default]
    Timm,
    /// The arrays as they are, whatever model they are of
    Safetensors,
}

/// Flags of `export`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct ExportArgs {
    #[command(flatten)]
    weights: WeightsArgs,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The state dict to write, a safetensors file. Default: run_ID, or NAME_timm
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the weights.
pub fn run(args: &ExportArgs) -> Result<u8> {
    let (weights, run_dir) = args.weights.find()?;
    let out = args.out.clone().unwrap_or_else(|| default_name(&weights, run_dir.as_deref()));
    let same = |a: &Path, b: &Path| a == b || a.canonicalize().ok().is_some_and(|path| b.canonicalize().ok() == Some(path));
    if same(&out, &weights) {
        return Err(Error::usage(format!("{} would be written over itself", out.display()), "--out takes another name"));
    }
    let tensors = pth::read_weights(&weights)?;
    if args.format == Format::Safetensors {
        Tensors { about: String::new(), ..tensors }.write(&out)?;
        output::print(&format!("{}\n", out.display()))?;
        return Ok(0);
    }
    let exported = timm::export(tensors, &args.weights.experiment(run_dir.as_deref())?.model, &weights)?;
    let module = out.with_extension("py");
    exported.tensors.write(&out)?;
    platform::write_atomically(&module, exported.python.as_bytes())?;
    output::print(&format!("{}\n{}\n", out.display(), module.display()))?;
    Ok(0)
}

fn default_name(weights: &Path, run_dir: Option<&Path>) -> PathBuf {
    let name = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().replace(['-', ' ', '.'], "_");
    match run_dir {
        // A module of Python takes no hyphens and no digit in front.
        Some(run_dir) => PathBuf::from(format!("run_{}.safetensors", name(run_dir))),
        None => PathBuf::from(format!("{}_timm.safetensors", name(weights))),
    }
}
