//! `runs rm`, `runs gc`. Nothing goes without `--yes`: without it both say what would go.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use vitrine::error::{Error, Result};
use vitrine::run::gc::{self, Removal, Wanted};
use vitrine::run::{read, report};

use super::{Place, output};

const RM_EXAMPLES: &str = "\
Examples:
  vitrine runs rm 20260509-073045-demo         says what would go, and exits 2
  vitrine runs rm 20260509-073045-demo --yes   removes it

A run that is being trained is refused.";

const GC_EXAMPLES: &str = "\
Examples:
  vitrine runs gc                              what could go: leftovers, and optimiser files of finished runs
  vitrine runs gc --checkpoints                also all checkpoints but the best weights
  vitrine runs gc --failed                     also whole runs that crashed, were interrupted or killed
  vitrine runs gc --checkpoints --yes          does it

Runs with a tag and runs that are being trained are never touched.";

/// Flags of `runs rm`.
#[derive(Args, Debug)]
#[command(after_help = RM_EXAMPLES)]
pub(super) struct RmArgs {
    /// Ids, beginnings of ids, names or folders
    #[arg(required = true)]
    runs: Vec<String>,
    /// Remove them; without it, only say what would go
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

/// Flags of `runs gc`.
#[derive(Args, Debug)]
#[command(after_help = GC_EXAMPLES)]
pub(super) struct GcArgs {
    /// Also all checkpoints of ended runs but the best and the averaged weights
    #[arg(long)]
    checkpoints: bool,
    /// Also whole runs that crashed, were interrupted or killed
    #[arg(long)]
    failed: bool,
    /// Only say what would go; what happens without --yes anyway
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Remove it
    #[arg(long)]
    yes: bool,
    /// Print a JSON line for each file or folder
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct RemovalJson<'a> {
    path: &'a Path,
    bytes: u64,
    why: &'a str,
    is_removed: bool,
}

/// Removes runs, or says what would go.
pub(super) fn rm(args: &RmArgs) -> Result<u8> {
    let folders = args.runs.iter().map(|run| args.place.folder(run)).collect::<Result<Vec<PathBuf>>>()?;
    let mut removals: Vec<Removal> = Vec::new();
    for path in folders {
        if read::read_header(&path)?.is_live {
            return Err(Error::file(&path, "this run is being trained", "stop it first"));
        }
        if removals.iter().all(|removal| removal.path != path) {
            removals.push(Removal { bytes: gc::size_of(&path), path, why: "the whole run" });
        }
    }
    let code = carry_out(&removals, args.yes, false)?;
    if args.yes { Ok(code) } else { Err(Error::usage("nothing removed", "add --yes")) }
}

/// Removes what nobody misses, or says what that is.
pub(super) fn gc(args: &GcArgs) -> Result<u8> {
    let listing = read::list(&args.place.runs_dir)?;
    for error in &listing.unreadable {
        output::note(&format!("warning: left alone: {error}"));
    }
    let wanted = Wanted { checkpoints: args.checkpoints, failed: args.failed };
    let removals = gc::plan(&args.place.runs_dir, &listing, wanted)?;
    carry_out(&removals, args.yes && !args.dry_run, args.json)
}

fn carry_out(removals: &[Removal], is_meant: bool, json: bool) -> Result<u8> {
    for removal in removals {
        if is_meant {
            gc::remove(&removal.path)?;
        }
        if json {
            output::print_json(&RemovalJson { path: &removal.path, bytes: removal.bytes, why: removal.why, is_removed: is_meant })?;
        }
    }
    if json {
        return Ok(0);
    }
    let total = size_text(removals.iter().map(|removal| removal.bytes).sum());
    let rows: Vec<[String; 3]> =
        removals.iter().map(|removal| [size_text(removal.bytes), removal.path.display().to_string(), removal.why.to_string()]).collect();
    let end = match (removals.is_empty(), is_meant) {
        (true, _) => "nothing to remove\n".to_string(),
        (false, true) => format!("removed; {total} freed\n"),
        (false, false) => format!("nothing removed yet: {total} would be freed with --yes\n"),
    };
    output::print(&(report::aligned(&rows) + &end))?;
    Ok(0)
}

/// `1.5 MB` for 1 500 000.
fn size_text(bytes: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < units.len() {
        size /= 1000.0;
        unit += 1;
    }
    let decimals = usize::from(unit > 0 && size < 9.95);
    format!("{size:.decimals$} {}", units[unit])
}
