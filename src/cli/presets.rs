//! `presets`: the experiments that ship with Vitrine.

use clap::Args;
use serde::Serialize;
use vitrine::config::presets::{self, Preset};
use vitrine::error::Result;

use super::output;

const EXAMPLES: &str = "\
Examples:
  vitrine presets                          names and what they are for
  vitrine presets demo                     one as TOML, with its comments
  vitrine presets demo > mine.toml         a start for an experiment of your own
  vitrine presets --json                   a JSON line each";

/// Flags of `presets`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct PresetsArgs {
    /// The preset to print
    name: Option<String>,
    /// Print JSON: a line a preset, or one preset with its TOML
    #[arg(long)]
    json: bool,
}

/// A preset as JSON.
#[derive(Serialize)]
struct PresetJson {
    name: &'static str,
    description: &'static str,
    /// The file, where one preset is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    toml: Option<&'static str>,
}

/// Prints the table, or one preset.
pub fn run(args: &PresetsArgs) -> Result<u8> {
    let json = |preset: &Preset, toml| output::print_json(&PresetJson { name: preset.name, description: preset.description(), toml });
    match (&args.name, args.json) {
        (Some(name), false) => output::print(presets::get(name)?.text)?,
        (Some(name), true) => json(presets::get(name)?, Some(presets::get(name)?.text))?,
        (None, false) => output::print(&table())?,
        (None, true) => presets::all().iter().try_for_each(|preset| json(preset, None))?,
    }
    Ok(0)
}

fn table() -> String {
    let width = presets::names().map(str::len).max().unwrap_or(0);
    presets::all().iter().map(|preset| format!("{:width$}  {}\n", preset.name, preset.description())).collect()
}
