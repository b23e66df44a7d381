//! The learning rate over time, a pure function of the step.
//!
//!   L peak (after `lr_per` scaling), W warm-up, T length, w warm-up start, m minimum
//!
//!   deit      per epoch, with DeiT's lag of one: epoch 0 runs at w (at L without warm-up), epoch
//!             e ≥ 1 at r(e−1);  r(t) = w + t·(L−w)/W for t < W, else m + ½(L−m)(1 + cos(πt/T)):
//!             the cosine spans all of T, it is not shifted by W
//!   cosine    per step: w + s·(L−w)/W for s < W, else m + ½(L−m)(1 + cos(π(s−W)/(T−W)))
//!   constant  per step: the same warm-up, then L
//!
//! w and m are not scaled, and neither exceeds L: a run at a tiny rate stays at it.
//! Source: `deit`, facebookresearch/deit `main.py` and timm 0.3.2 `scheduler/cosine_lr.py`. Differs: none
//! for L ≥ w, m. `cosine` and `constant` are ours.

use std::f64::consts::PI;

use crate::config::Experiment;

/// How the rate goes on after warm-up.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shape {
    Deit,
    Cosine,
    Constant,
}

/// A learning rate for every step of a run.
#[derive(Clone, Debug)]
pub struct Schedule {
    shape: Shape,
    peak_lr: f64,
    start_lr: f64,
    min_lr: f64,
    epochs: f64,
    warmup_epochs: f64,
    steps_per_epoch: usize,
}

impl Schedule {
    /// The schedule of a checked experiment.
    ///
    /// # Panics
    /// Without steps in an epoch: the loader refuses sets smaller than a batch.
    pub fn new(experiment: &Experiment, steps_per_epoch: usize) -> Self {
        assert!(steps_per_epoch > 0, "an epoch has at least one step");
        let config = &experiment.schedule;
        let peak_lr = experiment.optim.peak_lr(experiment.train.batch);
        Self {
            shape: match config.kind.as_str() {
                "deit" => Shape::Deit,
                "cosine" => Shape::Cosine,
                "constant" => Shape::Constant,
                other => panic!("a checked experiment has no schedule {other}"),
            },
            peak_lr,
            start_lr: config.warmup_lr.min(peak_lr),
            min_lr: config.min_lr.min(peak_lr),
            epochs: config.epochs,
            warmup_epochs: config.warmup_epochs,
            steps_per_epoch,
        }
    }

    /// Optimiser steps of the whole run, at least one.
    pub fn total_steps(&self) -> u64 {
        self.steps_from_epochs(self.epochs).max(1)
    }

    /// Optimiser steps of the warm-up.
    pub fn warmup_steps(&self) -> u64 {
        self.steps_from_epochs(self.warmup_epochs)
    }

    /// The learning rate of an optimiser step, counted from 0.
    pub fn lr_at(&self, step: u64) -> f64 {
        match self.shape {
            Shape::Deit => self.deit_lr(step / self.steps_per_epoch as u64),
            Shape::Cosine | Shape::Constant if step < self.warmup_steps() => self.warmup_lr(step as f64 / self.warmup_steps() as f64),
            Shape::Constant => self.peak_lr,
            Shape::Cosine => {
                let decay_steps = self.total_steps().saturating_sub(self.warmup_steps()).max(1);
                self.cosine_lr((step - self.warmup_steps()) as f64 / decay_steps as f64)
            }
        }
    }

    fn deit_lr(&self, epoch: u64) -> f64 {
        // DeiT sets the rate of an epoch after the epoch, so each runs at its predecessor's.
        let lagged = epoch.saturating_sub(1) as f64;
        if lagged < self.warmup_epochs {
            self.warmup_lr(lagged / self.warmup_epochs)
        } else if epoch == 0 {
            self.peak_lr
        } else {
            self.cosine_lr(lagged / self.epochs)
        }
    }

    fn warmup_lr(&self, done_frac: f64) -> f64 {
        self.start_lr + done_frac * (self.peak_lr - self.start_lr)
    }

    fn cosine_lr(&self, done_frac: f64) -> f64 {
        self.min_lr + 0.5 * (self.peak_lr - self.min_lr) * (1.0 + (PI * done_frac.min(1.0)).cos())
    }

    fn steps_from_epochs(&self, epochs: f64) -> u64 {
        (epochs * self.steps_per_epoch as f64).round() as u64
    }
}
