//! The worker: each question of the page is a task of its own; trainings go on between them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::Sender;

use js_sys::Uint8Array;
use vitrine::config::{Experiment, Resolved, Sources, load};
use vitrine::dashboard::host::{Abilities, Estimate, Notice, RunKey, not_ours};
use vitrine::data::embedded;
use vitrine::error::{Error, Result};
use vitrine::platform::{files, sleep};
use vitrine::run::command::Command;
use vitrine::run::event::Event;
use vitrine::train::device::Device;
use vitrine::train::session::DeviceChoice;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::advice::{self, Browser};
use super::checkup::badge_of;
use super::pace::{self, Pace};
use super::shelf::Shelf;
use super::wire::{About, Ask, Told};
use super::{doctor, images, keeping, speed, training};

/// Between two looks whether the files of an earlier worker are back.
const WAIT_SECS: f64 = 0.005;
/// A question for an estimate is worked on when none has followed it for so long.
const SETTLE_SECS: f64 = 0.15;
/// Where run folders lie in the worker's files.
pub const RUNS_DIR: &str = "/runs";

#[wasm_bindgen]
extern "C" {
    /// What `web/worker.js` does for the worker.
    #[derive(Clone)]
    pub type Outside;

    /// Sends a message to the page.
    #[wasm_bindgen(method)]
    fn post(this: &Outside, text: &str, bytes: Option<Uint8Array>);

    /// The bytes of a file of the site from `first` on, or undefined.
    #[wasm_bindgen(method)]
    fn fetch(this: &Outside, url: &str, first: f64) -> js_sys::Promise;

    /// Everything kept by an earlier worker: [path, entry] pairs.
    #[wasm_bindgen(method, js_name = readAll)]
    pub fn read_all(this: &Outside) -> js_sys::Promise;

    /// Keeps changes: [path, entry] pairs.
    #[wasm_bindgen(method)]
    pub fn write(this: &Outside, changes: js_sys::Array) -> js_sys::Promise;
}

/// The worker's state, shared by its tasks.
pub struct Worker {
    /// What it began with.
    pub about: About,
    /// The world outside.
    pub outside: Outside,
    /// Runs from everywhere.
    pub shelf: Shelf,
    /// Trainings that take commands.
    pub trainings: RefCell<BTreeMap<RunKey, Sender<Command>>>,
    /// When files are kept over a reload.
    pub keeper: keeping::Keeper,
    /// How fast this browser computes.
    pub pace: RefCell<Pace>,
    device: RefCell<Option<(Device, String)>>,
    /// Questions for estimates so far.
    num_estimates: Cell<u64>,
    events: RefCell<BTreeMap<RunKey, Vec<Event>>>,
    site: RefCell<Option<Rc<Site>>>,
    /// Whether the files of an earlier worker are back.
    is_restored: Cell<bool>,
}

/// `site.json`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub struct Site {
    /// Files of the embedded image set.
    pub data: BTreeMap<String, String>,
    /// Recorded runs.
    pub runs: BTreeMap<String, String>,
    /// Whether the server has runs of a folder.
    pub runs_here: bool,
}

/// Starts the worker; what it gives back takes every message of the page.
#[wasm_bindgen]
pub fn work(about: &str, outside: Outside) -> JsValue {
    super::show_panics();
    let about = serde_json::from_str(about).unwrap_or_default();
    let worker = Rc::new(Worker {
        about,
        outside,
        shelf: Shelf::default(),
        trainings: RefCell::default(),
        keeper: keeping::Keeper::default(),
        pace: RefCell::default(),
        device: RefCell::default(),
        num_estimates: Cell::new(0),
        events: RefCell::default(),
        site: RefCell::default(),
        is_restored: Cell::new(false),
    });
    let begun = worker.clone();
    spawn_local(async move { begun.begin().await });
    let take = Closure::<dyn FnMut(String, Option<Vec<u8>>)>::new(move |text: String, bytes: Option<Vec<u8>>| {
        let worker = worker.clone();
        spawn_local(async move { worker.take(&text, bytes.unwrap_or_default()).await });
    });
    take.into_js_value()
}

impl Worker {
    async fn begin(self: Rc<Self>) {
        if files::create_dir_all(Path::new(RUNS_DIR)).is_err() {
            self.say("the worker's files are damaged; runs are not kept");
        }
        keeping::restore(&self).await;
        self.is_restored.set(true);
        self.tell(&Told::Notice(Notice::Abilities(self.abilities().await)), None);
        spawn_local(keeping::keep(self.clone()));
        // Where another tab keeps the runs, they are its to go on with.
        if self.about.storage_trouble.is_empty() {
            for (key, request) in training::unfinished(self.choice()) {
                self.say(&format!("{key} goes on from its last checkpoint"));
                spawn_local(training::train(self.clone(), key, request));
            }
        }
        self.list_runs().await;
    }

