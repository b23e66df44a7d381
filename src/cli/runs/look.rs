//! `runs ls`, `runs show`, `runs compare`.

use std::path::Path;

use clap::Args;
use vitrine::error::{Error, Result};
use vitrine::run::compare as side_by_side;
use vitrine::run::{read, report};

use super::{Place, output};

const LS_EXAMPLES: &str = "\
Examples:
  vitrine runs ls                     every run, oldest first
  vitrine runs ls --tag baseline      only those with this tag
  vitrine runs ls --json | jq .best   run.json of each, one line a run";

const SHOW_EXAMPLES: &str = "\
Examples:
  vitrine runs show last
  vitrine runs show 20260509 --json   by the beginning of its id, as JSON
  vitrine runs show colleague.vitrun  without unpacking it";

const COMPARE_EXAMPLES: &str = "\
Examples:
  vitrine runs compare demo demo-patchify
  vitrine runs compare 20260509 last --json
  vitrine runs compare a.vitrun b.vitrun last";

/// Flags of `runs ls`.
#[derive(Args, Debug)]
#[command(after_help = LS_EXAMPLES)]
pub(super) struct LsArgs {
    /// Only runs with this tag; may be repeated, then all of them
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// Print JSON, one line a run
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Flags of `runs show`.
#[derive(Args, Debug)]
#[command(after_help = SHOW_EXAMPLES)]
pub(super) struct ShowArgs {
    /// Id, beginning of an id, name, folder, `last`, or a .vitrun file
    run: String,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Flags of `runs compare`.
#[derive(Args, Debug)]
#[command(after_help = COMPARE_EXAMPLES)]
pub(super) struct CompareArgs {
    /// Two runs or more, as in `runs show`
    #[arg(required = true, num_args = 2..)]
    runs: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Prints the list.
pub(super) fn list(args: &LsArgs) -> Result<u8> {
    check_folder(&args.place.runs_dir)?;
    let read::Listing { mut runs, mut unreadable } = read::list(&args.place.runs_dir)?;
    // With nothing else to show, the last damage is the answer.
    let failure = if runs.is_empty() { unreadable.pop() } else { None };
    for error in &unreadable {
        output::note(&format!("warning: {error}"));
    }
    if let Some(error) = failure {
        return Err(error);
    }
    let num_all = runs.len();
    runs.retain(|run| args.tag.iter().all(|tag| run.marks.tags.contains(tag)));
    if args.json {
        output::print(&report::list_json(&runs))?;
    } else if runs.is_empty() && num_all > 0 {
        output::print(&format!("none of {num_all} runs has the tag {}\n", args.tag.join(" and ")))?;
    } else {
        output::print(&report::list_table(&runs))?;
    }
    Ok(0)
}

/// Prints one run.
pub(super) fn show(args: &ShowArgs) -> Result<u8> {
    let recorded = args.place.recorded(&args.run)?;
    output::print(&if args.json { report::show_json(&recorded) } else { report::show(&recorded) })?;
    Ok(0)
}

/// Prints runs side by side.
pub(super) fn compare(args: &CompareArgs) -> Result<u8> {
    let runs = args.runs.iter().map(|run| args.place.recorded(run)).collect::<Result<Vec<_>>>()?;
    let comparison = side_by_side::compare(&runs);
    if args.json {
        output::print_json(&comparison)?;
    } else {
        output::print(&comparison.text())?;
    }
    Ok(0)
}

fn check_folder(runs_dir: &Path) -> Result<()> {
    match std::fs::metadata(runs_dir) {
        Ok(entry) if !entry.is_dir() => Err(Error::file(runs_dir, "not a folder of runs", "--runs-dir takes a folder")),
        _ => Ok(()),
    }
}
