//! `runs`: what has been trained.

/// `ls`, `show`, `compare`.
mod look;
/// `tag`, `note`.
mod mark;
/// `rm`, `gc`.
mod remove;
/// `export`, `import`, `report`.
mod share;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use vitrine::error::{Error, Result};
use vitrine::run::read::{self, Recorded};
use vitrine::run::vitrun;

use super::output;

const EXAMPLES: &str = "\
Examples:
  vitrine runs ls                          a line for each run
  vitrine runs show last                   verdict, config, loss curve and events of the latest
  vitrine runs show 20260509 --json        a run by the beginning of its id, as JSON
  vitrine runs compare demo demo-patchify  how they went, and the settings that differ
  vitrine runs report last                 one HTML page with charts
  vitrine runs export last                 the run as one file, for the dashboard or a colleague
  vitrine runs tag last baseline           a word to find it by
  vitrine runs gc                          what could go, and how much space that frees

A run is named by its id, the beginning of it, its name, its folder, `last`, or a .vitrun file.";

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
    Ls(look::LsArgs),
    /// One run: verdict and why, numbers, config, loss over time, events
    Show(look::ShowArgs),
    /// Runs side by side: how they went, and only the settings that differ
    Compare(look::CompareArgs),
    /// One HTML page: verdict, charts, similarity, events, config, how to repeat it
    Report(share::ReportArgs),
    /// One file: .vitrun, CSV, or for TensorBoard
    Export(share::ExportArgs),
    /// Unpack a .vitrun file into the folder of runs
    Import(share::ImportArgs),
    /// Put words on a run, or take them off
    Tag(mark::TagArgs),
    /// Write a note on a run, or read it
    Note(mark::NoteArgs),
    /// Remove whole runs
    Rm(remove::RmArgs),
    /// Remove what nobody misses; says first what that is
    Gc(remove::GcArgs),
}

/// Where the runs are.
#[derive(Args, Debug)]
struct Place {
    /// Where the run folders are
    #[arg(long, value_name = "DIR", default_value = super::train::RUNS_DIR)]
    runs_dir: PathBuf,
}

impl Place {
    /// The folder of a run.
    fn folder(&self, run: &str) -> Result<PathBuf> {
        read::resolve(&self.runs_dir, run)
    }

    /// A recorded run, of a folder or of a .vitrun file.
    fn recorded(&self, run: &str) -> Result<Recorded> {
        let path = Path::new(run);
        if path.extension().is_none_or(|extension| extension != vitrun::EXTENSION) || path.is_dir() {
            return read::read_run(&self.folder(run)?);
        }
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, format!("cannot be read: {error}"), ""))?;
        vitrun::read(&bytes, path)?.recorded(path)
    }
}

/// Does what is asked; the exit code.
pub fn run(args: &RunsArgs) -> Result<u8> {
    match &args.verb {
        RunsVerb::Ls(args) => look::list(args),
        RunsVerb::Show(args) => look::show(args),
        RunsVerb::Compare(args) => look::compare(args),
        RunsVerb::Report(args) => share::report(args),
        RunsVerb::Export(args) => share::export(args),
        RunsVerb::Import(args) => share::import(args),
        RunsVerb::Tag(args) => mark::tag(args),
        RunsVerb::Note(args) => mark::note(args),
        RunsVerb::Rm(args) => remove::rm(args),
        RunsVerb::Gc(args) => remove::gc(args),
    }
}
