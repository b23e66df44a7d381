//! The session: commands → batch → step → collect late numbers → probes → events → due? evaluate,
//! checkpoint → done.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use super::checkpoint::{self, Position};
use super::device::Device;
use super::evaluate::evaluate;
use super::probe::fixed::FixedBatch;
use super::ring::Ring;
use super::step::{StepNumbers, Totals, Trainer};
use super::weights;
use crate::config::{Experiment, Resolved};
use crate::data;
use crate::data::loader::Loader;
use crate::data::prefetch::Prefetch;
use crate::error::{Error, Result};
use crate::platform;
use crate::run::alarm::{Alarm, Crash, Verdict};
use crate::run::command::Command;
use crate::run::crash::Detector;
use crate::run::event::{Ended, Event, LrChanged, Overflow, Started, Status, StepStat, Unreadable};
use crate::run::number;
use crate::run::store::RunStore;
use crate::schedule::Schedule;

/// Probes, evaluations, checkpoints.
mod measure;
/// Weights, run folder and what stands recorded.
mod begin;
/// A lost device, and the session on a new one.
mod revive;
/// How fast steps come.
pub mod pace;

use begin::{Beginning, begin};
use pace::Pace;

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// A GPU adapter, software or not.
    Gpu,
}

/// What a run begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// Initial weights.
    #[default]
    Fresh,
    /// Weights of a file.
    Weights(PathBuf),
    /// The last checkpoint of a run folder; the run goes on in it.
    Resume(PathBuf),
    /// A checkpoint of a run folder, by its name; the run goes on in a folder of its own, with another config
    /// perhaps.
    Fork(PathBuf, String),
    /// A run folder without a checkpoint: what it began with, in the same folder.
    Again(PathBuf, Box<Start>),
}

/// Everything a session needs.
#[derive(Clone, Debug)]
pub struct Request {
    /// The checked experiment. On resume: that of the run folder.
    pub resolved: Resolved,
    /// Name for people.
    pub name: String,
    /// Where run folders are made.
    pub runs_dir: PathBuf,
    /// Stop after so many optimiser steps in all, with a checkpoint; the schedule stays that of the full length.
    pub max_steps: Option<u64>,
    /// What the run begins with.
    pub start: Start,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Part of the adapter's name.
    pub adapter: Option<String>,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The run folder.
    pub run_dir: PathBuf,
    /// How it ended.
    pub status: Status,
    /// What the detector says.
    pub verdict: Verdict,
    /// The first fatal alarm.
    pub crash: Option<Crash>,
    /// Last evaluation: loss, top-1, top-5 (0..1).
    pub evaluated: Option<[f64; 3]>,
    /// Token similarity per layer at the end.
    pub similarity: Vec<f64>,
}

/// Trains until the schedule, a crash or a command ends it. Every event goes to the run folder and
/// to `on_event`. Natively the caller waits for it ([`platform::Wait`]) on a thread of its own.
///
/// Errors: bad data or weights, a device that is missing, too small or lost, a full disk.
pub async fn run(request: &Request, commands: &Receiver<Command>, on_event: &mut dyn FnMut(&Event)) -> Result<Outcome> {
    Session::open(request, on_event).await?.finish(commands).await
}

/// The last step at which each of these was done, so that none is told twice.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    evaluation: Option<u64>,
    probe: Option<u64>,
    /// A probe with maps.
    maps: Option<u64>,
    checkpoint: Option<u64>,
}

/// A training under way.
pub struct Session<'a> {
    request: Request,
    trainer: Trainer,
    /// States to go back to.
    ring: Ring,
    schedule: Schedule,
    detector: Detector,
    store: RunStore,
    on_event: &'a mut dyn FnMut(&Event),
    loader: Arc<Loader>,
    test: Arc<Loader>,
    probe_batch: FixedBatch,
    /// Steps made.
    step: u64,
    /// Step to stop at.
    last_step: u64,
    /// Set by hand instead of the schedule's.
    fixed_lr: Option<f64>,
    is_paused: bool,
    /// Learning rates of steps whose numbers have not arrived.
    pending: VecDeque<(u64, f64)>,
    pace: Pace,
    best_top1: Option<f64>,
    evaluated: Option<Totals>,
    done: Done,
    similarity: Vec<f64>,
}

