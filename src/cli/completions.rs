//! `completions` and `man`: both are made from the flags themselves, so they cannot lag behind.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_complete::Shell;
use vitrine::error::{Error, Result};
use vitrine::platform;

use super::output;

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  vitrine completions bash > ~/.local/share/bash-completion/completions/vitrine
  vitrine completions zsh > \"${fpath[1]}/_vitrine\"
  vitrine completions fish > ~/.config/fish/completions/vitrine.fish
  vitrine completions powershell >> $PROFILE";

const MAN_EXAMPLES: &str = "\
Examples:
  vitrine man | man -l -                         read it
  vitrine man --dir ~/.local/share/man/man1      install it, with a page for each verb";

/// Flags of `completions`.
#[derive(Args, Debug)]
#[command(after_help = COMPLETIONS_EXAMPLES, arg_required_else_help = true)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Flags of `man`.
#[derive(Args, Debug)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManArgs {
    /// Write vitrine.1, vitrine-train.1 … into this folder instead of the first one to stdout
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Prints the completions of a shell for `command`.
pub fn completions(args: &CompletionsArgs, mut command: Command) -> Result<u8> {
    let mut script = Vec::new();
    let name = command.get_name().to_string();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    output::print_bytes(&script)?;
    Ok(0)
}

/// Prints the manual page of `command`, or writes those of all its verbs.
pub fn man(args: &ManArgs, command: Command) -> Result<u8> {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    match &args.dir {
        None => output::print_bytes(&page(command)?)?,
        Some(dir) => {
            std::fs::create_dir_all(dir).map_err(|source| Error::io(dir, "make the folder", source))?;
            write_pages(dir, &command)?;
        }
    }
    Ok(0)
}

fn write_pages(dir: &Path, command: &Command) -> Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    platform::write_atomically(&dir.join(format!("{name}.1")), &page(command.clone())?)?;
    command.get_subcommands().try_for_each(|verb| write_pages(dir, verb))
}

fn page(command: Command) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(command).render(&mut page);
    written.map_err(|source| Error::io(Path::new("the manual page"), "write it", source))?;
    Ok(page)
}
