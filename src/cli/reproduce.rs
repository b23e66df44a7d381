//! `reproduce`: the paper's tables, trained.

use clap::Args;
use vitrine::config::paper;
use vitrine::error::Result;
use vitrine::run::sweep::Sweep;
use vitrine::run::sweep_table;

use super::output;
use super::sweep::{self, Format, SweepFlags};

const EXAMPLES: &str = "\
Examples:
  vitrine reproduce table2 --dry-run              what would be trained
  vitrine reproduce figure1                       scaled down, on the embedded images
  vitrine reproduce table1 --data-path ~/imagenet the real thing: 13 runs of 300 epochs
  vitrine reproduce table7 --data-path ~/imagenet --init dino_deitsmall16_pretrain.pth

Without --data-path the rows are trained at a scale that takes a processor minutes a run: which of them
crash, and their order, can be compared with the paper; accuracies cannot. table6 and table7 start from DINO's weights:
they need --init and --data-path, also for --dry-run. table4 is retrieval and is refused. The column `paper` is the
top-1 accuracy printed there. The runs lie in runs/sweep-NAME; killed or stopped, the same command goes on.";

/// Flags of `reproduce`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, arg_required_else_help = true)]
pub struct ReproduceArgs {
    /// table1, table2, table3, table5, table6, table7 or figure1
    #[arg(value_name = "TABLE")]
    name: String,
    /// Train at the small scale, also on the images of --data-path
    #[arg(long)]
    small: bool,
    #[command(flatten)]
    flags: SweepFlags,
}

/// Trains the rows, and prints them beside the paper's.
pub fn run(args: &ReproduceArgs) -> Result<u8> {
    let is_small = args.small || args.flags.data_path.is_none();
    let grid = paper::grid(&args.name, is_small)?;
    if is_small {
        output::note("at small scale: what crashes and in which order can be compared with the paper, accuracies cannot");
    }
    let by_layer = args.name.starts_with("figure");
    sweep::train(grid, &args.flags, |sweep, format| show(sweep, format, by_layer))
}

fn show(sweep: &Sweep, format: Format, by_layer: bool) -> String {
    let table = sweep::table(sweep, format);
    if by_layer && matches!(format, Format::Text) { format!("{table}\n{}", sweep_table::layers(sweep)) } else { table }
}