impl<'a> Session<'a> {
    /// Gets everything ready: images, device, plans, run folder; tells [`Event::Started`].
    pub async fn open(request: &Request, on_event: &'a mut dyn FnMut(&Event)) -> Result<Self> {
        let experiment = &request.resolved.experiment;
        let split = data::open(&experiment.data, &experiment.model)?;
        let (device, why_device) = Device::open(request.device, request.adapter.as_deref()).await?;
        let loader = Arc::new(Loader::new(split.train.clone(), experiment)?);
        let schedule = Schedule::new(experiment, loader.steps_per_epoch());
        let mut trainer = Trainer::new(experiment, &device).await?;
        let test = Arc::new(Loader::evaluation(split.test.clone(), experiment, trainer.estimate.micro_batch)?);
        let probe_batch = FixedBatch::new(split.test.clone(), experiment, &device, schedule.total_steps())?;
        let steps_per_epoch = loader.steps_per_epoch() as u64;
        let detector = Detector::new(&experiment.crash, experiment.model.num_classes, schedule.warmup_steps(), steps_per_epoch);
        let total_steps = schedule.total_steps();
        let Beginning { store, kept, step, notes } = begin(request, &mut trainer, &split, total_steps).await?;
        let mut session = Self {
            request: request.clone(),
            last_step: request.max_steps.map_or(total_steps, |most| most.min(total_steps)),
            ring: Ring::new(experiment.crash.snapshot_every as u64, experiment.crash.snapshot_mib << 20),
            trainer,
            schedule,
            detector,
            store,
            on_event,
            loader,
            test,
            probe_batch,
            step,
            fixed_lr: None,
            is_paused: false,
            pending: VecDeque::new(),
            pace: Pace::new(platform::now_secs()),
            best_top1: None,
            evaluated: None,
            done: Done::default(),
            similarity: Vec::new(),
        };
        session.detector.groups = session.trainer.groups.clone();
        kept.iter().for_each(|event| session.remember(event));
        session.done.checkpoint = checkpoint::step_of(session.run_dir(), checkpoint::LAST);
        // What is kept was told before; that the run goes on is news.
        if let Some(resumed @ Event::Resumed(_)) = kept.last() {
            (session.on_event)(resumed);
        }
        let why_device = (request.device == DeviceChoice::Auto).then_some(why_device);
        let why_tier = device.why_tier().map(str::to_string);
        let notes = [notes, why_device.into_iter().chain(why_tier).collect(), split.train.notes.clone(), split.test.notes.clone()].concat();
        match session.announce(notes).await {
            Ok(()) => Ok(session),
            Err(error) => Err(session.failed(error)),
        }
    }

    async fn announce(&mut self, notes: Vec<String>) -> Result<()> {
        let started = Started {
            step: self.step,
            name: self.request.name.clone(),
            params: self.trainer.estimate.params as u64,
            device: self.trainer.machine.describe(),
            num_classes: self.experiment().model.num_classes,
            total_steps: self.schedule.total_steps(),
            steps_per_epoch: self.loader.steps_per_epoch() as u64,
            warmup_steps: self.schedule.warmup_steps(),
            groups: self.trainer.groups.clone(),
            notes,
        };
        self.tell(Event::Started(started))?;
        self.keep_snapshot().await
    }

    /// The run folder.
    pub fn run_dir(&self) -> &Path {
        self.store.path()
    }

