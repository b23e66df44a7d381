//! What the screens ask of the place they run in: a window on this machine, a browser's page, a test.
//!
//! Requests return at once; answers come as [`Notice`]s, in the order in which they happened. A host
//! keeps no state of the screens, and the screens know neither files nor threads nor workers. What is here can
//! cross from a worker to its page as JSON, but for the notices with bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Experiment;
use crate::error::Result;
use crate::run::command::Command;
use crate::run::event::Event;
use crate::run::meta::RunMeta;
use crate::run::tensors::Tensors;

/// The name of a run among all runs a host knows: the id of a recorded run, or what the host made up
/// for a training under way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunKey(pub String);

impl fmt::Display for RunKey {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// What a host answers to a command that no training of its own can take.
pub fn not_ours(run: &RunKey) -> String {
    format!("{run} is trained by another process, or has ended")
}

/// Where a run comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// Recorded, ships with Vitrine.
    Bundled,
    /// A run folder of this machine, or one kept by this browser.
    Kept,
    /// A run of the folder whose server this page comes from.
    Served,
    /// A file that was dropped here.
    Dropped,
    /// Trained from these screens since they were opened.
    Trained,
}

/// A run in the list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunHead {
    /// Its name among all runs.
    pub key: RunKey,
    /// Where it comes from.
    pub origin: Origin,
    /// Whether somebody is writing it right now.
    pub is_live: bool,
    /// What its `run.json` says.
    pub meta: RunMeta,
    /// The resolved config.
    pub config_toml: String,
    /// Words that people put on it.
    pub tags: Vec<String>,
    /// Whether the state from before its crash lies here, so that a training can go on from it.
    pub has_pre_crash: bool,
}

/// What this machine or browser can do, for the badge and the first screen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// Adapter and tier, or the processor: `NVIDIA H100, T1`, `cpu (8 threads)`. Empty: not known yet.
    pub device: String,
    /// One sentence for people: what this machine or browser can do.
    pub summary: String,
    /// How to make it do more; empty where nothing is missing.
    pub help: String,
    /// Why files cannot be dropped here; empty where they can.
    pub drop_trouble: String,
    /// Whether trainings can be started.
    pub can_train: bool,
}

/// A training to start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Name for people.
    pub name: String,
    /// The checked experiment.
    pub experiment: Experiment,
    /// What it begins with.
    pub start: Start,
}

/// What a training begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Start {
    /// Initial weights.
    #[default]
    Fresh,
    /// The weights that a run kept before it crashed.
    PreCrash(RunKey),
    /// The last checkpoint of a run, which goes on.
    Resume(RunKey),
}

/// What is saved of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Export {
    /// What was recorded, as one `.vitrun` file.
    Record,
    /// The same with its checkpoints: to go on elsewhere.
    WithWeights,
    /// The best weights alone, as safetensors that timm and PyTorch load.
    Weights,
}

/// How one kernel did in the self-test.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KernelFinding {
    /// Family and entry: `attention.forward`.
    pub kernel: String,
    /// `T0`, `T0n` or `T1`.
    pub tier: String,
    /// The largest error over the size of the values.
    pub error: f64,
    /// What went wrong; empty if nothing did.
    pub trouble: String,
}

/// What the doctor found so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Checkup {
    /// Name and value: adapter, driver, limits, tiers.
    pub facts: Vec<(String, String)>,
    /// The self-test, kernel by kernel.
    pub kernels: Vec<KernelFinding>,
    /// Name of an op and its milliseconds in one training step.
    pub op_millis: Vec<(String, f64)>,
    /// Whether nothing more comes.
    pub is_done: bool,
}

/// What a training would take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Trainable numbers.
    pub params: u64,
    /// Optimiser steps of the schedule.
    pub total_steps: u64,
    /// Device memory, parameters and temporaries together.
    pub memory_bytes: u64,
    /// Arithmetic of one step.
    pub step_flops: f64,
    /// Seconds it will take on this device, where its speed is known.
    pub secs: Option<f64>,
}

