//! `runs tag`, `runs note`: what people write on runs (`marks.json` in the run folder).

use clap::Args;
use vitrine::error::{Error, Result};
use vitrine::run::marks::Marks;

use super::{Place, output};

const TAG_EXAMPLES: &str = "\
Examples:
  vitrine runs tag last baseline paper   adds two tags
  vitrine runs tag last --remove paper   takes one off
  vitrine runs tag last                  prints them, one a line
  vitrine runs ls --tag baseline         finds the run again

Runs with a tag are kept by `vitrine runs gc`. Tags lie in marks.json in the run folder.";

const NOTE_EXAMPLES: &str = "\
Examples:
  vitrine runs note last \"warm-up doubled; compare with 20260509\"
  vitrine runs note last                 prints it
  vitrine runs note last \"\"              removes it";

/// Flags of `runs tag`.
#[derive(Args, Debug)]
#[command(after_help = TAG_EXAMPLES)]
pub(super) struct TagArgs {
    /// Id, beginning of an id, name, folder, or `last`
    run: String,
    /// Words to add
    tags: Vec<String>,
    /// A word to take off; may be repeated
    #[arg(long, value_name = "TAG")]
    remove: Vec<String>,
    #[command(flatten)]
    place: Place,
}

/// Flags of `runs note`.
#[derive(Args, Debug)]
#[command(after_help = NOTE_EXAMPLES)]
pub(super) struct NoteArgs {
    /// Id, beginning of an id, name, folder, or `last`
    run: String,
    /// The note; without it, the one that is there is printed
    text: Option<String>,
    #[command(flatten)]
    place: Place,
}

/// Adds and removes tags, and prints those the run has then.
pub(super) fn tag(args: &TagArgs) -> Result<u8> {
    let folder = args.place.folder(&args.run)?;
    let mut marks = Marks::read(&folder)?;
    for tag in &args.tags {
        marks.add(tag)?;
    }
    for tag in &args.remove {
        if !marks.remove(tag) {
            let there = if marks.tags.is_empty() { "it has none".to_string() } else { format!("it has {}", marks.tags.join(", ")) };
            return Err(Error::usage(format!("the run has no tag `{tag}`"), there));
        }
    }
    if !args.tags.is_empty() || !args.remove.is_empty() {
        marks.write(&folder)?;
    }
    output::print(&marks.tags.iter().map(|tag| format!("{tag}\n")).collect::<String>())?;
    Ok(0)
}

/// Writes or prints the note.
pub(super) fn note(args: &NoteArgs) -> Result<u8> {
    let folder = args.place.folder(&args.run)?;
    let mut marks = Marks::read(&folder)?;
    match &args.text {
        Some(text) => {
            marks.note = text.trim().to_string();
            marks.write(&folder)?;
        }
        None if marks.note.is_empty() => {}
        None => output::print(&format!("{}\n", marks.note))?,
    }
    Ok(0)
}