    /// Folds what an earlier session of this run has recorded.
    fn remember(&mut self, event: &Event) {
        match event {
            Event::Step(stat) => {
                self.detector.observe(stat);
            }
            Event::Eval(eval) => {
                self.best_top1 = Some(self.best_top1.map_or(eval.top1, |best| best.max(eval.top1)));
                let count = self.test.dataset().len() as u64;
                self.evaluated = Some(Totals { loss: eval.loss, top1: eval.top1, top5: eval.top5, count });
                self.done.evaluation = Some(eval.step);
            }
            Event::Probe(probe) => {
                self.similarity.clone_from(&probe.cossim);
                self.done.probe = Some(probe.step);
            }
            Event::LrChanged(changed) => self.fixed_lr = Some(changed.lr),
            _ => {}
        }
    }

    async fn train(&mut self, commands: &Receiver<Command>) -> Result<Status> {
        let steps = self.step as usize..self.last_step as usize;
        let workers = self.experiment().data.workers;
        let mut prefetch = Prefetch::new(self.loader.clone(), steps, workers)?;
        if self.step == 0 && self.probe_batch.is_due(0) {
            self.probe(false).await?;
        }
        self.pace = Pace::new(platform::now_secs());
        while self.step < self.last_step {
            if let Some(status) = self.obey(commands).await? {
                return Ok(status);
            }
            let waited_before = prefetch.waited();
            let Some(batch) = prefetch.next().transpose()? else { break };
            self.pace.wait((prefetch.waited() - waited_before).as_secs_f64());
            self.tell_unreadable()?;
            let lr = self.lr_at(self.step);
            self.trainer.step(self.step, lr, &batch.pictures, &batch.targets)?;
            prefetch.recycle(batch);
            self.pending.push_back((self.step, lr));
            self.step += 1;
            self.trainer.breathe().await?;
            let is_halt = self.collect(false).await? || self.measure_if_due().await?;
            if is_halt {
                return Ok(Status::Crashed);
            }
            self.keep_snapshot().await?;
        }
        Ok(Status::Finished)
    }

    /// Carries out what has been asked between two steps; how the training ends, if it does.
    async fn obey(&mut self, commands: &Receiver<Command>) -> Result<Option<Status>> {
        loop {
            let command = if self.is_paused { platform::receive(commands).await } else { commands.try_recv().ok() };
            match command {
                None => {
                    self.is_paused = false;
                    return Ok(None);
                }
                Some(Command::Pause) => self.is_paused = true,
                Some(Command::Resume) => self.is_paused = false,
                Some(Command::Step) => {
                    self.is_paused = true;
                    return Ok(None);
                }
                Some(Command::LoseDevice) => self.trainer.machine.lose(),
                Some(Command::Stop) => return Ok(Some(Status::Interrupted)),
                Some(Command::Checkpoint) => {
                    if self.collect(true).await? {
                        return Ok(Some(Status::Crashed));
                    }
                    self.checkpoint().await?;
                }
                Some(Command::SetLr(lr)) => {
                    self.fixed_lr = Some(lr);
                    self.tell(Event::LrChanged(LrChanged { step: self.step, lr }))?;
                }
            }
        }
    }

