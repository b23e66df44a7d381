//! `train`: one run, from flags to exit code.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};

use clap::Args;
use vitrine::config::Resolved;
use vitrine::config::load::{load, load_for_preview, load_for_training};
use vitrine::error::{Error, Result};
use vitrine::platform::Wait as _;
use vitrine::run::alarm::Verdict;
use vitrine::run::command::Command;
use vitrine::run::event::{Event, Status};
use vitrine::run::read;
use vitrine::train::fork;
use vitrine::train::session::{self, Outcome, Request, Start};

use super::args::{ConfigArgs, DeviceArgs};
use super::dry_run;
use super::output;
use super::progress::{Progress, Voice, Volume};
use super::summary::Account;

/// Where run folders are made unless `--runs-dir` says otherwise.
pub const RUNS_DIR: &str = "runs";
/// The preset of a newcomer who gives no flags.
pub const FIRST_PRESET: &str = "demo";
/// The config in a run folder.
pub const RUN_CONFIG: &str = "config.toml";
/// The largest seed: TOML's largest number.
const MAX_SEED: u64 = i64::MAX as u64;
/// Exit code of a run that crashed.
const CRASHED: u8 = 10;
/// Exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Examples:
  vitrine train                                    the demo on the embedded images
  vitrine train --preset demo-patchify --seed 1    its twin without a conv-stem
  vitrine train --set optim.lr=3e-3 --set model.stem=1Proj
  vitrine train --config mine.toml --data-path /data/cifar-10-batches-bin --name cifar
  vitrine train --preset deit-small --dry-run      memory and arithmetic, without training
  vitrine train --max-steps 100 --json --quiet     events as JSON lines on stdout
  vitrine train --resume last                      go on with the latest run
  vitrine train --from last --set optim.lr=5e-4    fork a crashed run from before its crash, with half the rate

Ctrl-C finishes the step and writes a checkpoint; a second Ctrl-C leaves at once.";

/// Flags of `train`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct TrainArgs {
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Decides every random draw: the same as --set train.seed=N
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = seed)]
    seed: Option<u64>,
    /// Name of the run, for people and in its folder's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where run folders are made
    #[arg(long, value_name = "DIR", default_value = RUNS_DIR)]
    runs_dir: PathBuf,
    /// Stop after N optimiser steps in all, with a checkpoint; the schedule stays that of the full length
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    max_steps: Option<u64>,
    /// Go on with a run: its id, the beginning of it, its name, its folder, or `last`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config", "sets", "seed", "name", "init"])]
    resume: Option<String>,
    /// Fork a run: go on from one of its checkpoints in a new run, with its config and --set over it
    #[arg(long, value_name = "RUN", conflicts_with_all = ["preset", "config", "resume", "init"])]
    from: Option<String>,
    /// Where to fork: pre-crash, last, previous, best, or the step of one of them; otherwise pre-crash or last
    #[arg(long, value_name = "CHECKPOINT", requires = "from")]
    at: Option<String>,
    /// Start from weights instead of random ones: safetensors or .pth, of a run, timm or DeiT
    #[arg(long, value_name = "WEIGHTS")]
    init: Option<PathBuf>,
    /// Print parameters, steps, memory and arithmetic, and train nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the config with the source of each value, and train nothing
    #[arg(long)]
    print_config: bool,
    /// Print events as JSON lines on stdout, and --dry-run as one object
    #[arg(long, conflicts_with = "print_config")]
    json: bool,
    /// No progress on stderr; alarms and errors only
    #[arg(long)]
    quiet: bool,
}

fn seed(text: &str) -> std::result::Result<u64, String> {
    let seed = text.parse().ok().filter(|seed| *seed <= MAX_SEED);
    seed.ok_or_else(|| format!("expected a whole number from 0 to {MAX_SEED}"))
}

/// Trains, or prints what would be trained.
pub fn run(args: &TrainArgs) -> Result<u8> {
    let start = args.start()?;
    if args.print_config {
        output::print(&args.resolve(&start, load)?.print())?;
        return Ok(0);
    }
    let request = Request {
        resolved: args.resolve(&start, if args.dry_run { load_for_preview } else { load_for_training })?,
        name: args.name(&start)?,
        runs_dir: args.runs_dir.clone(),
        max_steps: args.max_steps,
        device: args.device.choice()?,
        adapter: args.device.adapter.clone(),
        start,
    };
    if args.dry_run {
        dry_run::print(&request, args.json)?;
        return Ok(0);
    }
    train(args, request)
}

