//! Sweeps: every run of a grid, side by side where there is room, going on where a kill left them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::jobs::{self, Campaign, Job, Room};
use super::recorded::{Recorded, Standing};
use super::session::{DeviceChoice, Outcome, Request, Start};
use crate::config::grid::Grid;
use crate::config::load::{load_for_preview, load_for_training};
use crate::config::{Experiment, Resolved, Sources};
use crate::error::{Error, Result};
use crate::platform;
use crate::run::event::Event;
use crate::run::read;
use crate::run::store::lock_folder;
use crate::run::sweep::{Slot, SlotState, Sweep};
use crate::run::sweep_table;

/// The preset of a grid that names none.
const FIRST_PRESET: &str = "demo";
/// A table as text.
type Render = fn(&Sweep) -> String;
/// The tables beside `sweep.json`.
const TABLES: [(&str, Render); 2] = [("table.md", sweep_table::markdown), ("table.csv", sweep_table::csv)];

/// Everything a sweep needs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The grid.
    pub grid: Grid,
    /// Where the sweep's folder is made.
    pub runs_dir: PathBuf,
    /// `section.key=value` over everything the grid says.
    pub sets: Vec<String>,
    /// Sessions at a time; 0: chosen.
    pub jobs: usize,
    /// Where to compute.
    pub device: DeviceChoice,
    /// Part of the adapter's name.
    pub adapter: Option<String>,
    /// Weights for the cells that start from some.
    pub init: Option<PathBuf>,
}

/// A run of the grid, ready to begin.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its cell.
    pub cell_ix: usize,
    /// Its place in the cell.
    pub slot_ix: usize,
    /// Labels of the cell and the seed, for people.
    pub label: String,
    /// The checked experiment.
    pub resolved: Resolved,
    /// How it begins.
    pub start: Start,
}

/// What a sweep tells while it runs.
#[derive(Clone, Debug)]
pub enum News<'a> {
    /// The runs are known: the record so far, how many runs can go on, how many run at a time.
    Begins(&'a Sweep, usize, &'a Room),
    /// An event of a run under way.
    Event(&'a Member, &'a Event),
    /// A run is over; it is in the record already.
    Ended(&'a Sweep, &'a Member, &'a Slot),
}

impl Plan {
    /// The folder of the sweep.
    pub fn folder(&self) -> PathBuf {
        jobs::folder(&self.runs_dir, "sweep", &self.grid.name)
    }

    /// Every run of the grid, checked.
    ///
    /// Errors: a cell whose config is impossible; the message names the cell. Weights that are wanted and not
    /// given, or the other way round.
    pub fn members(&self) -> Result<Vec<Member>> {
        self.members_loaded(load_for_training)
    }

    /// Like [`Plan::members`], of images that need not be there.
    pub fn preview(&self) -> Result<Vec<Member>> {
        self.members_loaded(load_for_preview)
    }

    fn members_loaded(&self, load: fn(&Sources) -> Result<Resolved>) -> Result<Vec<Member>> {
        let mut members = Vec::new();
        let cells = self.grid.cells();
        if self.init.is_some() && !cells.iter().any(|cell| cell.init) {
            return Err(Error::usage("--init: no variant of the grid says init = true", "write it in those that start from the weights"));
        }
        for (cell_ix, cell) in cells.into_iter().enumerate() {
            let start = match (&self.init, cell.init) {
                (Some(weights), true) => Start::Weights(weights.clone()),
                (None, true) => {
                    let what = format!("{} starts from weights, and none are given", cell.labels.join(", "));
                    return Err(Error::usage(what, "--init FILE takes safetensors and .pth, of a run, timm, DeiT or DINO"));
                }
                (_, false) => Start::Fresh,
            };
            for (slot_ix, seed) in self.grid.seeds.iter().enumerate() {
                let seed_set = format!("train.seed={seed}");
                let sets: Vec<String> = cell.sets.iter().chain(&self.sets).chain([&seed_set]).cloned().collect();
                let is_based = self.grid.preset.is_some() || self.grid.config.is_some();
                let preset = if is_based { self.grid.preset.as_deref() } else { Some(FIRST_PRESET) };
                let sources = Sources { preset, file: self.grid.config.as_deref(), sets, ..Sources::default() };
                let resolved = load(&sources).map_err(|error| in_cell(error, &cell.labels))?;
                let label = cell.labels.iter().cloned().chain([format!("seed {seed}")]).collect::<Vec<_>>().join("  ");
                members.push(Member { cell_ix, slot_ix, label, resolved, start: start.clone() });
            }
        }
        Ok(members)
    }
}

/// Names the cell in an error about its config.
fn in_cell(error: Error, labels: &[String]) -> Error {
    match error {
        Error::Config { at, what, hint } if !labels.is_empty() => {
            Error::Config { at: format!("cell {}: {}", labels.join(", "), at.trim_start_matches("--set ")), what, hint }
        }
        other => other,
    }
}

