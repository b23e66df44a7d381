//! What a session measures and keeps: probes, evaluations, checkpoints.

use std::path::PathBuf;

use super::pace::Pace;
use super::{Session, evaluate};
use crate::error::Result;
use crate::model::parameters::Source;
use crate::platform;
use crate::run::alarm::{Alarm, AlarmKind};
use crate::run::event::{Checkpoint, Eval, Event, Probe, Status};
use crate::run::number;
use crate::train::checkpoint::{self, PRE_CRASH};
use crate::train::probe::groups::update_ratios;
use crate::train::ring::Snapshot;
use crate::train::spread;
use crate::train::step::Trainer;

/// Steps that a state from before a non-finite number lies ahead of it, where there is one so old.
const NON_FINITE_LEAD_STEPS: u64 = 10;

impl Session<'_> {
    /// Probes, evaluates and checkpoints when the step calls for it; true if a late number ends the run.
    pub(super) async fn measure_if_due(&mut self) -> Result<bool> {
        let experiment = self.experiment();
        let steps_per_epoch = self.loader.steps_per_epoch() as f64;
        let is_multiple = |every: u64| every > 0 && self.step.is_multiple_of(every);
        let is_probe_due = self.probe_batch.is_due(self.step);
        let is_eval_due = is_multiple(((experiment.train.eval_every * steps_per_epoch).round() as u64).max(1));
        let is_checkpoint_due = is_multiple(experiment.train.checkpoint_every as u64);
        if (is_probe_due || is_eval_due || is_checkpoint_due) && self.collect(true).await? {
            return Ok(true);
        }
        if is_probe_due {
            self.probe(self.step == self.last_step).await?;
        }
        if is_eval_due {
            self.evaluate().await?;
        }
        if is_eval_due || is_checkpoint_due {
            self.checkpoint().await?;
        }
        if is_probe_due || is_eval_due || is_checkpoint_due {
            // Numbers of earlier steps were waited for above: the clock of the next ones starts here.
            self.pace = Pace::new(platform::now_secs());
        }
        Ok(false)
    }

    /// Looks at the probe batch, at the end of a run with maps. A step that has been told of is not told again: its
    /// file is renewed.
    pub(super) async fn probe(&mut self, is_end: bool) -> Result<()> {
        let last_lr = self.lr_at(self.step.saturating_sub(1));
        let file = self.probe_batch.probe(&mut self.trainer, self.step, last_lr, is_end).await?;
        file.to_tensors().write(&self.store.probe_path(self.step))?;
        if is_end {
            self.done.maps = Some(self.step);
        }
        self.similarity = file.cossim.iter().map(|value| f64::from(*value)).collect();
        if self.done.probe.replace(self.step) == Some(self.step) {
            return Ok(());
        }
        // Before the first step there is no update.
        let updates = if self.step > 0 { update_ratios(&mut self.trainer, self.step, last_lr).await? } else { Vec::new() };
        let updates = updates.into_iter().map(number::rounded).collect();
        self.tell(Event::Probe(Probe { step: self.step, cossim: self.similarity.clone(), updates }))
    }

    async fn evaluate(&mut self) -> Result<()> {
        let workers = self.experiment().data.workers;
        let totals = evaluate(&mut self.trainer, &self.test, workers, async |_, _| Ok(())).await?;
        self.tell_unreadable()?;
        (self.evaluated, self.done.evaluation) = (Some(totals), Some(self.step));
        if self.best_top1.is_none_or(|best| totals.top1 > best) {
            self.best_top1 = Some(totals.top1);
            self.save_weights("best", Source::Trained).await?;
        }
        self.tell(Event::Eval(Eval { step: self.step, loss: totals.loss, top1: totals.top1, top5: totals.top5 }))
    }

    /// Writes all that the training needs to go on.
    pub(super) async fn checkpoint(&mut self) -> Result<()> {
        let position = self.position();
        let Trainer { machine, parameters, experiment, .. } = &mut self.trainer;
        let path = checkpoint::save(self.store.path(), machine.as_mut(), parameters, experiment, &position).await?;
        spread::show(&mut self.store, machine.as_mut(), parameters, position.step).await?;
        self.tell_checkpoint(path, None)?;
        self.done.checkpoint = Some(self.step);
        if self.experiment().train.ema > 0.0 {
            self.save_weights("ema", Source::Averaged).await?;
        }
        Ok(())
    }

    /// Writes the weights alone.
    pub(super) async fn save_weights(&mut self, name: &str, source: Source) -> Result<()> {
        let position = self.position();
        let Trainer { machine, parameters, experiment, .. } = &mut self.trainer;
        let about = (&*experiment, &position);
        let path = checkpoint::save_weights(self.store.path(), name, machine.as_mut(), parameters, source, about).await?;
        self.tell_checkpoint(path, None)
    }

    /// Keeps the state in host memory when the step calls for it.
    pub(super) async fn keep_snapshot(&mut self) -> Result<()> {
        if self.ring.is_due(self.step) {
            let position = self.position();
            self.ring.keep(Snapshot::take(self.trainer.machine.as_mut(), position).await?);
        }
        Ok(())
    }

    /// Writes the state from before what led to a fatal alarm.
    pub(super) fn save_pre_crash(&mut self, alarm: &Alarm) -> Result<()> {
        // A lost run is noticed once its median has stayed high for a while.
        let crash = &self.trainer.experiment.crash;
        let lead_steps =
            if alarm.kind == AlarmKind::NonFinite { NON_FINITE_LEAD_STEPS } else { (crash.diverged_steps + crash.window / 2) as u64 };
        let Some(snapshot) = self.ring.before(alarm.step, lead_steps) else { return Ok(()) };
        let state_step = Some(snapshot.position.step);
        let path = checkpoint::save_snapshot(self.store.path(), PRE_CRASH, snapshot, &self.trainer.parameters, &self.trainer.experiment)?;
        self.tell_checkpoint(path, state_step)
    }

    fn tell_checkpoint(&mut self, path: PathBuf, state_step: Option<u64>) -> Result<()> {
        let path = path.strip_prefix(self.store.path()).unwrap_or(&path).display().to_string();
        self.tell(Event::Checkpoint(Checkpoint { step: self.step, path, state_step }))
    }

    /// Last numbers, last measurements, last checkpoint; how the training ended.
    pub(super) async fn measure_at_end(&mut self, status: Status) -> Result<Status> {
        // After a crash the steps still under way have no meaning.
        let is_crash = status == Status::Crashed || self.collect(true).await?;
        let status = if is_crash { Status::Crashed } else { status };
        if status == Status::Finished {
            if self.done.maps != Some(self.step) {
                self.probe(true).await?;
            }
            if self.done.evaluation != Some(self.step) {
                self.evaluate().await?;
            }
        }
        // A crashed state is kept apart; the last checkpoint stays the last good one.
        if status != Status::Crashed && self.done.checkpoint != Some(self.step) {
            self.checkpoint().await?;
        }
        Ok(status)
    }
}