impl TrainArgs {
    fn start(&self) -> Result<Start> {
        if let Some(run) = &self.from {
            let run_dir = read::resolve(&self.runs_dir, run)?;
            let checkpoint = fork::choose(&run_dir, self.at.as_deref())?;
            return Ok(Start::Fork(run_dir, checkpoint));
        }
        Ok(match (&self.resume, &self.init) {
            (Some(run), _) => Start::Resume(read::resolve(&self.runs_dir, run)?),
            (None, Some(weights)) => Start::Weights(weights.clone()),
            (None, None) => Start::Fresh,
        })
    }

    fn resolve(&self, start: &Start, load: fn(&vitrine::config::Sources) -> Result<Resolved>) -> Result<Resolved> {
        if let Start::Resume(run_dir) = start {
            return load(&self.config.sources_over(&run_dir.join(RUN_CONFIG)));
        }
        let parent_config = if let Start::Fork(run_dir, _) = start { Some(run_dir.join(RUN_CONFIG)) } else { None };
        let mut sources = match &parent_config {
            Some(path) => self.config.sources_over(path),
            None => self.config.sources(),
        };
        if self.config.is_empty() && parent_config.is_none() {
            sources.preset = Some(FIRST_PRESET);
        }
        sources.flags.extend(self.seed.map(|seed| ("train.seed", "--seed", seed.to_string())));
        load(&sources)
    }

    fn name(&self, start: &Start) -> Result<String> {
        if let Start::Resume(run_dir) = start {
            return Ok(read::read_header(run_dir)?.meta.name);
        }
        if let (Start::Fork(run_dir, _), None) = (start, &self.name) {
            return Ok(read::read_header(run_dir)?.meta.name);
        }
        let file_stem = |path: &Path| Some(path.file_stem()?.to_string_lossy().into_owned());
        let of_config = self.config.config.as_deref().and_then(file_stem);
        let given = self.name.clone().or(of_config).or_else(|| self.config.preset.clone());
        Ok(given.unwrap_or_else(|| FIRST_PRESET.to_string()))
    }

    fn volume(&self) -> Volume {
        use std::io::IsTerminal as _;
        // A bar between the lines of JSON on one screen would tear both.
        let is_torn = self.json && std::io::stdout().is_terminal();
        if self.quiet || is_torn { Volume::Quiet } else { Volume::Normal }
    }
}

fn train(args: &TrainArgs, request: Request) -> Result<u8> {
    let mut progress = Progress::new(args.volume(), args.max_steps);
    let (commands, inbox) = mpsc::channel();
    let is_interrupted = obey_ctrl_c(commands, progress.voice())?;
    let mut account = Account::default();
    let mut printed = Ok(());
    let outcome = session::run(&request, &inbox, &mut |event: &Event| {
        progress.show(event);
        account.apply(event);
        if args.json && printed.is_ok() {
            printed = output::print_json(event);
        }
    })
    .wait();
    progress.finish();
    let outcome = outcome?;
    printed?;
    let code = exit_code(&outcome, is_interrupted.load(Ordering::SeqCst));
    let is_resumable = outcome.status != Status::Crashed && account.is_short();
    let resume = is_resumable.then(|| resume_command(&outcome.run_dir, args));
    let summary = account.close(outcome, resume, code);
    if args.json {
        output::print_json(&summary)?
    } else {
        output::print(&summary.text())?
    }
    Ok(code)
}

fn exit_code(outcome: &Outcome, is_interrupted: bool) -> u8 {
    match outcome.verdict {
        _ if is_interrupted && outcome.status == Status::Interrupted => INTERRUPTED,
        Verdict::Crashed => CRASHED,
        Verdict::Healthy | Verdict::Unstable | Verdict::Stuck => 0,
    }
}

/// The command that goes on with a run, in the same place and on the same device.
fn resume_command(run_dir: &Path, args: &TrainArgs) -> String {
    let mut words = vec!["vitrine".into(), "train".into(), "--resume".into()];
    words.push(run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned());
    if args.runs_dir != Path::new(RUNS_DIR) {
        words.extend(["--runs-dir".into(), args.runs_dir.display().to_string()]);
    }
    words.extend(args.device.words());
    words.iter().map(|word| output::shell_word(word)).collect::<Vec<_>>().join(" ")
}

/// The first Ctrl-C asks the session to stop, the second leaves at once. The flag says whether
/// there was one.
fn obey_ctrl_c(commands: Sender<Command>, voice: Voice) -> Result<Arc<AtomicBool>> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let flag = is_interrupted.clone();
    let on_signal = move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        // A session that has just ended no longer listens, and is about to leave anyway.
        let _ = commands.send(Command::Stop);
        voice.say("stopping after this step, with a checkpoint; Ctrl-C again leaves at once");
    };
    ctrlc::set_handler(on_signal).map_err(|error| Error::Internal(format!("Ctrl-C cannot be caught: {error}")))?;
    Ok(is_interrupted)
}
