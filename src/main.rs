//! The command line: parse, call one function per verb, turn the result into an exit code.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    cli::output::hush_drivers();
    cli::output::report_panics();
    let code = match cli::Cli::try_parse() {
        Ok(line) => cli::output::without_panic(|| cli::run(line)),
        Err(refusal) => cli::output::refused(&refusal),
    };
    ExitCode::from(code)
}
