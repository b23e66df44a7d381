//! `sweep`: a grid file → many runs and a table.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vitrine::config::grid::Grid;
use vitrine::error::{Error, Result};
use vitrine::run::sweep::{SlotState, Sweep};
use vitrine::run::sweep_table;
use vitrine::train::recorded::{Recorded, Standing};
use vitrine::train::sweep::{self, Member, News, Plan};

use super::args::DeviceArgs;
use super::campaign::{INTERRUPTED, Pace, end_text, stop_on_ctrl_c};
use super::output;

/// Exit code of a sweep in which a run could not be trained.
const FAILED: u8 = 1;

const EXAMPLES: &str = "\
A grid file:
  preset = \"demo\"                  # or config = \"mine.toml\"
  seeds = 3                        # 0, 1, 2; or a list
  max_steps = 320                  # optional
  [set]                            # for every run
  schedule.kind = \"constant\"
  [axes]                           # every combination of these
  model.stem = [\"1Proj\", \"3Conv+3BN+3ReLU+1Proj\"]
  optim.lr = [2e-3, 4e-3, 8e-3]

Examples:
  vitrine sweep grid.toml --dry-run          what would be trained
  vitrine sweep grid.toml                    train it; again: go on where it was left
  vitrine sweep stem-lr-warmup --dry-run     a built-in grid: the paper's axes, scaled down
  vitrine sweep grid.toml --format csv       the same, with the table as CSV on stdout
  vitrine runs ls --runs-dir runs/sweep-grid its runs

The folder runs/sweep-NAME holds the runs, sweep.json, table.md and table.csv, renewed whenever a run ends.
A run is known by its config: a grid that has grown keeps what it has. Killed or stopped, the same command
goes on; runs that have ended are not repeated.

Exit codes: 0 every run has ended (a crash is an end), 1 a run could not be trained, 130 interrupted.";

/// Flags of `sweep`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct SweepArgs {
    /// The grid file, TOML; or a built-in grid: stem-lr-warmup, deit-small-table1
    #[arg(value_name = "GRID")]
    grid: PathBuf,
    #[command(flatten)]
    flags: SweepFlags,
}

/// How any grid is trained and shown.
#[derive(Args, Debug)]
pub struct SweepFlags {
    /// Runs at a time; 0: as many as the device has room for
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
    #[command(flatten)]
    device: DeviceArgs,
    /// Set one key over everything the grid says; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
    /// The images: the same as --set data.path=PATH
    #[arg(long, value_name = "PATH")]
    pub data_path: Option<String>,
    /// Weights for the variants of the grid that say init = true
    #[arg(long, value_name = "WEIGHTS")]
    init: Option<PathBuf>,
    /// Stop each run after N optimiser steps, whatever the grid says
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_steps: Option<u64>,
    /// Where the sweep's folder is made
    #[arg(long, value_name = "DIR", default_value = super::train::RUNS_DIR)]
    runs_dir: PathBuf,
    /// Print the runs and what stands of them (with --json a line each), and train nothing
    #[arg(long)]
    dry_run: bool,
    /// How to print the table
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json
    #[arg(long)]
    json: bool,
    /// No progress on stderr; errors only
    #[arg(long)]
    quiet: bool,
}

/// How a table is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal
    Text,
    /// For documents
    Markdown,
    /// For programs: shares in 0..1
    Csv,
    /// Everything, as in sweep.json
    Json,
}

/// Runs a sweep, or prints what it would run.
pub fn run(args: &SweepArgs) -> Result<u8> {
    train(Grid::read(&args.grid)?, &args.flags, table)
}

