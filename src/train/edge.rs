//! Looks for the stability edge of some stems: a search for each stem and seed, side by side.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::jobs::{self, Campaign, Job};
use super::recorded::{Recorded, Standing};
use super::session::{DeviceChoice, Outcome, Request, Start};
use crate::config::load::load_for_training;
use crate::config::{Resolved, Sources};
use crate::error::{Error, Result};
use crate::run::alarm::Verdict;
use crate::run::edge::{Edge, Next, Trial, lr_of_rung};
use crate::run::event::{Event, Status};
use crate::run::meta::RunMeta;
use crate::run::read;
use crate::run::store::lock_folder;

/// Everything the search for an edge needs.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// Of the folder.
    pub name: String,
    /// Preset, file and sets of every run.
    pub base: Sources<'a>,
    /// Stems, in the paper's notation.
    pub stems: Vec<String>,
    /// A search each.
    pub seeds: Vec<u64>,
    /// Optimiser steps of each run.
    pub steps: u64,
    /// Where every search starts; none: the config's `optim.lr`.
    pub start_lr: Option<f64>,
    /// Where the folder is made.
    pub runs_dir: PathBuf,
    /// Sessions at a time; 0: chosen.
    pub jobs: usize,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Part of the adapter's name.
    pub adapter: Option<String>,
}

impl Plan<'_> {
    /// The folder of the edge.
    pub fn folder(&self) -> PathBuf {
        jobs::folder(&self.runs_dir, "edge", &self.name)
    }

    /// The experiment of one run.
    ///
    /// Errors: an impossible config.
    pub fn resolve(&self, stem: &str, seed: u64, lr: Option<f64>) -> Result<Resolved> {
        let mut sources = self.base.clone();
        sources.sets.extend([format!("model.stem={stem}"), format!("train.seed={seed}")]);
        sources.sets.extend(lr.map(|lr| format!("optim.lr={lr:e}")));
        load_for_training(&sources)
    }
}

/// Runs what is left of the searches. Returns their record, and whether they were stopped before the end.
///
/// Errors: an impossible config before anything runs; another process in the folder; a run that cannot
/// be trained, since its search cannot go on.
pub fn run(plan: &Plan<'_>, stop: &AtomicBool, news: &mut dyn FnMut(&Edge, Option<&str>)) -> Result<(Edge, bool)> {
    let mut experiments = Vec::new();
    for stem in &plan.stems {
        experiments.push(plan.resolve(stem, plan.seeds[0], plan.start_lr)?.experiment);
    }
    let start_lr = plan.start_lr.unwrap_or(experiments[0].optim.lr);
    let folder = plan.folder();
    fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, "make the folder", source))?;
    let _lock = lock_folder(&folder)?;
    let room = jobs::room(plan.jobs, plan.device, plan.adapter.as_deref(), &experiments)?;
    let edge = Edge::new(&plan.name, start_lr, plan.steps, &plan.stems, &plan.seeds);
    let num_searches = plan.stems.len() * plan.seeds.len();
    let mut running = Running { plan, recorded: Recorded::scan(&folder)?, folder, edge, at: vec![None; num_searches], news };
    (running.news)(&running.edge, None);
    running.save()?;
    let is_stopped = jobs::run(&mut running, &room, stop)?;
    Ok((running.edge, is_stopped))
}

struct Running<'a, 'p> {
    plan: &'a Plan<'p>,
    recorded: Recorded,
    folder: PathBuf,
    edge: Edge,
    /// The rung that each search is running, by stem and seed.
    at: Vec<Option<i32>>,
    news: &'a mut dyn FnMut(&Edge, Option<&str>),
}

impl Running<'_, '_> {
    fn place(&self, ix: usize) -> (usize, usize) {
        (ix / self.plan.seeds.len(), ix % self.plan.seeds.len())
    }

    fn save(&self) -> Result<()> {
        self.edge.write(&self.folder)
    }

    fn note(&mut self, ix: usize, rung: i32, meta: &RunMeta) -> Result<()> {
        let (stem_ix, search_ix) = self.place(ix);
        let stable = matches!(meta.verdict, Verdict::Healthy | Verdict::Unstable);
        let lr = lr_of_rung(self.edge.start_lr, rung);
        self.edge.put(stem_ix, search_ix, Trial { rung, lr, stable, verdict: meta.verdict, run: meta.id.clone() });
        self.save()?;
        let (stem, seed) = (&self.plan.stems[stem_ix], self.plan.seeds[search_ix]);
        let what = meta.crash.map_or(meta.verdict.name().to_string(), |crash| format!("{} at step {}", crash.kind.name(), crash.step));
        (self.news)(&self.edge, Some(&format!("{stem}  lr {lr:e}  seed {seed}: {what}")));
        Ok(())
    }

    /// The next run of one search; what is recorded already is taken as it is.
    fn advance(&mut self, ix: usize) -> Result<Option<Job>> {
        let (stem_ix, search_ix) = self.place(ix);
        let (stem, seed) = (&self.plan.stems[stem_ix], self.plan.seeds[search_ix]);
        while let Next::Try(rung) = self.edge.stems[stem_ix].searches[search_ix].next() {
            let lr = lr_of_rung(self.edge.start_lr, rung);
            let resolved = self.plan.resolve(stem, seed, Some(lr))?;
            let start = match self.recorded.standing(&resolved.experiment, Some(self.plan.steps))? {
                Standing::Done(meta) => {
                    self.note(ix, rung, &meta)?;
                    continue;
                }
                Standing::Begun(start) => start,
                Standing::Missing => Start::Fresh,
            };
            self.at[ix] = Some(rung);
            let request = Request {
                resolved,
                name: format!("{stem} lr {lr:e} seed {seed}"),
                runs_dir: self.folder.clone(),
                max_steps: Some(self.plan.steps),
                start,
                device: self.plan.device,
                adapter: self.plan.adapter.clone(),
            };
            return Ok(Some(Job { ix, request }));
        }
        Ok(None)
    }
}

impl Campaign for Running<'_, '_> {
    fn next(&mut self) -> Result<Option<Job>> {
        for ix in 0..self.at.len() {
            if self.at[ix].is_none()
                && let Some(job) = self.advance(ix)?
            {
                return Ok(Some(job));
            }
        }
        Ok(None)
    }

    fn heard(&mut self, _ix: usize, _event: &Event) -> Result<()> {
        Ok(())
    }

    fn ended(&mut self, ix: usize, outcome: Result<Outcome>) -> Result<()> {
        let outcome = outcome?;
        let rung = self.at[ix].take().expect("a session that ends has begun");
        if outcome.status == Status::Interrupted {
            return Ok(());
        }
        let meta = header(&outcome.run_dir)?;
        self.note(ix, rung, &meta)
    }
}

fn header(run_dir: &Path) -> Result<RunMeta> {
    Ok(read::read_header(run_dir)?.meta)
}
