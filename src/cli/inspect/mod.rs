//! `inspect`: what a model does inside, as pictures and tables.

/// Pictures out of numbers.
mod canvas;
/// The page that lists the files.
mod index;
/// Each picture.
mod pictures;
/// The summary on the terminal.
mod summary;
/// Each table.
mod tables;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use vitrine::error::{Error, Result};
use vitrine::platform::{self, Wait as _};
use vitrine::train::inspect::{self, Report, Request};

use self::summary::Summary;
use super::args::DeviceArgs;
use super::output;
use super::weights::WeightsArgs;

const EXAMPLES: &str = "\
Examples:
  vitrine inspect --run last --out look                        the best weights of the latest run
  vitrine inspect --run last --images cat.jpg dog.png --out look
  vitrine inspect --weights runs/ID/checkpoints/pre-crash.safetensors --out crash
  vitrine inspect --preset deit-small --weights deit_small.safetensors --images cat.jpg --out look

Writes pictures (PNG), tables (CSV), index.html that shows them all, and probe.safetensors for the
dashboard: stem filters; each stage of the stem before and after BatchNorm and ReLU, with dead
channels; the quantities of theorems 1 and 2 of the paper; token similarity by layer; attention maps
and rollout. Without --images it looks at the first test images. Without --config or --preset,
weights in a run folder take the config of that run, and others that of the demo.";

/// Flags of `inspect`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct InspectArgs {
    #[command(flatten)]
    weights: WeightsArgs,
    /// Pictures to look at (JPEG, PNG, WebP)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    images: Vec<PathBuf>,
    /// The folder to write to; made if it is missing, and must be empty unless it is an older look
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Looks, writes and prints.
pub fn run(args: &InspectArgs) -> Result<u8> {
    let (weights, experiment) = args.weights.choose()?;
    check_folder(&args.out)?;
    let request =
        Request { experiment, weights, pictures: args.images.clone(), device: args.device.choice()?, adapter: args.device.adapter.clone() };
    let report = inspect::run(&request).wait()?;
    let files = write_all(&args.out, &request, &report)?;
    let summary = Summary::new(&request, &report, &args.out, files);
    if args.json {
        output::print_json(&summary)?
    } else {
        output::print(&summary.text())?
    }
    Ok(0)
}

/// A file of the result.
pub struct Written {
    /// Its name in the folder.
    pub name: String,
    /// What it shows.
    pub caption: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The probe's own file, by which an older look is known.
const PROBE: &str = "probe.safetensors";

/// Nothing of another kind may be written over.
fn check_folder(out: &Path) -> Result<()> {
    let hint = "name a new folder, or an empty one";
    if out.is_file() {
        return Err(Error::usage(format!("--out {} is a file", out.display()), hint));
    }
    let Ok(mut entries) = fs::read_dir(out) else { return Ok(()) };
    if entries.next().is_some() && !out.join(PROBE).is_file() {
        return Err(Error::usage(format!("--out {} is not empty, and holds no older look", out.display()), hint));
    }
    Ok(())
}

/// Writes every file; their names, the page first.
fn write_all(out: &Path, request: &Request, report: &Report) -> Result<Vec<String>> {
    let mut files = pictures::all(report)?;
    files.extend(tables::all(report));
    files.push(Written {
        name: PROBE.to_string(),
        caption: "Everything above as arrays, for the dashboard and for scripts".to_string(),
        bytes: report.probe.to_tensors().to_bytes(),
    });
    files.insert(0, index::page(request, report, &files));
    fs::create_dir_all(out).map_err(|source| Error::io(out, "make the folder", source))?;
    for file in &files {
        platform::write_atomically(&out.join(&file.name), &file.bytes)?;
    }
    Ok(files.into_iter().map(|file| file.name).collect())
}