    async fn take(self: Rc<Self>, text: &str, bytes: Vec<u8>) {
        // A link to a run that was kept comes with the first messages.
        while !self.is_restored.get() {
            sleep(WAIT_SECS).await;
        }
        let outcome = match serde_json::from_str::<Ask>(text) {
            Ok(ask) => self.clone().answer(ask, bytes).await,
            Err(error) => Err(Error::Internal(format!("a message makes no sense: {error}"))),
        };
        if let Err(error) = outcome {
            self.say(&error.to_string());
        }
    }

    async fn answer(self: Rc<Self>, ask: Ask, bytes: Vec<u8>) -> Result<()> {
        match ask {
            Ask::ListRuns => self.list_runs().await,
            Ask::OpenRun(key) => Shelf::open(&self, key).await,
            Ask::ReadProbe(key, step) => {
                let (bytes, trouble) = match Shelf::probe(&self, &key, step).await {
                    Ok(bytes) => (Some(bytes), None),
                    Err(error) => (None, Some(error.to_string())),
                };
                self.tell(&Told::Probe(key, step, trouble), bytes);
            }
            Ask::Estimate(experiment) => self.estimate(&experiment).await,
            Ask::Train(key, order) => match training::from_order(&self, *order) {
                Ok(order) => training::train(self, key, order).await,
                Err(error) => self.tell(&Told::Notice(Notice::RunFailed(key, error.to_string())), None),
            },
            Ask::TrainPreset { key, preset, sets, max_steps } => match resolved(&preset, sets) {
                Ok(resolved) => training::train(self.clone(), key, training::of(&self, resolved, &preset, max_steps)).await,
                Err(error) => self.tell(&Told::Notice(Notice::RunFailed(key, error.to_string())), None),
            },
            Ask::Command(key, command) => {
                let is_heard = self.trainings.borrow().get(&key).is_some_and(|commands| commands.send(command).is_ok());
                if !is_heard {
                    self.say(&not_ours(&key));
                }
            }
            Ask::Import(name) => Shelf::import(&self, &name, bytes)?,
            Ask::PutImage(name) => images::put(&name, bytes),
            Ask::PutImages(name) => self.notice(images::shown(&name)?),
            Ask::ImportFrom(url) => {
                let bytes = self.fetch(&url, 0).await;
                let bytes =
                    bytes.ok_or_else(|| Error::file(Path::new(&url), "it cannot be fetched", "its server must allow other sites to"))?;
                Shelf::import(&self, &url, bytes)?;
            }
            Ask::ExportRun(key, export) => {
                let (name, bytes) = Shelf::export(&self, &key, export).await?;
                self.tell(&Told::Saved(name), Some(bytes));
            }
            Ask::DeleteRun(key) => Shelf::delete(&self, &key)?,
            Ask::Keep => self.keeper.hurry(),
            Ask::CheckUp => doctor::check_up(&self).await,
            Ask::Speed { preset, batch, secs } => {
                let told = speed::measure(&self, &preset, batch, secs).await?;
                self.tell(&told, None);
            }
        }
        Ok(())
    }

    /// Sends a message to the page.
    pub fn tell(&self, told: &Told, bytes: Option<Vec<u8>>) {
        let text = serde_json::to_string(told).expect("messages are plain data with text keys");
        self.outside.post(&text, bytes.map(|bytes| Uint8Array::from(bytes.as_slice())));
    }

    /// Tells the screens something.
    pub fn notice(&self, notice: Notice) {
        self.tell(&Told::Notice(notice), None);
    }

    /// A passing message.
    pub fn say(&self, text: &str) {
        self.notice(Notice::Message(text.to_string()));
    }

    /// Keeps an event until the next [`Worker::flush`]: many events, one message.
    pub fn push(&self, key: &RunKey, event: Event) {
        self.events.borrow_mut().entry(key.clone()).or_default().push(event);
    }

    /// Sends the events that were kept.
    pub fn flush(&self) {
        for (key, events) in self.events.take() {
            self.notice(Notice::Events(key, events));
        }
    }

    /// The bytes of a file of the site, or at another address, from `first` on.
    pub async fn fetch(&self, url: &str, first: u64) -> Option<Vec<u8>> {
        let url = if url.contains("://") { url.to_string() } else { format!("{}{url}", self.about.base_url) };
        let bytes = JsFuture::from(self.outside.fetch(&url, first as f64)).await.ok()?;
        if bytes.is_undefined() { None } else { Some(Uint8Array::new(&bytes).to_vec()) }
    }

