//! The verbs, and what all of them share.
//!
//! Exit codes: 0 done · 1 internal · 2 usage · 3 bad config or data · 4 no adapter, or its limits
//! are too small · 10 the run crashed · 130 interrupted.

/// Flags that several verbs take.
mod args;
/// `bench`.
mod bench;
/// `dashboard`.
mod dashboard;
/// `data`.
mod data;
/// `completions`, `man`.
mod completions;
/// `doctor`.
mod doctor;
/// What `sweep` and `edge` share.
mod campaign;
/// `train --dry-run`.
mod dry_run;
/// `edge`.
mod edge;
/// `eval`.
mod eval;
/// `export`.
mod export;
/// `inspect`.
mod inspect;
/// Ops against the clock.
mod op_times;
/// stdout, stderr, exit codes.
pub mod output;
/// `presets`.
mod presets;
/// Matrix products against the clock.
mod products;
/// A running session on stderr.
mod progress;
/// `reproduce`.
mod reproduce;
/// `runs`.
mod runs;
/// `sweep`.
mod sweep;
/// The end of a training on stdout.
mod summary;
/// `trace`.
mod trace;
/// `train`.
mod train;
/// The weights that `eval` and `inspect` look at.
mod weights;

use clap::{CommandFactory, Parser, Subcommand};
use vitrine::error::Result;

const EXAMPLES: &str = "\
Examples:
  vitrine train                                    the demo: a ViT learns the embedded images
  vitrine train --preset deit-small --set data.kind=folder --data-path /data/imagenet
  vitrine train --resume last                      go on with the latest run
  vitrine runs ls                                  what has been trained
  vitrine doctor                                   what this machine can compute on

Exit codes: 0 done, 1 internal, 2 usage, 3 bad config or data, 4 no adapter or its limits are too
small, 10 the run crashed, 130 interrupted.";

/// Trains Vision Transformers on any GPU, or on the processor.
#[derive(Debug, Parser)]
#[command(name = "vitrine", version, about, after_help = EXAMPLES, arg_required_else_help = true, subcommand_required = true)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Train a model; without flags: the demo preset on the embedded images
    Train(train::TrainArgs),
    /// Loss and accuracy of weights on the test images
    Eval(eval::EvalArgs),
    /// What a model does inside: filters, feature maps, similarity, attention as PNG and CSV
    Inspect(inspect::InspectArgs),
    /// A few steps with all that parity with another implementation needs
    Trace(trace::TraceArgs),
    /// Weights for other programs: timm, safetensors
    Export(export::ExportArgs),
    /// Train every run of a grid file; a table of crashes, accuracy and similarity
    Sweep(sweep::SweepArgs),
    /// Train a table of the paper, row by row, beside what is printed there
    Reproduce(reproduce::ReproduceArgs),
    /// Find the largest stable learning rate of some stems
    Edge(edge::EdgeArgs),
    /// List runs, show, compare, share, tag and remove them
    Runs(runs::RunsArgs),
    /// Look at an image set, or pack it for many epochs
    Data(data::DataArgs),
    /// List the presets, or print one as TOML
    Presets(presets::PresetsArgs),
    /// Open the window on runs: live charts, comparisons, a look inside the model
    Dashboard(dashboard::DashboardArgs),
    /// What this machine can compute on: adapters, limits, kernels, speed
    Doctor(doctor::DoctorArgs),
    /// Measure training steps, matrix products and single ops
    Bench(bench::BenchArgs),
    /// Completions for a shell
    Completions(completions::CompletionsArgs),
    /// The manual page
    Man(completions::ManArgs),
}

/// Does what the command line asks for; the exit code.
pub fn run(line: Cli) -> Result<u8> {
    match line.verb {
        Verb::Train(args) => train::run(&args),
        Verb::Eval(args) => eval::run(&args),
        Verb::Inspect(args) => inspect::run(&args),
        Verb::Trace(args) => trace::run(&args),
        Verb::Export(args) => export::run(&args),
        Verb::Sweep(args) => sweep::run(&args),
        Verb::Reproduce(args) => reproduce::run(&args),
        Verb::Edge(args) => edge::run(&args),
        Verb::Runs(args) => runs::run(&args),
        Verb::Data(args) => data::run(&args),
        Verb::Presets(args) => presets::run(&args),
        Verb::Dashboard(args) => dashboard::run(&args),
        Verb::Doctor(args) => doctor::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Completions(args) => completions::completions(&args, Cli::command()),
        Verb::Man(args) => completions::man(&args, Cli::command()),
    }
}
