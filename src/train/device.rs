//! Which device a session computes on.

use super::session::DeviceChoice;
use crate::cpu::machine::CpuMachine;
use crate::error::Result;
use crate::gpu::device::{self, Gpu};
use crate::gpu::machine::GpuMachine;
use crate::gpu::startup;
use crate::gpu::tune::{cache_dir, tune};
use crate::graph::launch::Tier;
use crate::graph::machine::Machine;
use crate::graph::plan::Layout;
use crate::graph::{Graph, Region};

/// What the arenas of a session may take of a desktop's memory.
const CPU_ARENA_BYTES: u64 = 6 << 30;
/// What they may take of the largest adapter.
const MAX_ARENA_BYTES: u64 = 24 << 30;

/// An open device, before it is known how much memory a session needs.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "a session has one")]
pub enum Device {
    /// The processor.
    Cpu,
    /// An adapter, with another kernel tier than its own where tests ask for one.
    Gpu(Gpu, Option<Tier>),
}

impl Device {
    /// Opens the device of `choice`, and says why it is that one.
    ///
    /// `Auto` takes a real GPU; a software adapter is slower than the processor, so that is taken
    /// where there is nothing else.
    pub async fn open(choice: DeviceChoice, adapter: Option<&str>) -> Result<(Self, String)> {
        match choice {
            DeviceChoice::Cpu => Ok((Self::Cpu, "cpu, as asked".to_string())),
            DeviceChoice::Gpu => {
                let gpu = startup::settle(Gpu::open(adapter).await?, startup::trouble).await?;
                let why = format!("{}, as asked", gpu.info.name);
                Ok((Self::Gpu(gpu, None), why))
            }
            DeviceChoice::Auto => {
                let infos = device::adapters().await;
                let Ok(best) = device::pick(&infos, adapter) else {
                    return Ok((Self::Cpu, "cpu: no GPU adapter found".to_string()));
                };
                if device::is_software(&infos[best]) {
                    return Ok((Self::Cpu, format!("cpu: {} is a software adapter and slower", infos[best].name)));
                }
                let opened = match Gpu::open(adapter).await {
                    Ok(gpu) => startup::settle(gpu, startup::trouble).await,
                    Err(error) => Err(error),
                };
                Ok(match opened {
                    Ok(gpu) => {
                        let why = gpu.info.name.clone();
                        (Self::Gpu(gpu, None), why)
                    }
                    Err(error) => (Self::Cpu, format!("cpu: {error}")),
                })
            }
        }
    }

    /// Whether it no longer answers.
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Gpu(gpu, _) if gpu.is_lost())
    }

    /// Why its kernels are not those of the adapter's own tier, if they are not.
    pub fn why_tier(&self) -> Option<&str> {
        match self {
            Self::Cpu => None,
            Self::Gpu(gpu, _) => gpu.why_tier(),
        }
    }

    /// What plans for this device must keep to.
    pub fn layout(&self) -> Result<Layout> {
        Ok(match self {
            Self::Cpu => Layout::processor(),
            Self::Gpu(gpu, tier) => GpuMachine::new(gpu, &[], *tier)?.layout(),
        })
    }

    /// Chooses the tiles of a real adapter for the ops of `graph`: timed once, then kept in a file. A
    /// software adapter has nothing to choose.
    pub async fn tune(&self, graph: &Graph) -> Result<()> {
        match self {
            Self::Gpu(gpu, _) if gpu.tier() == Tier::Tiled => tune(gpu, [graph], cache_dir().as_deref()).await.map(|_| ()),
            Self::Gpu(..) | Self::Cpu => Ok(()),
        }
    }

    /// The machine, with these persistent regions.
    pub fn machine(&self, region_lens: &[(Region, usize)]) -> Result<Box<dyn Machine>> {
        Ok(match self {
            Self::Cpu => Box::new(CpuMachine::<f32>::new(region_lens)),
            Self::Gpu(gpu, tier) => Box::new(GpuMachine::new(gpu, region_lens, *tier)?),
        })
    }

    /// Bytes the arenas of a session may take: half of what an adapter binds in one buffer times its
    /// usual number of arenas, or a share of a desktop's memory; in a page, of the 4 GiB it can address.
    pub fn arena_budget_bytes(&self) -> usize {
        let bytes = match self {
            Self::Cpu => CPU_ARENA_BYTES.min(usize::MAX as u64 / 4),
            Self::Gpu(gpu, _) => gpu.limits.max_buffer_size.saturating_mul(2).min(MAX_ARENA_BYTES),
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}
