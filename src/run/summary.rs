//! `summary.csv`: one row an epoch, as a fold of events.

use super::event::{Eval, Event, StepStat};
use super::number::text;

/// The first line of the file.
pub const HEADER: &str = "epoch,step,loss,accuracy,lr,grad_norm,images_per_sec,eval_loss,top1,top5";

/// The epoch under way. Epochs count from 1.
#[derive(Clone, Debug, Default)]
pub struct EpochRows {
    steps_per_epoch: u64,
    num_steps: u64,
    loss_sum: f64,
    norm_sum: f64,
    num_norms: u64,
    speed_sum: f64,
    accuracy_sum: f64,
    num_accuracies: u64,
    last: StepStat,
    evals: Vec<Eval>,
}

impl EpochRows {
    /// Takes the next event; gives the row of an epoch that it shows to be over.
    ///
    /// An evaluation belongs to the epoch it closes, so a row waits for the next epoch's first step
    /// or the end. Columns are means over the epoch's steps; `lr` and `step` are the last ones.
    pub fn apply(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Started(started) => {
                self.steps_per_epoch = started.steps_per_epoch;
                None
            }
            Event::Step(stat) => {
                let is_next = self.epoch_of(stat.step) != self.epoch_of(self.last.step);
                let row = if is_next { self.close() } else { None };
                self.add(stat);
                row
            }
            Event::Eval(eval) => {
                self.evals.push(eval.clone());
                None
            }
            Event::Ended(_) => self.close(),
            _ => None,
        }
    }

    fn epoch_of(&self, step: u64) -> u64 {
        step.div_ceil(self.steps_per_epoch.max(1))
    }

    fn add(&mut self, stat: &StepStat) {
        self.num_steps += 1;
        self.loss_sum += stat.loss;
        // A step that was skipped for an overflow of f16 has no norm.
        if !stat.skipped {
            self.norm_sum += stat.grad_norm;
            self.num_norms += 1;
        }
        self.speed_sum += stat.images_per_sec;
        if let Some(accuracy) = stat.accuracy {
            self.accuracy_sum += accuracy;
            self.num_accuracies += 1;
        }
        self.last = stat.clone();
    }

    fn close(&mut self) -> Option<String> {
        if self.num_steps == 0 {
            return None;
        }
        let last_step = self.last.step;
        let (mut own, later): (Vec<Eval>, Vec<Eval>) = self.evals.drain(..).partition(|eval| eval.step <= last_step);
        let eval = own.pop();
        let of_eval = |column: fn(&Eval) -> f64| eval.as_ref().map(column).map(text);
        let mean = |sum: f64| text(sum / self.num_steps as f64);
        let accuracy = text(self.accuracy_sum / self.num_accuracies as f64);
        let row = [
            self.epoch_of(last_step).to_string(),
            last_step.to_string(),
            mean(self.loss_sum),
            if self.num_accuracies > 0 { accuracy } else { String::new() },
            text(self.last.lr),
            text(self.norm_sum / self.num_norms as f64),
            mean(self.speed_sum),
            of_eval(|eval| eval.loss).unwrap_or_default(),
            of_eval(|eval| eval.top1).unwrap_or_default(),
            of_eval(|eval| eval.top5).unwrap_or_default(),
        ]
        .join(",");
        *self = Self { steps_per_epoch: self.steps_per_epoch, last: self.last.clone(), evals: later, ..Self::default() };
        Some(row)
    }
}
