//! Adapters: listing, choosing by name, opening, and what went wrong on them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::pipeline::Pipelines;
use super::signal::Signal;
use crate::error::{Error, Result};
use crate::graph::launch::{Target, Tier};
use crate::platform;

/// What to do where there is no adapter.
const INSTALL_HINT: &str = "install your card's Vulkan driver (Debian or Ubuntu without a card: apt install mesa-vulkan-drivers), \
                            or take --device cpu";
/// The version of wgpu; it has no constant of its own, so a test holds this against Cargo.lock.
pub const WGPU_VERSION: &str = "30.0.1";
/// Longest wait for a device, seconds, and for a software adapter.
const TIMEOUT_SECS: u64 = 60;
const SOFTWARE_TIMEOUT_SECS: u64 = 900;
/// Environment variable: `1` keeps the bounds checks that trusted shaders do without.
const CHECKED_VARIABLE: &str = "VITRINE_CHECKED";

/// An open adapter with its compiled kernels. Clones share all of it.
#[derive(Clone, Debug)]
pub struct Gpu {
    /// The logical device.
    pub device: wgpu::Device,
    /// Its only queue.
    pub queue: wgpu::Queue,
    /// Name, kind and driver.
    pub info: wgpu::AdapterInfo,
    /// Limits of the adapter, all of them granted.
    pub limits: wgpu::Limits,
    /// Whether passes can be timed on the device.
    pub has_timestamps: bool,
    /// Whether shaders may read numbers as `f16`.
    pub has_f16: bool,
    /// Whether shaders keep their bounds checks.
    pub is_checked: bool,
    pub(super) pipelines: Arc<Mutex<Pipelines>>,
    /// A tier in place of its own, and why.
    taken_tier: Option<(Tier, String)>,
    choices: Arc<Mutex<BTreeMap<String, usize>>>,
    failure: Arc<Mutex<Option<Failure>>>,
    /// Longest wait for the device: a software adapter may need a minute for one large step.
    pub timeout: Duration,
}

/// What wgpu reported out of band.
#[derive(Clone, Debug)]
enum Failure {
    Lost(String),
    OutOfMemory(String),
    Invalid(String),
}

/// Every adapter of this machine; in a browser the one it prefers.
pub async fn adapters() -> Vec<wgpu::AdapterInfo> {
    infos_of(&instance().enumerate_adapters(wgpu::Backends::all()).await).await
}

/// What adapters are, each with a name: browsers hide it from wgpu, and tell maker and architecture at most.
async fn infos_of(adapters: &[wgpu::Adapter]) -> Vec<wgpu::AdapterInfo> {
    let mut infos: Vec<_> = adapters.iter().map(wgpu::Adapter::get_info).collect();
    for info in infos.iter_mut().filter(|info| info.name.is_empty()) {
        info.name = platform::adapter_name().await.unwrap_or_else(|| "a GPU without a name".to_string());
    }
    infos
}

/// Whether the adapter is a processor in disguise (lavapipe, SwiftShader, WARP).
pub fn is_software(info: &wgpu::AdapterInfo) -> bool {
    // Browsers tell no device type, but Chrome names SwiftShader.
    info.device_type == wgpu::DeviceType::Cpu || is_swiftshader(info)
}

/// Whether it is the one that browsers bring along: vectors of 4 floats, and a compiler in a hurry.
fn is_swiftshader(info: &wgpu::AdapterInfo) -> bool {
    info.name.to_lowercase().contains("swiftshader")
}

/// Index of the adapter to open: the best kind among those whose name contains `name`, in any case.
pub fn pick(infos: &[wgpu::AdapterInfo], name: Option<&str>) -> Result<usize> {
    if infos.is_empty() {
        return Err(Error::device("no GPU adapter found", INSTALL_HINT));
    }
    let wanted = name.unwrap_or("").to_lowercase();
    let rank = |info: &wgpu::AdapterInfo| match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    };
    let found = infos.iter().enumerate().filter(|(_, info)| info.name.to_lowercase().contains(&wanted));
    found.min_by_key(|(_, info)| rank(info)).map(|(ix, _)| ix).ok_or_else(|| {
        let names = infos.iter().map(|info| info.name.as_str()).collect::<Vec<_>>().join(", ");
        Error::device(
            format!("no adapter is called \"{}\"; there are: {names}", name.unwrap_or("")),
            "--adapter takes a part of one of these names",
        )
    })
}

fn instance() -> wgpu::Instance {
    wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle())
}

impl Gpu {
    /// Opens the best adapter whose name contains `name`; in a browser the one it prefers.
    pub async fn open(name: Option<&str>) -> Result<Self> {
        let adapters = instance().enumerate_adapters(wgpu::Backends::all()).await;
        let infos = infos_of(&adapters).await;
        Self::from_adapter(&adapters[pick(&infos, name)?]).await
    }

