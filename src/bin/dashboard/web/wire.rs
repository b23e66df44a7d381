//! Messages between page and worker: JSON, and beside it the bytes of a file where there is one.

use serde::{Deserialize, Serialize};
use vitrine::config::Experiment;
use vitrine::dashboard::host::{Export, Notice, Order, RunKey};
use vitrine::run::command::Command;

/// What the worker begins with.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// Where the files of the site lie, with a slash at the end.
    pub base_url: String,
    /// `auto`, `cpu` or `gpu`.
    pub device: String,
    /// Why nothing is kept over a reload; empty where it is.
    pub storage_trouble: String,
    /// How the browser introduces itself.
    pub user_agent: String,
    /// Whether the page is one to which browsers give WebGPU.
    pub is_secure: bool,
    /// Whether the browser has WebGPU.
    pub has_webgpu: bool,
}

/// What the page asks of the worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Ask {
    /// See [`vitrine::dashboard::host::Host::list_runs`].
    ListRuns,
    /// Open a run and follow it.
    OpenRun(RunKey),
    /// Read a probe file.
    ReadProbe(RunKey, u64),
    /// Work out what an experiment would take.
    Estimate(Box<Experiment>),
    /// Start a training under this key.
    Train(RunKey, Box<Order>),
    /// Start a training of a preset with changed settings under this key.
    TrainPreset {
        /// The key.
        key: RunKey,
        /// Name of the preset.
        preset: String,
        /// `section.key=value`.
        sets: Vec<String>,
        /// Stop after so many steps.
        max_steps: Option<u64>,
    },
    /// Ask something of a training.
    Command(RunKey, Command),
    /// Take a file of this name; its bytes lie beside.
    Import(String),
    /// Take an image of a dropped folder, under its path there; its bytes lie beside.
    PutImage(String),
    /// All images of the dropped folder of this name are there.
    PutImages(String),
    /// Take the file at an address.
    ImportFrom(String),
    /// Pack a run, or its weights.
    ExportRun(RunKey, Export),
    /// Remove a run that this browser keeps.
    DeleteRun(RunKey),
    /// Keep at once what is not kept yet: the page may not come back.
    Keep,
    /// Test every kernel.
    CheckUp,
    /// Time training steps of a preset.
    Speed {
        /// Name of the preset.
        preset: String,
        /// Images a step.
        batch: usize,
        /// About how long to measure.
        secs: f64,
    },
}

/// What the worker tells the page.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Told {
    /// A notice without bytes.
    Notice(Notice),
    /// A probe file's bytes beside, or why there are none.
    Probe(RunKey, u64, Option<String>),
    /// A dropped safetensors file of this name; its bytes beside.
    Weights(String),
    /// A file to save under this name; its bytes beside.
    Saved(String),
    /// How fast steps are.
    Speed {
        /// Name of the device.
        device: String,
        /// Images a step.
        batch: usize,
        /// From opening the device to the first step's numbers.
        first_step_secs: f64,
        /// Training speed.
        images_per_sec: f64,
    },
}
