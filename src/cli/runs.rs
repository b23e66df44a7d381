//! `runs`: what has been trained.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use vitrine::error::{Error, Result};
use vitrine::run::{read, report};

use super::output;

const EXAMPLES: &str = "\
Examples:
  vitrine runs ls                          a line for each run
  vitrine runs show last                   verdict, config, loss curve and events of the latest
  vitrine runs show 20260509 --json        a run by the beginning of its id, as JSON";

/// Flags of `runs`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct RunsArgs {
    #[command(subcommand)]
    verb: RunsVerb,
}

#[derive(Debug, Subcommand)]
enum RunsVerb {
    /// A line for each run, oldest first
    Ls(Place),
    /// One run: verdict and why, numbers, config, loss over time, events
    Show {
        /// Id, beginning of an id, name, folder, or `last`
        run: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args, Debug)]
struct Place {
    /// Where the run folders are
    #[arg(long, value_name = "DIR", default_value = super::train::RUNS_DIR)]
    runs_dir: PathBuf,
    /// Print JSON, one line a run
    #[arg(long)]
    json: bool,
}

/// Prints the list or one run.
pub fn run(args: &RunsArgs) -> Result<u8> {
    match &args.verb {
        RunsVerb::Ls(place) => list(place),
        RunsVerb::Show { run, place } => show(run, place),
    }
}

fn list(place: &Place) -> Result<u8> {
    check_folder(&place.runs_dir)?;
    let read::Listing { runs, mut unreadable } = read::list(&place.runs_dir)?;
    // With nothing else to show, the last damage is the answer.
    let failure = if runs.is_empty() { unreadable.pop() } else { None };
    for error in &unreadable {
        output::note(&format!("warning: {error}"));
    }
    if let Some(error) = failure {
        return Err(error);
    }
    output::print(&if place.json { report::list_json(&runs) } else { report::list_table(&runs) })?;
    Ok(0)
}

fn show(run: &str, place: &Place) -> Result<u8> {
    let recorded = read::read_run(&read::resolve(&place.runs_dir, run)?)?;
    output::print(&if place.json { report::show_json(&recorded) } else { report::show(&recorded) })?;
    Ok(0)
}

fn check_folder(runs_dir: &Path) -> Result<()> {
    match std::fs::metadata(runs_dir) {
        Ok(entry) if !entry.is_dir() => Err(Error::file(runs_dir, "not a folder of runs", "--runs-dir takes a folder")),
        _ => Ok(()),
    }
}
