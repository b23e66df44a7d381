//! The machine that runs plans on an adapter: regions and arenas as buffers, plans made ready once.

use std::collections::VecDeque;

use super::device::{Gpu, WGPU_VERSION};
use super::prepared::{ALIGN_BYTES, Buffers, Prepared};
use super::readback::Readbacks;
use super::signal::Signal;
use crate::error::{Error, Result};
use crate::graph::launch::{Target, Tier};
use crate::graph::machine::{Culprit, Later, Machine, PlanId, Timing};
use crate::graph::plan::{Buffer, Layout, Plan};
use crate::graph::{Place, Real as _, Region, Scalars, half};
use crate::platform;

/// Runs the host may be ahead of the device.
const MAX_IN_FLIGHT: usize = 3;

/// An adapter with its regions and arenas.
#[derive(Debug)]
pub struct GpuMachine {
    gpu: Gpu,
    target: Target,
    memory: Memory,
    scalars: wgpu::Buffer,
    plans: Vec<Prepared>,
    readbacks: Readbacks,
    in_flight: VecDeque<wgpu::SubmissionIndex>,
    fences: VecDeque<Signal>,
}

/// Regions and arenas.
#[derive(Debug)]
struct Memory {
    regions: Vec<Option<wgpu::Buffer>>,
    region_lens: Vec<usize>,
    arenas: Vec<wgpu::Buffer>,
}

impl Buffers for Memory {
    fn buffer(&self, buffer: Buffer) -> Result<&wgpu::Buffer> {
        match buffer {
            Buffer::Arena(arena) => Ok(&self.arenas[arena]),
            Buffer::Region(region) => {
                self.regions[region as usize].as_ref().ok_or_else(|| Error::Internal(format!("this machine has no region {region:?}")))
            }
        }
    }
}

impl GpuMachine {
    /// A machine with these persistent regions, zeroed; `tier` overrides the adapter's.
    pub fn new(gpu: &Gpu, region_lens: &[(Region, usize)], tier: Option<Tier>) -> Result<Self> {
        let mut memory = Memory { regions: vec![None; Region::ALL.len()], region_lens: vec![0; Region::ALL.len()], arenas: Vec::new() };
        for (region, len) in region_lens.iter().filter(|(_, len)| *len > 0) {
            memory.regions[*region as usize] = Some(storage_buffer(gpu, &format!("{region:?}"), *len)?);
            memory.region_lens[*region as usize] = *len;
        }
        let scalars = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("scalars"),
            size: size_of::<Scalars>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        gpu.check()?;
        Ok(Self {
            gpu: gpu.clone(),
            target: gpu.target(tier),
            memory,
            scalars,
            plans: Vec::new(),
            readbacks: Readbacks::default(),
            in_flight: VecDeque::new(),
            fences: VecDeque::new(),
        })
    }

    /// The adapter.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// A plan made ready.
    pub fn prepared(&self, plan: PlanId) -> &Prepared {
        &self.plans[plan.0]
    }

    /// Fills the arenas with NaN, so that a kernel that reads what nothing wrote shows it.
    pub fn poison_arenas(&self) {
        for arena in &self.memory.arenas {
            // NaN as a number of 32 bits, and as two of 16.
            let words = vec![u32::MAX; (arena.size() / 4) as usize];
            self.gpu.queue.write_buffer(arena, 0, bytemuck::cast_slice(&words));
        }
    }

    /// Sets the numbers of the launches submitted from now on. One slot is enough: the queue
    /// carries out writes and submits in the order they are made.
    pub fn set_scalars(&self, scalars: &Scalars) {
        self.gpu.queue.write_buffer(&self.scalars, 0, bytemuck::bytes_of(scalars));
    }

    /// Makes arenas at least as long as `lens`; plans that used a shorter one are bound again.
    fn grow_arenas(&mut self, lens: &[usize]) -> Result<()> {
        let mut has_grown = false;
        for (ix, len) in lens.iter().enumerate() {
            let old_len = self.memory.arenas.get(ix).map_or(0, |arena| (arena.size() / 4) as usize);
            if old_len >= *len && old_len > 0 {
                continue;
            }
            let arena = storage_buffer(&self.gpu, &format!("arena {ix}"), (*len).max(1))?;
            if ix < self.memory.arenas.len() {
                self.memory.arenas[ix] = arena;
                has_grown = true;
            } else {
                self.memory.arenas.push(arena);
            }
        }
        self.gpu.check()?;
        if has_grown {
            for prepared in &mut self.plans {
                prepared.rebind(&self.gpu, &self.memory)?;
            }
        }
        Ok(())
    }

    fn region(&self, place: Place, len: usize) -> Result<&wgpu::Buffer> {
        let region_len = self.memory.region_lens[place.region as usize];
        if place.offset + len > region_len {
            return Err(Error::Internal(format!("{place:?}+{len} lies outside a region of {region_len} words")));
        }
        self.memory.buffer(Buffer::Region(place.region))
    }

    /// Submits launches of a plan in one command buffer.
    pub(super) fn submit(&self, plan: &Prepared, launches: std::ops::Range<usize>) -> wgpu::SubmissionIndex {
        let mut encoder = self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some(&plan.plan.name) });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(&plan.plan.name), timestamp_writes: None });
        plan.encode(&mut pass, launches);
        drop(pass);
        self.gpu.queue.submit([encoder.finish()])
    }
}

fn storage_buffer(gpu: &Gpu, label: &str, len: usize) -> Result<wgpu::Buffer> {
    let (bytes, limit) = (len as u64 * 4, gpu.limits.max_buffer_size);
    if bytes > limit {
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        let what = format!("{label} needs {:.0} MiB, and a buffer of {} holds at most {:.0} MiB", mib(bytes), gpu.info.name, mib(limit));
        return Err(Error::device(what, "take a smaller train.micro_batch or model"));
    }
    Ok(gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        size: bytes,
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    }))
}