/// Trains a grid, or prints what would be trained; `show` prints what came of it.
pub fn train(mut grid: Grid, args: &SweepFlags, show: impl Fn(&Sweep, Format) -> String) -> Result<u8> {
    grid.max_steps = args.max_steps.or(grid.max_steps);
    let data_path = args.data_path.iter().map(|path| format!("data.path={path}"));
    let plan = Plan {
        grid,
        runs_dir: args.runs_dir.clone(),
        sets: args.sets.iter().cloned().chain(data_path).collect(),
        jobs: args.jobs,
        device: args.device.choice()?,
        adapter: args.device.adapter.clone(),
        init: args.init.clone(),
    };
    if args.dry_run {
        return preview(&plan, if args.json { Format::Json } else { args.format });
    }
    let stop = stop_on_ctrl_c()?;
    let mut told = Told { pace: Pace::new(plan.grid.max_steps), left: 0, is_quiet: args.quiet };
    let (sweep, is_stopped) = sweep::run(&plan, &stop, &mut |news| told.tell(&news))?;
    output::print(&show(&sweep, if args.json { Format::Json } else { args.format }))?;
    let failed = sweep.count(SlotState::Failed);
    if failed > 0 {
        output::note(&format!("{failed} run(s) could not be trained; the same command tries them again"));
    }
    let folder = plan.folder();
    match (is_stopped, failed) {
        (true, _) => output::note(&format!("go on with the same command; the runs lie in {}", folder.display())),
        (false, _) if !args.quiet => output::note(&format!("runs and tables: {}", folder.display())),
        _ => {}
    }
    Ok(if is_stopped {
        INTERRUPTED
    } else if failed > 0 {
        FAILED
    } else {
        0
    })
}

/// The table of a sweep.
pub fn table(sweep: &Sweep, format: Format) -> String {
    match format {
        Format::Text => sweep_table::plain(sweep),
        Format::Markdown => sweep_table::markdown(sweep),
        Format::Csv => sweep_table::csv(sweep),
        Format::Json => serde_json::to_string(sweep).expect("plain data with text keys") + "\n",
    }
}

/// A run that would be trained.
#[derive(Serialize)]
struct Prospect<'a> {
    label: &'a str,
    seed: u64,
    standing: &'static str,
    /// The run that stands already.
    run: Option<String>,
}

fn preview(plan: &Plan, format: Format) -> Result<u8> {
    if matches!(format, Format::Markdown | Format::Csv) {
        return Err(Error::usage("--dry-run has no table to print", "leave --format out, or take --format json"));
    }
    let members = plan.preview()?;
    let recorded = if plan.folder().is_dir() { Recorded::scan(&plan.folder())? } else { Recorded::default() };
    let mut lines = String::new();
    for Member { label, resolved, .. } in &members {
        let (standing, run) = match recorded.standing(&resolved.experiment, plan.grid.max_steps)? {
            Standing::Done(meta) => ("done", Some(meta.id)),
            Standing::Begun(_) => ("begun, would go on", None),
            Standing::Missing => ("would begin", None),
        };
        if format == Format::Json {
            output::print_json(&Prospect { label, seed: resolved.experiment.train.seed, standing, run })?;
        } else {
            let run = run.map_or(String::new(), |run| format!(", {run}"));
            lines += &format!("{label}: {standing}{run}\n");
        }
    }
    if format == Format::Json {
        return Ok(0);
    }
    output::print(&format!("{lines}{} runs in {}\n", members.len(), plan.folder().display()))?;
    Ok(0)
}

/// What is told on stderr.
struct Told {
    pace: Pace,
    left: usize,
    is_quiet: bool,
}

impl Told {
    fn tell(&mut self, news: &News<'_>) {
        if let News::Begins(sweep, ..) | News::Ended(sweep, ..) = news {
            self.left = sweep.count(SlotState::Waiting);
        }
        let line = match news {
            News::Begins(sweep, begun, room) => {
                let (all, done) = (sweep.slots().count(), sweep.count(SlotState::Done));
                let seeds = sweep.seeds.len();
                Some(format!(
                    "{}: {all} runs ({} cells × {seeds} seed(s)), {done} done, {begun} to go on; {} at a time, {} thread(s) each",
                    sweep.name,
                    sweep.cells.len(),
                    room.jobs,
                    room.threads
                ))
            }
            News::Event(member, event) => self.pace.line(&member.label, event, self.left),
            News::Ended(sweep, member, slot) => {
                let (all, ended) = (sweep.slots().count(), sweep.count(SlotState::Done) + sweep.count(SlotState::Failed));
                let tally = &sweep.cells[member.cell_ix].tally;
                let cell = format!("cell: crashed {}, top-1 {}", sweep_table::crash_text(tally), sweep_table::accuracy_text(tally));
                Some(format!("{ended}/{all}  {}: {}  [{cell}]", member.label, end_text(slot)))
            }
        };
        if let Some(line) = line.filter(|_| !self.is_quiet) {
            output::note(&line);
        }
    }
}