    /// Reports the steps whose numbers have arrived; true if one of them ends the run.
    async fn collect(&mut self, wait: bool) -> Result<bool> {
        let arrived = self.trainer.collect(wait).await?;
        if arrived.is_empty() {
            return Ok(false);
        }
        let (step_secs, data_wait) = self.pace.arrived(arrived.len(), platform::now_secs());
        let images_per_sec = self.experiment().train.batch as f64 / step_secs;
        let halts = self.experiment().train.on_crash == "stop";
        for numbers in arrived {
            if self.report(&numbers, images_per_sec, data_wait).await? && halts {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One step's event and alarms; true if an alarm is fatal.
    async fn report(&mut self, numbers: &StepNumbers, images_per_sec: f64, data_wait: f64) -> Result<bool> {
        // Numbers arrive in the order of the steps.
        let lr = self.pending.pop_front().map_or(0.0, |(_, lr)| lr);
        let stat = StepStat {
            step: numbers.step + 1,
            epoch: numbers.step as f64 / self.loader.steps_per_epoch() as f64,
            loss: numbers.loss,
            lr,
            grad_norm: numbers.grad_norm,
            images_per_sec,
            wall_secs: None,
            data_wait: Some(data_wait),
            non_finite: numbers.non_finite,
            loss_scale: numbers.loss_scale,
            skipped: numbers.skipped,
            modal_frac: Some(numbers.modal_frac),
            accuracy: Some(numbers.top1),
            groups: numbers.groups.iter().copied().map(number::rounded).collect(),
        };
        if numbers.non_finite && self.detector.crash().is_none() {
            self.detector.first_op = self.find_culprit(numbers.step).await?;
        }
        let alarms = self.detector.observe(&stat);
        let overflow = stat.loss_scale.filter(|_| stat.skipped).map(|loss_scale| Overflow { step: stat.step, loss_scale });
        self.tell(Event::Step(stat))?;
        overflow.map_or(Ok(()), |overflow| self.tell(Event::Overflow(overflow)))?;
        let is_fatal = alarms.iter().any(Alarm::is_fatal);
        if let Some(alarm) =
            alarms.iter().find(|alarm| alarm.is_fatal() && self.detector.crash().is_some_and(|crash| crash.step == alarm.step))
        {
            self.save_pre_crash(alarm)?;
        }
        for alarm in alarms {
            self.tell(Event::Alarm(alarm))?;
        }
        Ok(is_fatal)
    }

    /// The first op of the step that gives a non-finite number, from the same batch.
    async fn find_culprit(&mut self, step: u64) -> Result<Option<String>> {
        let batch = self.loader.batch(step as usize)?;
        let culprit = self.trainer.find_non_finite(step, &batch.pictures, &batch.targets).await?;
        Ok(culprit.map(|culprit| format!("{}, {}", culprit.op, culprit.what)))
    }

    /// Verdict and outcome.
    fn end(mut self, status: Status) -> Result<Outcome> {
        let Ended { verdict, crash, .. } = self.conclude(status, None)?;
        Ok(Outcome {
            run_dir: self.store.path().to_path_buf(),
            status,
            verdict,
            crash,
            evaluated: self.evaluated.map(|totals| [totals.loss, totals.top1, totals.top5]),
            similarity: self.similarity,
        })
    }

    /// Records that the training could not go on, and gives the error back.
    fn failed(&mut self, error: Error) -> Error {
        // A disk that takes no more says so in the error already.
        let _ = self.conclude(Status::Interrupted, Some(error.to_string()));
        error
    }

    /// The detector's last word, and the end.
    fn conclude(&mut self, status: Status, error: Option<String>) -> Result<Ended> {
        let last_eval = self.evaluated.map(|totals| (totals.top1, totals.count));
        let judged = self.detector.finish(last_eval);
        for alarm in judged.alarms {
            self.tell(Event::Alarm(alarm))?;
        }
        let ended = Ended { step: self.step, status, verdict: judged.verdict, crash: judged.crash, error };
        self.tell(Event::Ended(ended.clone()))?;
        Ok(ended)
    }

    fn lr_at(&self, step: u64) -> f64 {
        self.fixed_lr.unwrap_or_else(|| self.schedule.lr_at(step))
    }

    fn experiment(&self) -> &Experiment {
        &self.trainer.experiment
    }

    fn position(&self) -> Position {
        Position {
            step: self.step,
            epoch: self.step as f64 / self.loader.steps_per_epoch() as f64,
            num_batches: self.step * self.trainer.estimate.num_micros as u64,
        }
    }

    /// Tells of images that were found to be unreadable since the last time.
    fn tell_unreadable(&mut self) -> Result<()> {
        let news = [self.loader.dataset(), self.test.dataset()].map(|set| set.unreadable_news()).concat();
        news.into_iter().try_for_each(|what| self.tell(Event::Unreadable(Unreadable { step: self.step, what })))
    }

    fn tell(&mut self, event: Event) -> Result<()> {
        self.store.record(&event)?;
        (self.on_event)(&event);
        Ok(())
    }
}