impl Machine for GpuMachine {
    fn describe(&self) -> String {
        let wgpu::AdapterInfo { name, backend, .. } = &self.gpu.info;
        format!("{name} ({backend}, {:?} kernels{})", self.target.tier, if self.gpu.is_checked { ", checked" } else { "" })
    }

    fn versions(&self) -> Vec<(&'static str, String)> {
        let wgpu::AdapterInfo { driver, driver_info, .. } = &self.gpu.info;
        let driver = format!("{driver} {driver_info}").trim().to_string();
        vec![("wgpu", WGPU_VERSION.to_string()), ("driver", driver)]
    }

    fn layout(&self) -> Layout {
        Layout {
            target: Some(self.target.clone()),
            align: ALIGN_BYTES / 4,
            max_buffer_len: (self.gpu.limits.max_buffer_size / 4) as usize,
            max_binding_len: (self.gpu.limits.max_storage_buffer_binding_size / 4) as usize,
        }
    }

    fn load(&mut self, plan: Plan) -> Result<PlanId> {
        self.grow_arenas(&plan.arenas)?;
        self.plans.push(Prepared::new(&self.gpu, plan, &self.memory, &self.scalars)?);
        Ok(PlanId(self.plans.len() - 1))
    }

    fn run(&mut self, plan: PlanId, scalars: &Scalars) -> Result<()> {
        self.gpu.check()?;
        self.set_scalars(scalars);
        let prepared = &self.plans[plan.0];
        let mut last = None;
        for launches in &prepared.submits {
            last = Some(self.submit(prepared, launches.clone()));
        }
        if let Some(last) = last {
            self.in_flight.push_back(last);
        }
        if self.in_flight.len() > MAX_IN_FLIGHT {
            let oldest = self.in_flight.pop_front();
            self.gpu.wait(oldest)?;
        }
        self.gpu.check()
    }

    fn upload(&mut self, place: Place, words: &[f32]) -> Result<()> {
        let buffer = self.region(place, words.len())?;
        self.gpu.queue.write_buffer(buffer, place.offset as u64 * 4, bytemuck::cast_slice(words));
        self.gpu.check()
    }

    fn upload_bytes(&mut self, place: Place, bytes: &[u8]) -> Result<()> {
        let buffer = self.region(place, bytes.len().div_ceil(4))?;
        let (words, rest) = bytes.as_chunks::<4>();
        self.gpu.queue.write_buffer(buffer, place.offset as u64 * 4, words.as_flattened());
        if !rest.is_empty() {
            let mut last = [0; 4];
            last[..rest.len()].copy_from_slice(rest);
            self.gpu.queue.write_buffer(buffer, (place.offset + words.len()) as u64 * 4, &last);
        }
        self.gpu.check()
    }

    fn download(&mut self, place: Place, len: usize) -> Later<'_, Vec<f32>> {
        Box::pin(async move {
            let buffer = self.region(place, len)?.clone();
            self.readbacks.read(&self.gpu, &buffer, place.offset, len).await
        })
    }

    fn request(&mut self, tag: u64, place: Place, len: usize) -> Result<()> {
        let buffer = self.region(place, len)?.clone();
        self.readbacks.request(&self.gpu, tag, &buffer, place.offset, len);
        self.gpu.check()
    }

    fn collect(&mut self, wait: bool) -> Later<'_, Vec<(u64, Vec<f32>)>> {
        Box::pin(self.readbacks.collect(&self.gpu, wait))
    }

    fn keep_up(&mut self) -> Later<'_, ()> {
        Box::pin(async move {
            // Where waits block, `run` has kept up by itself.
            if platform::CAN_BLOCK {
                return Ok(());
            }
            let fence = Signal::default();
            let done = fence.clone();
            self.gpu.queue.on_submitted_work_done(move || done.set(true));
            self.fences.push_back(fence);
            if self.fences.len() > MAX_IN_FLIGHT {
                let oldest = self.fences.pop_front().expect("there are more than none");
                self.gpu.settled(&oldest).await?;
            }
            self.gpu.check()
        })
    }

    fn find_non_finite<'a>(&'a mut self, plan: PlanId, scalars: &'a Scalars) -> Later<'a, Option<Culprit>> {
        Box::pin(async move {
            self.set_scalars(scalars);
            let prepared = &self.plans[plan.0];
            for (step, launches) in prepared.plan.steps.iter().zip(&prepared.steps) {
                self.submit(prepared, launches.clone());
                for (port, loc) in step.outputs.iter().enumerate() {
                    let words = self.readbacks.read(&self.gpu, self.memory.buffer(loc.buffer)?, loc.offset, loc.len).await?;
                    let is_finite = |word: &f32| if loc.half { half::are_finite(word.to_bits()) } else { word.is_finite_bits() };
                    if !words.iter().all(is_finite) {
                        let op = format!("{} {}", step.label, step.op.name());
                        return Ok(Some(Culprit { op, what: format!("output {port}") }));
                    }
                }
            }
            Ok(None)
        })
    }

    fn profile<'a>(&'a mut self, plan: PlanId, scalars: &'a Scalars) -> Later<'a, Vec<Timing>> {
        Box::pin(self.time_launches(plan, scalars))
    }

    fn is_lost(&self) -> bool {
        self.gpu.is_lost()
    }

    fn lose(&mut self) {
        self.gpu.lose();
    }

    fn region_len(&self, region: Region) -> usize {
        self.memory.region_lens[region as usize]
    }
}
