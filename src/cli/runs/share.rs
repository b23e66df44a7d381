//! `runs export`, `runs import`, `runs report`.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use vitrine::error::{Error, Result};
use vitrine::platform;
use vitrine::run::state::RunState;
use vitrine::run::{csv, html, tensorboard, vitrun};

use super::{Place, output};

const REPORT_EXAMPLES: &str = "\
Examples:
  vitrine runs report last                    writes ID.html
  vitrine runs report last -o report.html
  vitrine runs report colleague.vitrun -o -   to stdout

The page stands alone: no script, nothing loaded from elsewhere.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  vitrine runs export last                          writes ID.vitrun: everything but the checkpoints
  vitrine runs export last --checkpoints -o all.vitrun
  vitrine runs export last --format csv -o run.csv  a row for each step
  vitrine runs export last --format tensorboard     an event file; a run folder has one in tb/ already

A .vitrun file is a tar in gzip; the dashboard opens it by drop, `vitrine runs import` unpacks it.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  vitrine runs import colleague.vitrun
  vitrine runs import *.vitrun --runs-dir theirs";

/// What `runs export` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The run folder as one file
    #[default]
    Vitrun,
    /// A table with a row for each step
    Csv,
    /// An event file of TensorBoard
    Tensorboard,
}

/// Flags of `runs export`.
#[derive(Args, Debug)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(super) struct ExportArgs {
    /// Id, beginning of an id, name, folder, or `last`
    run: String,
    /// The file to write; `-` is stdout. Default: the id with the right ending
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Pack the checkpoints too (.vitrun only)
    #[arg(long)]
    checkpoints: bool,
    #[command(flatten)]
    place: Place,
}

/// Flags of `runs import`.
#[derive(Args, Debug)]
#[command(after_help = IMPORT_EXAMPLES)]
pub(super) struct ImportArgs {
    /// .vitrun files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Flags of `runs report`.
#[derive(Args, Debug)]
#[command(after_help = REPORT_EXAMPLES)]
pub(super) struct ReportArgs {
    /// Id, beginning of an id, name, folder, `last`, or a .vitrun file
    run: String,
    /// The page to write; `-` is stdout. Default: ID.html
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Writes a run as one file.
pub(super) fn export(args: &ExportArgs) -> Result<u8> {
    if args.checkpoints && args.format != Format::Vitrun {
        return Err(Error::usage("--checkpoints goes with --format vitrun", "the other formats hold series alone"));
    }
    if args.format == Format::Vitrun {
        let folder = args.place.folder(&args.run)?;
        let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.{}", name_of(&folder), vitrun::EXTENSION)));
        return pack(&folder, &out, args.checkpoints);
    }
    let run = args.place.recorded(&args.run)?;
    let id = &run.header.meta.id;
    let (bytes, name) = match args.format {
        Format::Csv => (csv::table(&RunState::from_events(&run.events)).into_bytes(), format!("{id}.csv")),
        Format::Tensorboard | Format::Vitrun => {
            // TensorBoard knows its files by their name.
            let name = format!("{}.{id}", tensorboard::file_name(tensorboard::started_secs(&run)));
            (tensorboard::file_from_run(&run), name)
        }
    };
    write(&args.out.clone().unwrap_or_else(|| name.into()), &bytes)
}

/// Packs through a file beside the goal, so that a run of many gigabytes needs no memory.
fn pack(folder: &Path, out: &Path, with_checkpoints: bool) -> Result<u8> {
    if out == Path::new("-") {
        output::stream(|stdout| vitrun::pack(folder, with_checkpoints, stdout).map(drop))?;
        return Ok(0);
    }
    let temporary = out.with_file_name(format!(".{}.{}.tmp", name_of(out), std::process::id()));
    let outcome = pack_through(folder, &temporary, with_checkpoints)
        .and_then(|()| fs::rename(&temporary, out).map_err(|source| Error::io(out, "write the file", source)));
    if outcome.is_err() {
        // What is left helps nobody, and its removal may fail for the same reason.
        let _ = fs::remove_file(&temporary);
    }
    outcome?;
    told(out)
}

fn pack_through(folder: &Path, temporary: &Path, with_checkpoints: bool) -> Result<()> {
    let refuse = |source| Error::io(temporary, "write the file", source);
    let file = BufWriter::new(File::create(temporary).map_err(refuse)?);
    vitrun::pack(folder, with_checkpoints, file)?.flush().map_err(refuse)
}

/// Unpacks runs.
pub(super) fn import(args: &ImportArgs) -> Result<u8> {
    for path in &args.files {
        let file = File::open(path).map_err(|error| Error::file(path, format!("cannot be read: {error}"), ""))?;
        let folder = vitrun::import(BufReader::new(file), path, &args.place.runs_dir)?;
        output::print(&format!("{}\n", folder.display()))?;
    }
    Ok(0)
}

/// Writes the page of a run.
pub(super) fn report(args: &ReportArgs) -> Result<u8> {
    let run = args.place.recorded(&args.run)?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.html", run.header.meta.id)));
    write(&out, html::page(&run).as_bytes())
}

fn write(out: &Path, bytes: &[u8]) -> Result<u8> {
    if out == Path::new("-") {
        return output::print_bytes(bytes).map(|()| 0);
    }
    platform::write_atomically(out, bytes)?;
    told(out)
}

/// The written file on stdout, for the next command.
fn told(out: &Path) -> Result<u8> {
    output::print(&format!("{}\n", out.display())).map(|()| 0)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
