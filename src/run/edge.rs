//! The stability edge: the largest learning rate at which a training neither crashes nor stays stuck.
//!
//! `edge.json` in the folder of an `edge` holds an [`Edge`]: for each stem and seed a [`Search`], and what
//! they add up to. Rates lie on a ladder, start × 2^(rung / RUNGS_PER_OCTAVE); a search widens from the
//! start by octaves until it has a stable rate below an unstable one, then bisects down to one rung. It
//! takes for granted that what is stable stays so at lower rates: near the edge that is a matter of luck,
//! which is what several seeds and their interval are for.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::alarm::Verdict;
use super::interval::{mean, student_half};
use crate::error::{Error, Result};
use crate::platform;

/// The file in the folder of an edge.
pub const EDGE_FILE: &str = "edge.json";
/// The format that this version writes.
const SCHEMA: u32 = 1;
/// Rungs in which a rate doubles: neighbours differ by 19 %.
pub const RUNGS_PER_OCTAVE: i32 = 4;
/// First stride of a search, in rungs: a factor of 4.
const FIRST_STRIDE: i32 = 2 * RUNGS_PER_OCTAVE;
/// A search gives up so far from its start: 2^20, a factor of a million.
const MAX_RUNG: i32 = 20 * RUNGS_PER_OCTAVE;

/// The contents of `edge.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// Format of the file.
    pub schema: u32,
    /// For people.
    pub name: String,
    /// Where every search starts.
    pub start_lr: f64,
    /// Optimiser steps of each run.
    pub steps: u64,
    /// One for each stem.
    pub stems: Vec<StemEdge>,
}

/// The edge of one stem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StemEdge {
    /// In the paper's notation.
    pub stem: String,
    /// One for each seed.
    pub searches: Vec<Search>,
    /// What the finished searches add up to.
    pub edge: Option<Frontier>,
}

/// The search of one seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Search {
    /// Its seed.
    pub seed: u64,
    /// Rates tried, in order.
    pub tried: Vec<Trial>,
}

/// One run of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Place on the ladder; 0 is the start.
    pub rung: i32,
    /// Its learning rate.
    pub lr: f64,
    /// Neither crashed nor stuck.
    pub stable: bool,
    /// What became of it.
    pub verdict: Verdict,
    /// Id of its folder.
    pub run: String,
}

/// One number with an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frontier {
    /// Geometric mean over seeds of the middle between the largest stable and the smallest unstable rate.
    pub lr: f64,
    /// Student's 95 % interval over seeds in log lr, never narrower than the ladder: lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Seeds behind it.
    pub seeds: usize,
}

/// What a search does next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Try this rung.
    Try(i32),
    /// Stable at the first rung, unstable at the one above.
    Found(i32, i32),
    /// Every rate up to a million times the start is stable.
    AllStable,
    /// No rate down to a millionth of the start is.
    NoneStable,
}

/// The learning rate of a rung, to four digits.
pub fn lr_of_rung(start_lr: f64, rung: i32) -> f64 {
    let lr = start_lr * (f64::from(rung) / f64::from(RUNGS_PER_OCTAVE)).exp2();
    if rung == 0 { start_lr } else { format!("{lr:.3e}").parse().expect("a printed number is a number") }
}

impl Search {
    /// What to do next, from what has been tried.
    pub fn next(&self) -> Next {
        let rungs = |stable: bool| self.tried.iter().filter(move |trial| trial.stable == stable).map(|trial| trial.rung);
        let lowest_unstable = rungs(false).min();
        // A stable rate above an unstable one is luck: the edge is looked for below.
        let highest_stable = rungs(true).filter(|rung| lowest_unstable.is_none_or(|unstable| *rung < unstable)).max();
        match (highest_stable, lowest_unstable) {
            (None, None) => Next::Try(0),
            (Some(stable), None) if stable >= MAX_RUNG => Next::AllStable,
            (Some(stable), None) => Next::Try((stable + FIRST_STRIDE).min(MAX_RUNG)),
            (None, Some(unstable)) if unstable <= -MAX_RUNG => Next::NoneStable,
            (None, Some(unstable)) => Next::Try((unstable - FIRST_STRIDE).max(-MAX_RUNG)),
            (Some(stable), Some(unstable)) if unstable - stable == 1 => Next::Found(stable, unstable),
            (Some(stable), Some(unstable)) => Next::Try(stable + (unstable - stable) / 2),
        }
    }

    /// Whether it has come to its end.
    pub fn is_over(&self) -> bool {
        !matches!(self.next(), Next::Try(_))
    }
}

impl Edge {
    /// An edge of which nothing is known.
    pub fn new(name: &str, start_lr: f64, steps: u64, stems: &[String], seeds: &[u64]) -> Self {
        let searches = || seeds.iter().map(|&seed| Search { seed, tried: Vec::new() }).collect();
        let stems = stems.iter().map(|stem| StemEdge { stem: stem.clone(), searches: searches(), edge: None });
        Self { schema: SCHEMA, name: name.to_string(), start_lr, steps, stems: stems.collect() }
    }

    /// Adds a trial, and adds its stem up again.
    pub fn put(&mut self, stem_ix: usize, search_ix: usize, trial: Trial) {
        let start_lr = self.start_lr;
        let stem = &mut self.stems[stem_ix];
        stem.searches[search_ix].tried.push(trial);
        stem.edge = Frontier::of(&stem.searches, start_lr);
    }

    /// Replaces the record in its folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).expect("plain data with text keys") + "\n";
        platform::write_atomically(&folder.join(EDGE_FILE), text.as_bytes())
    }

    /// Reads the record of a folder.
    ///
    /// Errors: no such file, a damaged one.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(EDGE_FILE);
        let text = std::fs::read_to_string(&path).map_err(|source| Error::io(&path, "read the edge", source))?;
        serde_json::from_str(&text).map_err(|error| Error::file(&path, format!("it is damaged: {error}"), ""))
    }
}

impl Frontier {
    /// The number behind finished searches; none before the first.
    pub fn of(searches: &[Search], start_lr: f64) -> Option<Self> {
        let found = searches
            .iter()
            .filter_map(|search| if let Next::Found(stable, unstable) = search.next() { Some((stable, unstable)) } else { None });
        let middles: Vec<f64> = found.map(|(stable, unstable)| 0.5 * f64::from(stable + unstable)).collect();
        let middle = mean(&middles)?;
        let half = student_half(&middles).unwrap_or(0.0).max(0.5);
        let lr = |rung: f64| start_lr * (rung / f64::from(RUNGS_PER_OCTAVE)).exp2();
        Some(Self { lr: lr(middle), low: lr(middle - half), high: lr(middle + half), seeds: middles.len() })
    }
}
