//! The native window: arguments, the event loop, the host on threads.

/// Adapters, limits, self-test.
mod doctor;
/// What trainings would take.
mod estimates;
/// Following run folders while they grow.
mod follow;
/// The host.
pub mod host;
/// Trainings on threads.
mod training;

use std::path::PathBuf;
use std::process::ExitCode;

use eframe::egui;
use vitrine::dashboard::app::Dashboard;
use vitrine::dashboard::view::{Screen, View};
use vitrine::error::{Error, Result};

use super::{checkup, exports, pace};

const HELP: &str = "\
The dashboard in a window of its own. `vitrine dashboard` opens it.

Usage: dashboard [OPTIONS] [RUN]...

Arguments:
  [RUN]...          Runs to open: ids, beginnings of ids, names, folders, .vitrun files, or `last`

Options:
      --runs-dir DIR  Where the run folders are [default: runs]
      --view VIEW     What to show: the part of a link after #, e.g. compare?runs=a,b
  -h, --help          Print this help";

/// What the command line says.
#[derive(Debug, Default)]
struct Arguments {
    runs_dir: Option<PathBuf>,
    view: Option<String>,
    runs: Vec<String>,
    is_help: bool,
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name.to_string(), Some(value.to_string())),
            _ => (word, None),
        };
        let missing = || Error::usage(format!("{name} needs a value"), "dashboard --help shows what it takes");
        let mut value = |joined: Option<String>| joined.or_else(|| words.next()).ok_or_else(missing);
        match name.as_str() {
            "--runs-dir" => arguments.runs_dir = Some(PathBuf::from(value(joined)?)),
            "--view" => arguments.view = Some(value(joined)?),
            "-h" | "--help" => arguments.is_help = true,
            flag if flag.starts_with('-') => {
                return Err(Error::usage(format!("there is no flag {flag}"), "dashboard --help shows what there is"));
            }
            _ => arguments.runs.push(name),
        }
    }
    Ok(arguments)
}

/// Opens the window; the exit code.
pub fn main() -> ExitCode {
    let outcome = parse(std::env::args().skip(1)).and_then(|arguments| {
        if arguments.is_help {
            println!("{HELP}");
            return Ok(());
        }
        open(&arguments)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

struct Window(Dashboard);

impl eframe::App for Window {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.0.ui(ui);
    }
}

fn open(arguments: &Arguments) -> Result<()> {
    let runs_dir = arguments.runs_dir.clone().unwrap_or_else(|| PathBuf::from("runs"));
    let mut hash = arguments.view.clone().unwrap_or_else(|| Screen::Start.slug().to_string());
    let mut files = Vec::new();
    let mut keys = Vec::new();
    for run in &arguments.runs {
        let path = PathBuf::from(run);
        if path.is_file() {
            files.push(path);
        } else {
            keys.push(host::key_of(&vitrine::run::read::resolve(&runs_dir, run)?, &runs_dir));
        }
    }
    if !keys.is_empty() {
        let screen = if keys.len() > 1 { Screen::Compare } else { Screen::Train };
        hash = View { screen, runs: keys, ..View::default() }.to_hash();
    }
    let viewport = egui::ViewportBuilder::default()
        .with_title("Vitrine")
        .with_app_id("vitrine")
        .with_inner_size([1360.0, 880.0])
        .with_min_inner_size([360.0, 420.0]);
    let options = eframe::NativeOptions { viewport, ..Default::default() };
    let window =
        move |context: &eframe::CreationContext| -> std::result::Result<Box<dyn eframe::App>, Box<dyn std::error::Error + Send + Sync>> {
            let mut native = host::Native::new(&context.egui_ctx, runs_dir);
            files.iter().for_each(|path| native.import_path(path));
            Ok(Box::new(Window(Dashboard::new(&context.egui_ctx, Box::new(native), &hash))))
        };
    eframe::run_native("Vitrine", options, Box::new(window)).map_err(|error| {
        let hint = "a window needs a display and a GPU driver (Mesa's software Vulkan will do); `vitrine dashboard --serve` shows the same in a browser";
        Error::device(format!("the window cannot be opened: {error}"), hint)
    })
}
