//! `edge`: the largest stable learning rate of some stems, with an interval.

use std::path::PathBuf;

use clap::Args;
use vitrine::config::Sources;
use vitrine::config::stem::StemKind;
use vitrine::error::{Error, Result};
use vitrine::run::edge::{Edge, Next, StemEdge};
use vitrine::run::number::short;
use vitrine::train::edge::{self, Plan};

use super::args::{ConfigArgs, DeviceArgs};
use super::campaign::{INTERRUPTED, stop_on_ctrl_c};
use super::output;
use super::train::FIRST_PRESET;

const EXAMPLES: &str = "\
Examples:
  vitrine edge --stem 1Proj --stem 3Conv+3BN+3ReLU+1Proj --seeds 3
  vitrine edge --stem 1Proj --set schedule.warmup_epochs=0 --steps 320 --name no-warmup
  vitrine edge --stem 1Proj --set optim.kind=sgd --set optim.sam_rho=0.05 --json

For each stem and seed the learning rate is widened from --lr by factors of 4 and then bisected in log lr until
a stable rate stands 19 % below an unstable one. Unstable: the run crashed (non-finite, diverged, collapsed) or
never learned. The edge of a stem is the geometric mean over seeds, with Student's 95 % interval.

The runs lie in runs/edge-NAME beside edge.json; killed or stopped, the same command goes on.
Exit codes: 0 done, 130 interrupted.";

/// Flags of `edge`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct EdgeArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// A stem in the paper's notation; may be repeated; none: that of the config
    #[arg(long = "stem", value_name = "STEM")]
    stems: Vec<String>,
    /// Seeds of each stem: 0 to N−1
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=1000))]
    seeds: u64,
    /// Optimiser steps of each run; the schedule stays that of the full length
    #[arg(long, value_name = "N", default_value_t = 320, value_parser = clap::value_parser!(u64).range(100..))]
    steps: u64,
    /// Learning rate to start from; otherwise the config's
    #[arg(long, value_name = "LR", allow_negative_numbers = true)]
    lr: Option<f64>,
    /// Name of the folder; otherwise the preset's or the config file's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
    /// Runs at a time; 0: as many as the device has room for
    #[arg(long, value_name = "N", default_value_t = 0)]
    jobs: usize,
    /// Where the folder is made
    #[arg(long, value_name = "DIR", default_value = super::train::RUNS_DIR)]
    runs_dir: PathBuf,
    /// Print the record as JSON
    #[arg(long)]
    json: bool,
    /// No progress on stderr; errors only
    #[arg(long)]
    quiet: bool,
}

/// Searches, and prints a line a stem.
pub fn run(args: &EdgeArgs) -> Result<u8> {
    if args.lr.is_some_and(|lr| lr.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) || lr > 1e30) {
        return Err(Error::usage("--lr takes a learning rate above 0", "for example --lr 1e-3"));
    }
    let mut base = args.config.sources();
    if args.config.is_empty() {
        base.preset = Some(FIRST_PRESET);
    }
    let plan = Plan {
        name: args.name.clone().unwrap_or_else(|| base_name(&base)),
        stems: stems(args, &base)?,
        seeds: (0..args.seeds).collect(),
        steps: args.steps,
        start_lr: args.lr,
        runs_dir: args.runs_dir.clone(),
        jobs: args.jobs,
        device: args.device.choice()?,
        adapter: args.device.adapter.clone(),
        base,
    };
    let stop = stop_on_ctrl_c()?;
    let (edge, is_stopped) = edge::run(&plan, &stop, &mut |edge, line| {
        if !args.quiet {
            output::note(&line.map_or_else(|| opening(edge), str::to_string));
        }
    })?;
    if args.json {
        output::print_json(&edge)?;
    } else {
        output::print(&edge.stems.iter().map(line).collect::<String>())?;
    }
    if is_stopped || !args.quiet {
        let more = if is_stopped { "go on with the same command; " } else { "" };
        output::note(&format!("{more}runs: {}", plan.folder().display()));
    }
    Ok(if is_stopped { INTERRUPTED } else { 0 })
}

fn base_name(base: &Sources<'_>) -> String {
    let of_file = base.file.and_then(|path| path.file_stem()).map(|stem| stem.to_string_lossy().into_owned());
    of_file.or(base.preset.map(str::to_string)).unwrap_or_else(|| FIRST_PRESET.to_string())
}

/// The stems asked for, each once and by its one notation.
fn stems(args: &EdgeArgs, base: &Sources<'_>) -> Result<Vec<String>> {
    if args.stems.is_empty() {
        return Ok(vec![vitrine::config::load(base)?.experiment.model.stem]);
    }
    let mut stems: Vec<String> = Vec::new();
    for stem in &args.stems {
        let name = StemKind::from_name(stem)?.name().to_string();
        if !stems.contains(&name) {
            stems.push(name);
        }
    }
    Ok(stems)
}

fn opening(edge: &Edge) -> String {
    let searches = edge.stems.iter().map(|stem| stem.searches.len()).sum::<usize>();
    format!("{}: {searches} search(es) of {} steps a run, from learning rate {}", edge.name, edge.steps, short(edge.start_lr))
}

fn line(stem: &StemEdge) -> String {
    let open = stem.searches.iter().filter(|search| !search.is_over()).count();
    let without = |next: Next| stem.searches.iter().filter(|search| search.next() == next).count();
    let mut notes = Vec::new();
    for (count, what) in
        [(open, "unfinished"), (without(Next::AllStable), "stable at every rate"), (without(Next::NoneStable), "stable at none")]
    {
        if count > 0 {
            notes.push(format!("{count} seed(s) {what}"));
        }
    }
    let number = match &stem.edge {
        Some(edge) => {
            format!("largest stable lr {} ({} to {}), {} seed(s)", short3(edge.lr), short3(edge.low), short3(edge.high), edge.seeds)
        }
        None => "no edge found".to_string(),
    };
    let notes = if notes.is_empty() { String::new() } else { format!("; {}", notes.join(", ")) };
    format!("{:<24}  {number}{notes}\n", stem.stem)
}

/// Three digits: more than such a number has.
fn short3(lr: f64) -> String {
    format!("{lr:.2e}")
}
