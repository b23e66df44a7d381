//! `dashboard`: the window on runs. It is a binary of its own, so that training builds no interface.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use vitrine::error::{Error, Result};
use vitrine::serve::{MANIFEST, Site, listen};

use super::output;

/// The binary beside this one.
const BINARY: &str = "dashboard";

const EXAMPLES: &str = "\
Examples:
  vitrine dashboard                        the window, with the runs of this folder
  vitrine dashboard last                   the latest run
  vitrine dashboard a.vitrun b.vitrun      two recorded runs side by side
  vitrine dashboard --view 'compare?runs=20260509-073045-demo,20260509-074512-demo-patchify'
  vitrine dashboard --serve                the same in a browser, live while runs train

The window needs the binary `dashboard` beside this one:
  cargo build --release --features dashboard --bin dashboard
The browser needs the built page:
  cargo web --out site";

/// Flags of `dashboard`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DashboardArgs {
    /// Runs to open: ids, beginnings of ids, names, folders, .vitrun files, or `last`
    runs: Vec<String>,
    /// Where the run folders are
    #[arg(long, value_name = "DIR", default_value = super::train::RUNS_DIR)]
    runs_dir: PathBuf,
    /// What to show: the part of a link after #
    #[arg(long, value_name = "VIEW")]
    view: Option<String>,
    /// Serve the page with these runs on 127.0.0.1, and open no window
    #[arg(long, conflicts_with = "runs")]
    serve: bool,
    /// Port to serve on; 0: any free one
    #[arg(long, value_name = "N", default_value_t = 8080, requires = "serve")]
    port: u16,
    /// Where the built page is
    #[arg(long, value_name = "DIR", default_value = "site", requires = "serve")]
    site: PathBuf,
}

/// Opens the window and waits until it is closed; its exit code. With --serve it serves until it is ended.
pub fn run(args: &DashboardArgs) -> Result<u8> {
    if args.serve {
        return serve(args);
    }
    let own = std::env::current_exe().map_err(|error| Error::Internal(format!("the path of this program is unknown: {error}")))?;
    let binary = own.with_file_name(format!("{BINARY}{}", std::env::consts::EXE_SUFFIX));
    if !binary.is_file() {
        let what = format!("the window is a program of its own, and there is none at {}", binary.display());
        let profile = if own.parent().is_some_and(|folder| folder.ends_with("release")) { " --release" } else { "" };
        return Err(Error::usage(what, format!("build it with `cargo build{profile} --features dashboard --bin {BINARY}`")));
    }
    let mut words: Vec<OsString> = vec!["--runs-dir".into(), args.runs_dir.clone().into()];
    if let Some(view) = &args.view {
        words.extend(["--view".into(), view.into()]);
    }
    words.extend(args.runs.iter().map(OsString::from));
    let status = Command::new(&binary).args(words).status().map_err(|source| Error::io(&binary, "start the window", source))?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

fn serve(args: &DashboardArgs) -> Result<u8> {
    if !args.site.join(MANIFEST).is_file() {
        let hint = "`cargo web --out site` builds it; --site names another folder";
        return Err(Error::file(&args.site, "there is no built page", hint));
    }
    let listener = listen(args.port)?;
    let address = listener.local_addr().map_err(|source| Error::io(&args.site, "serve", source))?;
    let view = args.view.as_ref().map_or(String::new(), |view| format!("#{view}"));
    output::note(&format!("open http://localhost:{}/{view} (Ctrl-C ends)", address.port()));
    Site { root: args.site.clone(), runs_dir: Some(args.runs_dir.clone()) }.serve(&listener)?;
    Ok(0)
}
