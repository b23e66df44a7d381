//! Many sessions side by side: each on a thread of its own, all events on the caller's.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use super::device::Device;
use super::session::{self, DeviceChoice, Outcome, Request};
use super::step;
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::gpu::device;
use crate::platform::{self, Wait as _};
use crate::run::command::Command;
use crate::run::event::Event;

/// How often a wish to stop is looked for.
const STOP_LOOK: Duration = Duration::from_millis(50);
/// Sessions that keep a real GPU busy where each has little to do.
const GPU_JOBS: usize = 2;

/// A session to be run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Names it to the campaign.
    pub ix: usize,
    /// What is trained.
    pub request: Request,
}

/// Decides what is run, and hears how it goes.
pub trait Campaign {
    /// The next session, if one can begin now. Asked again after each end.
    fn next(&mut self) -> Result<Option<Job>>;

    /// Something happened in a session.
    fn heard(&mut self, job_ix: usize, event: &Event) -> Result<()>;

    /// A session is over. An error here ends the campaign.
    fn ended(&mut self, job_ix: usize, outcome: Result<Outcome>) -> Result<()>;

    /// Called a few times a second.
    fn tick(&mut self) {}
}

/// Where and how wide a campaign runs.
#[derive(Clone, Debug)]
pub struct Room {
    /// Sessions at a time.
    pub jobs: usize,
    /// Threads of each on the processor.
    pub threads: usize,
}

enum Report {
    Event(usize, Box<Event>),
    Ended(usize, Result<Outcome>),
}

/// Runs a campaign to its end, or until `stop`: then every session under way writes its checkpoint.
/// True if it was stopped.
///
/// Errors: what the campaign returns, once the sessions under way have stopped.
pub fn run(campaign: &mut dyn Campaign, room: &Room, stop: &AtomicBool) -> Result<bool> {
    let (reports, inbox) = mpsc::channel();
    let mut under_way: Vec<(usize, Sender<Command>)> = Vec::new();
    let mut failure = None;
    let (mut is_stopping, mut is_drained) = (false, false);
    loop {
        while !is_stopping && !is_drained && under_way.len() < room.jobs.max(1) {
            match campaign.next() {
                Ok(Some(job)) => under_way.push((job.ix, start(job, room.threads, reports.clone())?)),
                Ok(None) => is_drained = true,
                Err(error) => failure = failure.or(Some(error)),
            }
            is_stopping |= failure.is_some();
        }
        if under_way.is_empty() {
            return failure.map_or(Ok(is_stopping), Err);
        }
        let told = match inbox.recv_timeout(STOP_LOOK) {
            Ok(Report::Event(ix, event)) => campaign.heard(ix, &event),
            Ok(Report::Ended(ix, outcome)) => {
                under_way.retain(|(job_ix, _)| *job_ix != ix);
                is_drained = false;
                campaign.ended(ix, outcome)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Ok(()),
        };
        campaign.tick();
        failure = failure.or(told.err());
        if !is_stopping && (stop.load(Ordering::SeqCst) || failure.is_some()) {
            is_stopping = true;
            for (_, commands) in &under_way {
                // A session that has just ended no longer listens.
                let _ = commands.send(Command::Stop);
            }
        }
    }
}

/// Starts a session on a thread with a pool of its own; the way to stop it.
fn start(job: Job, threads: usize, reports: Sender<Report>) -> Result<Sender<Command>> {
    let (commands, inbox) = mpsc::channel();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).thread_name(|ix| format!("session-{ix}")).build();
    let pool = pool.map_err(|error| Error::Internal(format!("no threads for a session: {error}")))?;
    let Job { ix, request } = job;
    platform::spawn("session", move || {
        let listener = reports.clone();
        let work = move || {
            let mut tell = |event: &Event| {
                // Nobody listens any more once the campaign has failed.
                let _ = listener.send(Report::Event(ix, Box::new(event.clone())));
            };
            session::run(&request, &inbox, &mut tell).wait()
        };
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || pool.install(work)));
        let outcome = caught.unwrap_or_else(|_| Err(Error::Internal("a session has panicked".to_string())));
        let _ = reports.send(Report::Ended(ix, outcome));
    })?;
    Ok(commands)
}

/// How many sessions of `experiments` fit beside each other; `asked` 0: chosen. On the processor a
/// session a core, as far as memory goes; on a real GPU two; on a software adapter one, which takes
/// every core by itself.
///
/// Errors: a device or a model that cannot be opened.
pub fn room(asked: usize, choice: DeviceChoice, adapter: Option<&str>, experiments: &[Experiment]) -> Result<Room> {
    let (device, _) = Device::open(choice, adapter).wait()?;
    let cores = platform::num_cores();
    let most = match &device {
        Device::Cpu => cores,
        Device::Gpu(gpu, _) if device::is_software(&gpu.info) => 1,
        Device::Gpu(..) => GPU_JOBS,
    };
    let jobs = if asked > 0 {
        asked
    } else {
        let mut largest_bytes = 1;
        for experiment in experiments {
            let (estimate, _) = step::estimate(experiment, &device)?;
            largest_bytes = largest_bytes.max(estimate.arena_bytes + estimate.region_bytes);
        }
        (device.arena_budget_bytes() / largest_bytes).clamp(1, most).min(experiments.len().max(1))
    };
    Ok(Room { jobs, threads: (cores / jobs).max(1) })
}

/// The folder of a campaign: `runs/<kind>-<name>`.
pub fn folder(runs_dir: &std::path::Path, kind: &str, name: &str) -> PathBuf {
    runs_dir.join(format!("{kind}-{}", crate::run::store::slug(name)))
}