/// An answer or something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Notice {
    /// What this place can do; again when it changes (a device was lost, an adapter was found).
    Abilities(Abilities),
    /// The list of runs, oldest first, with what is wrong with unreadable ones.
    Runs(Vec<RunHead>, Vec<String>),
    /// A run's head and all its events so far; replaces what was known of it.
    Opened(Box<RunHead>, Vec<Event>),
    /// A run was asked for from outside the screens (its folder was dropped): it is to be selected.
    Select(RunKey),
    /// A run is gone for good.
    Deleted(RunKey),
    /// A training has got its lasting name: the first is known as the second from now on.
    Named(RunKey, RunKey),
    /// Further events of an opened run.
    Events(RunKey, Vec<Event>),
    /// No further events of this run will come.
    Closed(RunKey),
    /// A run cannot be opened or trained: the reason, for its place on the screen.
    RunFailed(RunKey, String),
    /// The bytes of a probe file, or why there are none.
    #[serde(skip)]
    Probe(RunKey, u64, Result<Vec<u8>, String>),
    /// Arrays of a dropped safetensors file.
    #[serde(skip)]
    Weights(String, Box<Tensors>),
    /// What the latest experiment asked about would take, or why it cannot be trained here.
    Estimate(Result<Estimate, String>),
    /// What the doctor found so far.
    Checkup(Box<Checkup>),
    /// A folder of images was dropped, for a training of one's own: its path, and how many classes it has.
    Images(String, usize),
    /// A sentence worth a passing message: a file was saved, a dropped file is not usable.
    Message(String),
    /// Another place of the app was asked for: the page's address changed.
    Location(String),
}

/// A file to hand to the person in front of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// Name with extension.
    pub name: String,
    /// Content.
    pub bytes: Vec<u8>,
}

impl Saved {
    /// A file of text.
    pub fn text(name: impl Into<String>, text: String) -> Self {
        Self { name: name.into(), bytes: text.into_bytes() }
    }
}

/// The place the screens run in.
pub trait Host {
    /// Everything that happened since the last call.
    fn poll(&mut self) -> Vec<Notice>;

    /// Looks for runs: [`Notice::Runs`].
    fn list_runs(&mut self);

    /// Reads a run and follows it while it is written: [`Notice::Opened`], then [`Notice::Events`].
    fn open_run(&mut self, run: &RunKey);

    /// Reads a probe file of an opened run: [`Notice::Probe`].
    fn read_probe(&mut self, run: &RunKey, step: u64);

    /// Works out what an experiment would take: [`Notice::Estimate`]. Only the latest question counts.
    fn estimate(&mut self, experiment: &Experiment);

    /// Starts a training: [`Notice::Opened`] under the key returned, then [`Notice::Events`].
    fn train(&mut self, order: Order) -> RunKey;

    /// Asks something of a training that was started here.
    fn command(&mut self, run: &RunKey, command: Command);

    /// Takes a dropped or picked file: a `.vitrun`, a run folder, tfevents, safetensors.
    fn import(&mut self, file: egui::DroppedFileHandle);

    /// Lets the person pick files to import. False where there is no such dialog: then a path is
    /// asked for and given to [`Host::open_path`].
    fn pick_files(&mut self) -> bool;

    /// The same for a folder: a run, or images.
    fn pick_folder(&mut self) -> bool;

    /// Imports what is at a path or an address.
    fn open_path(&mut self, path: &str);

    /// Saves a run, or its weights, as one file.
    fn export_run(&mut self, run: &RunKey, export: Export);

    /// Removes a run for good: [`Notice::Deleted`].
    fn delete_run(&mut self, run: &RunKey);

    /// Saves a file, or has the browser download it; a message says where it went.
    fn save(&mut self, file: Saved);

    /// Begins the self-test of every kernel and the timing of every op: [`Notice::Checkup`].
    fn check_up(&mut self);

    /// Puts the state of the screens where a link can hold it: the address bar.
    fn set_location(&mut self, hash: &str);

    /// A link that opens the state again, for sharing.
    fn link(&self, hash: &str) -> String;

    /// Says the state in plain words to those who do not see the screen.
    fn announce(&mut self, status: &str);
}