/// Runs what is left of a sweep. Returns its record, and whether it was stopped before its end.
///
/// Errors: an impossible cell before anything runs; another process in the folder; a disk that refuses.
/// A run that cannot be trained is recorded as failed, and the others go on.
pub fn run(plan: &Plan, stop: &AtomicBool, news: &mut dyn FnMut(News<'_>)) -> Result<(Sweep, bool)> {
    let members = plan.members()?;
    let folder = plan.folder();
    fs::create_dir_all(&folder).map_err(|source| Error::io(&folder, "make the folder", source))?;
    let _lock = lock_folder(&folder)?;
    let recorded = Recorded::scan(&folder)?;
    let mut sweep = Sweep::new(&plan.grid);
    let mut waiting = Vec::new();
    for (ix, member) in members.iter().enumerate() {
        let seed = member.resolved.experiment.train.seed;
        match recorded.standing(&member.resolved.experiment, plan.grid.max_steps)? {
            Standing::Done(meta) => sweep.put(member.cell_ix, member.slot_ix, Slot::done(seed, &meta)),
            // One without a checkpoint begins as it did the first time.
            Standing::Begun(Start::Again(run_dir, _)) => waiting.push((ix, Start::Again(run_dir, Box::new(member.start.clone())))),
            Standing::Begun(start) => waiting.push((ix, start)),
            Standing::Missing => waiting.push((ix, member.start.clone())),
        }
    }
    let has_begun = |start: &Start| matches!(start, Start::Resume(_) | Start::Again(..));
    let begun = waiting.iter().filter(|(_, start)| has_begun(start)).count();
    // What has begun ends first.
    waiting.sort_by_key(|(ix, start)| (has_begun(start), std::cmp::Reverse(*ix)));
    let left: Vec<Experiment> = waiting.iter().map(|(ix, _)| members[*ix].resolved.experiment.clone()).collect();
    let room = jobs::room(plan.jobs, plan.device, plan.adapter.as_deref(), &left)?;
    news(News::Begins(&sweep, begun, &room));
    let mut running = Running { plan, folder, members, waiting, sweep, news };
    running.save()?;
    let is_stopped = jobs::run(&mut running, &room, stop)?;
    Ok((running.sweep, is_stopped))
}

struct Running<'a> {
    plan: &'a Plan,
    folder: PathBuf,
    members: Vec<Member>,
    /// Runs to come, the next one last.
    waiting: Vec<(usize, Start)>,
    sweep: Sweep,
    news: &'a mut dyn FnMut(News<'_>),
}

impl Running<'_> {
    fn save(&self) -> Result<()> {
        self.sweep.write(&self.folder)?;
        for (name, table) in TABLES {
            platform::write_atomically(&self.folder.join(name), table(&self.sweep).as_bytes())?;
        }
        Ok(())
    }

    fn put(&mut self, ix: usize, slot: Slot) -> Result<()> {
        let member = &self.members[ix];
        self.sweep.put(member.cell_ix, member.slot_ix, slot.clone());
        self.save()?;
        if matches!(slot.state, SlotState::Done | SlotState::Failed) {
            (self.news)(News::Ended(&self.sweep, &self.members[ix], &slot));
        }
        Ok(())
    }

    fn seed(&self, ix: usize) -> u64 {
        self.members[ix].resolved.experiment.train.seed
    }
}

impl Campaign for Running<'_> {
    fn next(&mut self) -> Result<Option<Job>> {
        let Some((ix, start)) = self.waiting.pop() else { return Ok(None) };
        let run = if let Start::Resume(path) | Start::Again(path, _) = &start { Some(file_name(path)) } else { None };
        self.put(ix, Slot { seed: self.seed(ix), state: SlotState::Running, run, ..Slot::default() })?;
        let Member { label, resolved, .. } = &self.members[ix];
        let request = Request {
            resolved: resolved.clone(),
            name: label.clone(),
            runs_dir: self.folder.clone(),
            max_steps: self.plan.grid.max_steps,
            start,
            device: self.plan.device,
            adapter: self.plan.adapter.clone(),
        };
        Ok(Some(Job { ix, request }))
    }

    fn heard(&mut self, ix: usize, event: &Event) -> Result<()> {
        (self.news)(News::Event(&self.members[ix], event));
        Ok(())
    }

    fn ended(&mut self, ix: usize, outcome: Result<Outcome>) -> Result<()> {
        let seed = self.seed(ix);
        match outcome {
            Ok(outcome) => {
                let meta = read::read_header(&outcome.run_dir)?.meta;
                let is_stopped = outcome.status == crate::run::event::Status::Interrupted;
                let slot = Slot::done(seed, &meta);
                self.put(ix, if is_stopped { Slot { seed, run: slot.run, step: slot.step, ..Slot::default() } } else { slot })
            }
            // What refuses one run refuses the next.
            Err(error @ (Error::Io { .. } | Error::Internal(_))) => Err(error),
            Err(error) => self.put(ix, Slot { seed, state: SlotState::Failed, why: Some(error.to_string()), ..Slot::default() }),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