    /// What the site holds; none as long as it does not answer.
    pub async fn site(&self) -> Option<Rc<Site>> {
        if let Some(site) = self.site.borrow().clone() {
            return Some(site);
        }
        let bytes = self.fetch("site.json", 0).await?;
        let site: Rc<Site> = Rc::new(serde_json::from_slice(&bytes).ok()?);
        *self.site.borrow_mut() = Some(site.clone());
        Some(site)
    }

    /// The device that trains, opened once: for questions, not for trainings, which open their own.
    async fn device(&self) -> Result<(Device, String)> {
        let known = self.device.borrow().clone().filter(|(device, _)| !device.is_lost());
        if let Some(known) = known {
            return Ok(known);
        }
        let opened = Device::open(self.choice(), None).await?;
        *self.device.borrow_mut() = Some(opened.clone());
        Ok(opened)
    }

    /// Where trainings run.
    pub fn choice(&self) -> DeviceChoice {
        match self.about.device.as_str() {
            "cpu" => DeviceChoice::Cpu,
            "gpu" => DeviceChoice::Gpu,
            _ => DeviceChoice::Auto,
        }
    }

    /// Brings the embedded image set where the readers look for it, if the experiment needs it.
    pub async fn ensure_data(&self, experiment: &Experiment) -> Result<()> {
        if experiment.data.kind != "fashion-mnist" || !experiment.data.path.is_empty() {
            return Ok(());
        }
        let site = self.site().await;
        for name in embedded::FILES.as_flattened() {
            let path = Path::new(embedded::FOLDER).join(name);
            if files::is_file(&path) {
                continue;
            }
            let missing = || Error::data(&path, "cannot be fetched", "check the connection, and try again");
            let url = site.as_ref().and_then(|site| site.data.get(*name)).ok_or_else(missing)?;
            let bytes = self.fetch(url, 0).await.ok_or_else(missing)?;
            files::restore(&path, Some((bytes, Default::default())));
        }
        Ok(())
    }

    async fn list_runs(&self) {
        let (heads, troubles) = Shelf::list(self).await;
        self.notice(Notice::Runs(heads, troubles));
    }

    /// Answers a question for an estimate, unless another has followed it: people type.
    async fn estimate(&self, experiment: &Experiment) {
        let number = self.num_estimates.get() + 1;
        self.num_estimates.set(number);
        let is_latest = || self.num_estimates.get() == number;
        sleep(SETTLE_SECS).await;
        if !is_latest() {
            return;
        }
        let estimate = self.try_estimate(experiment).await.map_err(|error| error.to_string());
        if is_latest() {
            self.notice(Notice::Estimate(estimate));
        }
    }

    async fn try_estimate(&self, experiment: &Experiment) -> Result<Estimate> {
        self.ensure_data(experiment).await?;
        let (device, _) = self.device().await?;
        let flops_per_sec = self.pace.borrow_mut().flops_per_sec(Path::new(RUNS_DIR), &device);
        pace::estimate(experiment, &device, flops_per_sec)
    }

    /// What this browser can do.
    async fn abilities(&self) -> Abilities {
        let About { user_agent, is_secure, has_webgpu, storage_trouble, .. } = &self.about;
        let help = advice::help(Browser { user_agent, is_secure: *is_secure, has_webgpu: *has_webgpu });
        let (device, summary, help) = match self.device().await {
            Ok((Device::Gpu(gpu, _), _)) => {
                let place = if gpu.is_software() { "WebGPU, which computes on the processor here" } else { "its GPU through WebGPU" };
                (badge_of(&gpu), format!("This browser trains on {place}."), "")
            }
            Ok((Device::Cpu, why)) => ("cpu (WASM)".to_string(), format!("This browser trains on the processor ({why})."), help),
            Err(error) => ("cpu (WASM)".to_string(), format!("This browser trains on the processor: {error}."), help),
        };
        let help = [help, storage_trouble].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(". ");
        Abilities { device, summary, help, drop_trouble: String::new(), can_train: true }
    }
}

/// A preset with changed settings.
pub fn resolved(preset: &str, sets: Vec<String>) -> Result<Resolved> {
    load(&Sources { preset: Some(preset), sets, ..Sources::default() })
}

/// The folder of a run that this browser keeps.
pub fn folder_of(id: &str) -> PathBuf {
    Path::new(RUNS_DIR).join(id)
}
