//! `presets`: the experiments that ship with Vitrine.

use clap::Args;
use vitrine::config::presets;
use vitrine::error::Result;

use super::output;

const EXAMPLES: &str = "\
Examples:
  vitrine presets                          names and what they are for
  vitrine presets demo                     one as TOML, with its comments
  vitrine presets demo > mine.toml         a start for an experiment of your own";

/// Flags of `presets`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PresetsArgs {
    /// The preset to print
    name: Option<String>,
}

/// Prints the table, or one preset.
pub fn run(args: &PresetsArgs) -> Result<u8> {
    match &args.name {
        Some(name) => output::print(presets::get(name)?.text)?,
        None => output::print(&table())?,
    }
    Ok(0)
}

fn table() -> String {
    let width = presets::names().map(str::len).max().unwrap_or(0);
    presets::all().iter().map(|preset| format!("{:width$}  {}\n", preset.name, preset.description())).collect()
}
