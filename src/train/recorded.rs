//! What a campaign's folder holds already: each wanted run is done, can go on, or is to begin.
//!
//! A run is known by its config alone (of what decides it: `checkpoint::config_hash`), so no index has
//! to survive a kill, and a grid that has grown keeps the runs it had.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::checkpoint;
use super::session::Start;
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::run::alarm::Verdict;
use crate::run::event::{Event, Status};
use crate::run::meta::RunMeta;
use crate::run::read::{self, RunHeader};

/// The config in a run folder.
const CONFIG: &str = "config.toml";

/// What stands already of a wanted run.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Its end.
    Done(Box<RunMeta>),
    /// A part of it, and how it goes on.
    Begun(Start),
    /// Nothing.
    Missing,
}

/// The runs of a folder by what they train.
#[derive(Debug, Default)]
pub struct Recorded {
    by_config: BTreeMap<String, Vec<RunHeader>>,
}

impl Recorded {
    /// Looks at every run of a folder.
    pub fn scan(folder: &Path) -> Result<Self> {
        let mut recorded = Self::default();
        for header in read::list(folder)?.runs {
            let path = header.path.join(CONFIG);
            let text = fs::read_to_string(&path).map_err(|source| Error::io(&path, "read the config", source))?;
            // A config of another version is no run of this campaign.
            if let Ok(experiment) = Experiment::from_toml(&text) {
                recorded.by_config.entry(checkpoint::config_hash(&experiment)).or_default().push(header);
            }
        }
        Ok(recorded)
    }

    /// What stands of a run of `experiment` that stops after `max_steps`. Where several runs fit, the
    /// one that is done or furthest.
    pub fn standing(&self, experiment: &Experiment, max_steps: Option<u64>) -> Result<Standing> {
        let runs = self.by_config.get(&checkpoint::config_hash(experiment));
        let mut fitting: Vec<&RunHeader> =
            runs.into_iter().flatten().filter(|run| max_steps.is_none_or(|most| run.meta.last.step <= most)).collect();
        fitting.sort_by_key(|run| std::cmp::Reverse((run.meta.status != Status::Running, run.meta.last.step)));
        for run in &fitting {
            if is_done(run, max_steps)? {
                return Ok(Standing::Done(Box::new(run.meta.clone())));
            }
        }
        let with_checkpoint = fitting.iter().find(|run| checkpoint::has_last(&run.path));
        // One killed before its first checkpoint begins again in its folder.
        let start = match (with_checkpoint, fitting.first()) {
            (Some(run), _) => Start::Resume(run.path.clone()),
            (None, Some(run)) => Start::Again(run.path.clone(), Box::default()),
            (None, None) => return Ok(Standing::Missing),
        };
        Ok(Standing::Begun(start))
    }
}

fn is_done(run: &RunHeader, max_steps: Option<u64>) -> Result<bool> {
    let meta = &run.meta;
    match meta.status {
        Status::Crashed => Ok(true),
        Status::Running | Status::Interrupted => Ok(false),
        Status::Finished if meta.verdict == Verdict::Crashed || max_steps.is_some_and(|most| meta.last.step >= most) => Ok(true),
        Status::Finished => {
            // It may have been stopped earlier than is wanted now.
            let events = read::read_run(&run.path)?.events;
            let total =
                events.iter().rev().find_map(|event| if let Event::Started(started) = event { Some(started.total_steps) } else { None });
            Ok(total.is_some_and(|total| meta.last.step >= total))
        }
    }
}
