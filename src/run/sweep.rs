//! `sweep.json`: what a sweep is and how far it is, for the table, the crash map and everyone else.
//!
//! ```json
//! {"schema": 1, "name": "stem-lr", "max_steps": 320, "seeds": [0, 1],
//!  "axes": [{"name": "model.stem", "values": ["1Proj", "3Conv+3BN+3ReLU+1Proj"]},
//!           {"name": "optim.lr", "values": ["0.002", "0.008"]}],
//!  "cells": [{"values": ["1Proj", "0.002"],
//!             "runs": [{"seed": 0, "state": "done", "run": "20260509-…", "verdict": "healthy", "crash": null,
//!                       "step": 320, "top1": 0.66, "cossim": [0.4, …]}, …],
//!             "tally": {"done": 2, "crashed": 0, "stuck": 0, "crash_frac": 0, "crash_low": 0, "crash_high": 0.66,
//!                       "top1_mean": 0.65, "top1_sd": 0.01, "cossim": [0.41, …]}}, …]}
//! ```
//!
//! Cells come in the order of the axes, the last one fastest. `run` is the id of a run folder beside the
//! file; a state is `waiting`, `running`, `done` or `failed`. The file is replaced as a whole whenever a
//! run begins or ends.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::alarm::{Crash, Verdict};
use super::interval::{deviation, mean, wilson};
use super::meta::RunMeta;
use super::number;
use crate::config::grid::Grid;
use crate::error::{Error, Result};
use crate::platform;

/// The file in a sweep's folder.
pub const SWEEP_FILE: &str = "sweep.json";
/// The format that this version writes.
const SCHEMA: u32 = 1;

/// The contents of `sweep.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Format of the file.
    pub schema: u32,
    /// Of the grid.
    pub name: String,
    /// Optimiser steps after which each run stops.
    pub max_steps: Option<u64>,
    /// Seeds of each cell.
    pub seeds: Vec<u64>,
    /// What varies, slowest first.
    pub axes: Vec<AxisRecord>,
    /// One for each combination.
    pub cells: Vec<CellRecord>,
}

/// One axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisRecord {
    /// `section.key`, or `variant`.
    pub name: String,
    /// Labels of its values.
    pub values: Vec<String>,
}

/// One combination of the axes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// A label of each axis.
    pub values: Vec<String>,
    /// What others have found for it, as they print it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paper: Option<String>,
    /// One for each seed.
    pub runs: Vec<Slot>,
    /// What the ended runs add up to.
    pub tally: Tally,
}

/// One run of a cell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    /// Its seed.
    pub seed: u64,
    /// How far it is.
    pub state: SlotState,
    /// Id of its folder, once it has one.
    pub run: Option<String>,
    /// What became of it; none before its end.
    pub verdict: Option<Verdict>,
    /// The first fatal alarm.
    pub crash: Option<Crash>,
    /// Steps made.
    pub step: u64,
    /// Accuracy at the end, 0..1; none of a run that a crash has ended.
    #[serde(default, with = "number::option")]
    pub top1: Option<f64>,
    /// Token similarity per layer at the end.
    #[serde(default, with = "number::list")]
    pub cossim: Vec<f64>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Not begun, or to go on.
    #[default]
    Waiting,
    /// Under way.
    Running,
    /// Ended; a crash is an end like others.
    Done,
    /// It could not be trained.
    Failed,
}

/// What the ended runs of a cell add up to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Runs that have ended.
    pub done: u64,
    /// Those that crashed.
    pub crashed: u64,
    /// Those that never learned.
    pub stuck: u64,
    /// Share that crashed; none before the first end.
    pub crash_frac: Option<f64>,
    /// Wilson's 95 % interval of that share: lower end.
    pub crash_low: Option<f64>,
    /// Upper end.
    pub crash_high: Option<f64>,
    /// Mean accuracy of the runs that did not crash, 0..1.
    pub top1_mean: Option<f64>,
    /// Its deviation over seeds (n − 1).
    pub top1_sd: Option<f64>,
    /// Mean token similarity per layer of the runs that did not crash.
    #[serde(default, with = "number::list")]
    pub cossim: Vec<f64>,
}

