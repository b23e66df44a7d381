//! Snapshots of a training in host memory: the last few, at even distances, so that a crash leaves a state
//! from before it.

use std::collections::VecDeque;

use super::checkpoint::{Position, STATE};
use crate::error::Result;
use crate::graph::machine::Machine;
use crate::graph::{Place, Region};

/// Snapshots kept where memory allows: with one every n steps, the oldest is 2n to 3n steps old.
const MAX_SNAPSHOTS: usize = 3;

/// Everything that training carries from step to step.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Where in the run it stands.
    pub position: Position,
    words: Vec<(Region, Vec<f32>)>,
}

impl Snapshot {
    /// The state of a machine as it is after everything run so far.
    pub async fn take(machine: &mut dyn Machine, position: Position) -> Result<Self> {
        let mut words = Vec::new();
        for region in [Region::Params, Region::Stats, Region::LossScale].into_iter().chain(STATE.iter().map(|(region, ..)| *region)) {
            let len = machine.region_len(region);
            if len > 0 {
                words.push((region, machine.download(Place::new(region, 0), len).await?));
            }
        }
        Ok(Self { position, words })
    }

    /// A region's words; none where the machine had no such region.
    pub fn words(&self, region: Region) -> Option<&[f32]> {
        self.words.iter().find(|(own, _)| *own == region).map(|(_, words)| words.as_slice())
    }

    /// Host memory it takes.
    pub fn bytes(&self) -> usize {
        self.words.iter().map(|(_, words)| 4 * words.len()).sum()
    }
}

/// The last snapshots of a run.
#[derive(Debug)]
pub struct Ring {
    every_steps: u64,
    max_bytes: usize,
    snapshots: VecDeque<Snapshot>,
}

impl Ring {
    /// A ring that takes a snapshot every so many steps (0: never) and keeps at most `max_bytes`, though at
    /// least one.
    pub fn new(every_steps: u64, max_bytes: usize) -> Self {
        Self { every_steps, max_bytes, snapshots: VecDeque::new() }
    }

    /// Whether the state after `step` steps is to be kept.
    pub fn is_due(&self, step: u64) -> bool {
        self.every_steps > 0 && step.is_multiple_of(self.every_steps) && self.newest().is_none_or(|newest| newest.position.step != step)
    }

    /// Keeps a snapshot; the oldest ones make room.
    pub fn keep(&mut self, snapshot: Snapshot) {
        let bytes = snapshot.bytes().max(1);
        let capacity = (self.max_bytes / bytes).clamp(1, MAX_SNAPSHOTS);
        while self.snapshots.len() >= capacity {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(snapshot);
    }

    /// The last one.
    pub fn newest(&self) -> Option<&Snapshot> {
        self.snapshots.back()
    }

    /// The newest that lies at least `lead_steps` before `event_step`, or the oldest of all.
    pub fn before(&self, event_step: u64, lead_steps: u64) -> Option<&Snapshot> {
        let is_early = |snapshot: &&Snapshot| snapshot.position.step + lead_steps <= event_step;
        self.snapshots.iter().rev().find(is_early).or(self.snapshots.front())
    }

    /// Steps of the snapshots, oldest first.
    pub fn steps(&self) -> Vec<u64> {
        self.snapshots.iter().map(|snapshot| snapshot.position.step).collect()
    }
}