    /// Opens an adapter with all its limits.
    pub async fn from_adapter(adapter: &wgpu::Adapter) -> Result<Self> {
        let info = infos_of(std::slice::from_ref(adapter)).await.remove(0);
        let limits = adapter.limits();
        let features = adapter.features() & (wgpu::Features::TIMESTAMP_QUERY | wgpu::Features::SHADER_F16);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("vitrine"),
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| {
            Error::device(format!("{} cannot be opened: {error}", info.name), "--adapter picks another, --device cpu none")
        })?;
        let timeout_secs = if is_software(&info) { SOFTWARE_TIMEOUT_SECS } else { TIMEOUT_SECS };
        let failure = Arc::new(Mutex::new(None));
        watch(&device, &failure);
        Ok(Self {
            is_checked: std::env::var(CHECKED_VARIABLE).is_ok_and(|value| value == "1"),
            has_f16: features.contains(wgpu::Features::SHADER_F16),
            has_timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
            pipelines: Arc::default(),
            taken_tier: None,
            choices: Arc::default(),
            device,
            queue,
            info,
            limits,
            failure,
            timeout: Duration::from_secs(timeout_secs),
        })
    }

    /// Whether this is a processor in disguise.
    pub fn is_software(&self) -> bool {
        is_software(&self.info)
    }

    /// The kernel tier this adapter runs best, unless another has been taken in its place.
    pub fn tier(&self) -> Tier {
        if let Some((tier, _)) = self.taken_tier {
            return tier;
        }
        match (self.is_software(), is_swiftshader(&self.info)) {
            (true, true) => Tier::Narrow,
            (true, false) => Tier::Plain,
            (false, _) => Tier::Tiled,
        }
    }

    /// Takes a tier in place of the adapter's own.
    pub fn take_tier(&mut self, tier: Tier, why: String) {
        self.taken_tier = Some((tier, why));
    }

    /// Why this is not the adapter's own tier, if it is not.
    pub fn why_tier(&self) -> Option<&str> {
        self.taken_tier.as_ref().map(|(_, why)| why.as_str())
    }

    /// What launches may assume, with everything tuned so far; `tier` overrides the adapter's.
    pub fn target(&self, tier: Option<Tier>) -> Target {
        let choices = self.choices.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Target { choices, has_f16: self.has_f16, ..Target::untuned(tier.unwrap_or_else(|| self.tier())) }
    }

    /// Lets machines made from now on use these tuned candidates.
    pub fn set_choices(&self, choices: BTreeMap<String, usize>) {
        self.choices.lock().unwrap_or_else(PoisonError::into_inner).extend(choices);
    }

    /// The first thing wgpu reported since the last call, as an error. A lost device stays lost.
    pub fn check(&self) -> Result<()> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let name = &self.info.name;
        match failure.clone() {
            None => Ok(()),
            Some(Failure::Lost(why)) => Err(Error::device(format!("{name} was lost: {why}"), "resume from the last checkpoint")),
            Some(Failure::OutOfMemory(what)) => {
                *failure = None;
                Err(Error::device(format!("{name} is out of memory: {what}"), "take a smaller train.micro_batch or model"))
            }
            Some(Failure::Invalid(what)) => {
                *failure = None;
                Err(Error::Internal(format!("wgpu refused a command: {what}")))
            }
        }
    }

    /// Whether the device is gone for good.
    pub fn is_lost(&self) -> bool {
        matches!(*self.failure.lock().unwrap_or_else(PoisonError::into_inner), Some(Failure::Lost(_)))
    }

    /// Destroys the device, and counts it as lost.
    pub fn lose(&self) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(Failure::Lost("destroyed on request".to_string()));
        self.device.destroy();
    }

    /// Blocks until `submission` (or everything submitted) is done; a time-out is an error. In a browser,
    /// where nothing blocks, it returns at once.
    pub fn wait(&self, submission: Option<wgpu::SubmissionIndex>) -> Result<()> {
        let timeout = self.timeout;
        let result = self.device.poll(wgpu::PollType::Wait { submission_index: submission, timeout: Some(timeout) });
        self.check()?;
        result.map(|_| ()).map_err(|error| self.too_slow(timeout, &error.to_string()))
    }

    /// Waits for `signal`, which something submitted before will set; a time-out is an error.
    pub async fn settled(&self, signal: &Signal) -> Result<()> {
        if signal.outcome().is_some() {
            return Ok(());
        }
        // Natively this does all the waiting; a browser goes on at once and calls back later.
        self.wait(None)?;
        let timeout = self.timeout;
        let is_settled = platform::within(timeout.as_secs_f64(), signal.settled()).await.is_some();
        self.check()?;
        if is_settled { Ok(()) } else { Err(self.too_slow(timeout, "no answer")) }
    }

    /// Waits until everything submitted is done.
    pub async fn idle(&self) -> Result<()> {
        let signal = Signal::default();
        let done = signal.clone();
        self.queue.on_submitted_work_done(move || done.set(true));
        self.settled(&signal).await
    }

    fn too_slow(&self, timeout: Duration, why: &str) -> Error {
        let what = format!("{} did not finish within {} s ({why})", self.info.name, timeout.as_secs());
        // Nothing more can be expected of it: a session takes a new device.
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(Failure::Lost(what.clone()));
        Error::device(what, "take a smaller train.micro_batch, or another adapter")
    }
}

/// Keeps the first failure wgpu reports; a lost device outranks the rest.
fn watch(device: &wgpu::Device, failure: &Arc<Mutex<Option<Failure>>>) {
    let report = |cell: &Mutex<Option<Failure>>, failure: Failure| {
        let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
        if cell.is_none() || matches!(failure, Failure::Lost(_)) {
            *cell = Some(failure);
        }
    };
    let cell = failure.clone();
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let failure = match &error {
            wgpu::Error::OutOfMemory { .. } => Failure::OutOfMemory(error.to_string()),
            _ => Failure::Invalid(error.to_string()),
        };
        report(&cell, failure);
    }));
    let cell = failure.clone();
    device.set_device_lost_callback(move |reason, message| {
        // Dropping the device is reported too; nobody is left to care.
        if reason != wgpu::DeviceLostReason::Destroyed {
            report(&cell, Failure::Lost(message));
        }
    });
}