impl Sweep {
    /// A sweep of which nothing is done.
    pub fn new(grid: &Grid) -> Self {
        let slots = || grid.seeds.iter().map(|&seed| Slot { seed, ..Slot::default() }).collect();
        let cells = grid.cells().into_iter().map(|cell| CellRecord {
            values: cell.labels,
            paper: cell.paper,
            runs: slots(),
            tally: Tally::default(),
        });
        let labels = |axis: &crate::config::grid::Axis| axis.values.iter().map(|value| value.label.clone()).collect();
        Self {
            schema: SCHEMA,
            name: grid.name.clone(),
            max_steps: grid.max_steps,
            seeds: grid.seeds.clone(),
            axes: grid.axes.iter().map(|axis| AxisRecord { name: axis.name.clone(), values: labels(axis) }).collect(),
            cells: cells.collect(),
        }
    }

    /// Reads the record of a sweep's folder.
    ///
    /// Errors: no such file, a damaged one, a newer format.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SWEEP_FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| Error::io(&path, "read the sweep", source))?;
        let sweep: Self = serde_json::from_str(&text).map_err(|error| Error::file(&path, format!("it is damaged: {error}"), ""))?;
        if sweep.schema > SCHEMA {
            let what = format!("its format is {}, and this version reads up to {SCHEMA}", sweep.schema);
            return Err(Error::file(&path, what, "a newer Vitrine opens it"));
        }
        Ok(sweep)
    }

    /// Replaces the record in a sweep's folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("plain data with text keys") + "\n";
        platform::write_atomically(&folder.join(SWEEP_FILE), text.as_bytes())
    }

    /// Puts a slot in its cell, and adds the cell up again.
    pub fn put(&mut self, cell_ix: usize, slot_ix: usize, slot: Slot) {
        let cell = &mut self.cells[cell_ix];
        cell.runs[slot_ix] = slot;
        cell.tally = Tally::of(&cell.runs);
    }

    /// Every run.
    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.cells.iter().flat_map(|cell| &cell.runs)
    }

    /// Runs in this state.
    pub fn count(&self, state: SlotState) -> usize {
        self.slots().filter(|slot| slot.state == state).count()
    }
}

impl Slot {
    /// An ended run, from its `run.json`.
    pub fn done(seed: u64, meta: &RunMeta) -> Self {
        let is_crash = meta.verdict == Verdict::Crashed;
        Self {
            seed,
            state: SlotState::Done,
            run: Some(meta.id.clone()),
            verdict: Some(meta.verdict),
            crash: meta.crash,
            step: meta.last.step,
            top1: meta.last.top1.filter(|_| !is_crash),
            cossim: if is_crash { Vec::new() } else { meta.last.cossim.clone() },
            why: None,
        }
    }
}

impl Tally {
    /// The sums over ended runs.
    pub fn of(slots: &[Slot]) -> Self {
        let ended: Vec<&Slot> = slots.iter().filter(|slot| slot.state == SlotState::Done).collect();
        let count = |verdict: Verdict| ended.iter().filter(|slot| slot.verdict == Some(verdict)).count() as u64;
        let (done, crashed) = (ended.len() as u64, count(Verdict::Crashed));
        let interval = (done > 0).then(|| wilson(crashed, done));
        let top1: Vec<f64> = ended.iter().filter_map(|slot| slot.top1).collect();
        let num_layers = ended.iter().map(|slot| slot.cossim.len()).max().unwrap_or(0);
        let of_layer = |layer: usize| ended.iter().filter_map(|slot| slot.cossim.get(layer).copied()).collect::<Vec<f64>>();
        Self {
            done,
            crashed,
            stuck: count(Verdict::Stuck),
            crash_frac: (done > 0).then(|| crashed as f64 / done as f64),
            crash_low: interval.map(|(low, _)| low),
            crash_high: interval.map(|(_, high)| high),
            top1_mean: mean(&top1),
            top1_sd: deviation(&top1),
            cossim: (0..num_layers).filter_map(|layer| mean(&of_layer(layer))).collect(),
        }
    }
}
