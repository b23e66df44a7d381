//! `data`: looking at image sets and packing them.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use vitrine::config;
use vitrine::config::experiment::DataConfig;
use vitrine::data::pack::Encoding;
use vitrine::data::packer::{self, Recipe};
use vitrine::data::problems::{self, Findings};
use vitrine::data::{self, Split};
use vitrine::error::{Error, Result};

use super::args::ConfigArgs;
use super::output;

const EXAMPLES: &str = "\
Examples:
  vitrine data check --data-path ~/photographs            damaged files, doubles, uneven classes
  vitrine data pack --data-path ~/photographs             smaller copies, read from then on
  vitrine data pack --data-path /data/imagenet --side 292 --encoding jpeg
  vitrine data check --data-path /data/market --set data.kind=market1501

The set is class folders (data.kind = \"folder\") unless a preset, a config or --set says otherwise.";

const CHECK_EXAMPLES: &str = "\
Examples:
  vitrine data check --data-path ~/photographs
  vitrine data check --data-path ~/photographs --json
  vitrine data check --data-path /data/market --set data.kind=market1501

Exit codes: 0 the set can be trained on, 3 more than 1 % of a half cannot be read.";

const PACK_EXAMPLES: &str = "\
Examples:
  vitrine data pack --data-path ~/photographs
  vitrine data pack --data-path /data/imagenet --side 292
  vitrine data pack --data-path ~/scans --encoding raw     pixels as they are, for sets that fit the disk";

/// Flags of `data`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DataArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Decode every image once and list what is wrong
    Check(CheckArgs),
    /// Keep smaller copies of all images beside them, in a few large files
    ///
    /// Training finds the pack in `.vitrine-pack` beneath the data path and reads it in place of
    /// the images, as long as they have not changed. Interrupted, the same command goes on.
    Pack(PackArgs),
}

#[derive(Args, Debug)]
#[command(after_help = CHECK_EXAMPLES)]
struct CheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Print the findings as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
#[command(after_help = PACK_EXAMPLES)]
struct PackArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Shorter side of the copies, pixels; 256 is what 224-pixel models are tested at
    #[arg(long, value_name = "PIXELS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(8..=8192))]
    side: u32,
    /// How scaled images are kept; images that are small enough are always kept exactly
    #[arg(long, value_enum, default_value_t = EncodingName::Jpeg)]
    encoding: EncodingName,
}

/// What `--encoding` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EncodingName {
    /// JPEG of quality 95
    Jpeg,
    /// Pixels: some five times the room, and nothing to decode
    Raw,
}

/// Carries out a verb of `data`.
pub fn run(args: &DataArgs) -> Result<u8> {
    match &args.verb {
        Verb::Check(args) => check(args),
        Verb::Pack(args) => pack(args),
    }
}

/// The images themselves, whatever pack there is.
fn open(args: &ConfigArgs) -> Result<(Split, PathBuf)> {
    let mut sources = args.sources();
    if args.is_empty() {
        // The built-in set is embedded: there is nothing to check or to pack.
        sources.sets.insert(0, "data.kind=folder".into());
    }
    let experiment = config::load(&sources)?.experiment;
    let data = DataConfig { pack: false, ..experiment.data };
    if data.path.is_empty() && data.kind == "folder" {
        return Err(Error::usage("there is no folder to look at", "give --data-path PATH"));
    }
    let split = data::open_whole(&data, experiment.model.image_size, experiment.model.num_classes)?;
    for note in split.train.notes.iter().chain(&split.test.notes) {
        output::note(note);
    }
    Ok((split, PathBuf::from(data.path)))
}

fn check(args: &CheckArgs) -> Result<u8> {
    let (split, _) = open(&args.config)?;
    let (train, test) = (&split.train, &split.test);
    output::note(&format!("{} training and {} test images of {} classes; decoding all …", train.len(), test.len(), train.num_classes()));
    let findings = problems::find(&split);
    if args.json {
        output::print_json(&findings)?
    } else {
        output::print(&report(&findings))?
    }
    if findings.is_refused {
        let what = format!("{} of {} images cannot be used, which is more than 1 %", findings.unreadable.len(), findings.images);
        return Err(Error::data(&train.path, what, "replace or delete the damaged files"));
    }
    Ok(0)
}

/// One line a finding, and one that sums up.
fn report(findings: &Findings) -> String {
    let mut lines: Vec<String> = findings.unreadable.clone();
    lines.extend(findings.leaked.iter().map(|(train, test)| format!("{test}: the same picture as {train}, which is trained on")));
    lines.extend(
        findings
            .small_classes
            .iter()
            .map(|(name, count)| format!("class {name}: {count} training images, less than a tenth of the largest class")),
    );
    let sides = findings.shorter_sides.map_or_else(String::new, |(least, most)| format!(", shorter sides {least} to {most} pixels"));
    let verdict = match lines.len() {
        0 => "no problem found".to_string(),
        1 => "1 problem".to_string(),
        count => format!("{count} problems"),
    };
    lines.push(format!("{} images{sides}: {verdict}", findings.images));
    lines.join("\n") + "\n"
}

fn pack(args: &PackArgs) -> Result<u8> {
    let (split, path) = open(&args.config)?;
    let encoding = match args.encoding {
        EncodingName::Jpeg => Encoding::Jpeg,
        EncodingName::Raw => Encoding::Raw,
    };
    let recipe = Recipe { side: args.side as usize, encoding };
    let images = split.train.len() + split.test.len();
    let estimate = packer::estimated_bytes(&split, recipe);
    output::note(&format!("packing {images} images at a shorter side of {} pixels, about {} …", args.side, size(estimate)));
    let mut shown = 0;
    let packed = packer::pack(&split, Path::new(&path), recipe, &mut |done, all| {
        let percent = 100 * done / all.max(1);
        if percent >= shown + 10 {
            shown = percent;
            output::note(&format!("{percent} %: {done} of {all} shards"));
        }
    })?;
    packed.unreadable.iter().for_each(|message| output::note(message));
    let kept = if packed.kept_shards > 0 { format!(", {} of them there already", packed.kept_shards) } else { String::new() };
    let unreadable = if packed.unreadable.is_empty() { String::new() } else { format!("; {} cannot be read", packed.unreadable.len()) };
    output::print(&format!(
        "{}: {} images in {} shards{kept}, {}{unreadable}\n",
        packed.folder.display(),
        packed.images,
        packed.shards,
        size(packed.bytes)
    ))?;
    Ok(0)
}

/// `12.3 MB`.
fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.0} kB", bytes / 1e3),
    }
}
