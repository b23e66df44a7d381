//! Crash work: snapshots, forks, stories, and how well the detector judges recorded runs.

mod fork;
mod ring;
mod story;
