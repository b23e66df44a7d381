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
use vitrine::config::{Experiment, Sources, load};
use vitrine::error::{Error, Result};
use vitrine::platform::{self, Wait as _};
use vitrine::run::read;
use vitrine::train::evaluate::weights_of_run;
use vitrine::train::inspect::{self, Report, Request};

use self::summary::Summary;
use super::args::{ConfigArgs, DeviceArgs};
use super::output;
use super::train::{FIRST_PRESET, RUN_CONFIG, RUNS_DIR};

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
    /// The weights, a safetensors file
    #[arg(long, value_name = "FILE", required_unless_present = "run", conflicts_with = "run")]
    weights: Option<PathBuf>,
    /// A run: its id, the beginning of it, its name, its folder, or `last`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config"])]
    run: Option<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Pictures to look at (JPEG, PNG, WebP)
    #[arg(long, value_name = "FILE", num_args = 1..)]
    images: Vec<PathBuf>,
    /// The folder to write to; made if it is missing, and must be empty unless it is an older look
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where the run folders are
    #[arg(long, value_name = "DIR", default_value = RUNS_DIR)]
    runs_dir: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Looks, writes and prints.
pub fn run(args: &InspectArgs) -> Result<u8> {
    let (weights, run_dir) = args.weights()?;
    check_folder(&args.out)?;
    let request = Request {
        experiment: args.experiment(run_dir.as_deref())?,
        weights,
        pictures: args.images.clone(),
        device: args.device.choice()?,
        adapter: args.device.adapter.clone(),
    };
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

impl InspectArgs {
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

    fn experiment(&self, run_dir: Option<&Path>) -> Result<Experiment> {
        let resolved = match run_dir {
            Some(run_dir) if self.config.is_empty() => load(&self.config.sources_over(&run_dir.join(RUN_CONFIG)))?,
            _ if self.config.is_empty() => load(&Sources { preset: Some(FIRST_PRESET), ..self.config.sources() })?,
            _ => load(&self.config.sources())?,
        };
        Ok(resolved.experiment)
    }
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
