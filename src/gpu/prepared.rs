//! A plan made ready: pipelines, bind groups, dims, and how it is cut into submits.

use std::ops::Range;

use super::device::Gpu;
use super::pipeline::{DIMS_BYTES, Kernel};
use crate::error::{Error, Result};
use crate::graph::launch::{Dispatch, Slot};
use crate::graph::plan::{Buffer, Loc, Plan, Step};
use crate::graph::{Cost, Scalars};

/// Every place must start at a multiple of this: the largest storage offset alignment WebGPU allows.
pub const ALIGN_BYTES: usize = 256;

/// Longest submit in seconds; watchdogs of displays and browsers end longer ones.
const SUBMIT_SECS: f64 = 0.3;

/// A plan with everything a run needs.
#[derive(Debug)]
pub struct Prepared {
    /// The plan.
    pub plan: Plan,
    /// Launches of all steps, in order.
    pub launches: Vec<PreparedLaunch>,
    /// Launches of each step.
    pub steps: Vec<Range<usize>>,
    /// Launches of each submit.
    pub submits: Vec<Range<usize>>,
    uniforms: wgpu::BindGroup,
}

/// One dispatch, ready to encode.
#[derive(Debug)]
pub struct PreparedLaunch {
    kernel: Kernel,
    storage: wgpu::BindGroup,
    dims_offset: u32,
    groups: [u32; 3],
}

/// The buffers a plan's places lie in.
pub trait Buffers {
    /// The buffer, or what is missing.
    fn buffer(&self, buffer: Buffer) -> Result<&wgpu::Buffer>;
}

impl Prepared {
    /// Compiles and binds everything `plan` needs.
    pub fn new(gpu: &Gpu, plan: Plan, buffers: &impl Buffers, scalars: &wgpu::Buffer) -> Result<Self> {
        let uniforms = uniforms(gpu, &plan, scalars)?;
        let mut launches = Vec::new();
        let mut steps = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            let first = launches.len();
            for dispatch in &step.dispatches {
                let kernel = gpu.kernel(dispatch)?;
                let storage = bind(gpu, step, dispatch, &kernel, buffers)?;
                let dims_offset = (launches.len() as u64 * DIMS_BYTES) as u32;
                launches.push(PreparedLaunch { kernel, storage, dims_offset, groups: dispatch.groups });
            }
            steps.push(first..launches.len());
        }
        let submits = cut(gpu, &plan, &steps);
        Ok(Self { plan, launches, steps, submits, uniforms })
    }

    /// Binds again after an arena was replaced.
    pub fn rebind(&mut self, gpu: &Gpu, buffers: &impl Buffers) -> Result<()> {
        for (step, range) in self.plan.steps.iter().zip(&self.steps) {
            for (dispatch, launch) in step.dispatches.iter().zip(&mut self.launches[range.clone()]) {
                launch.storage = bind(gpu, step, dispatch, &launch.kernel, buffers)?;
            }
        }
        Ok(())
    }

    /// Records launches into a pass.
    pub fn encode(&self, pass: &mut wgpu::ComputePass<'_>, launches: Range<usize>) {
        for launch in &self.launches[launches] {
            pass.set_pipeline(&launch.kernel.pipeline);
            pass.set_bind_group(0, &self.uniforms, &[launch.dims_offset]);
            pass.set_bind_group(1, &launch.storage, &[]);
            let [x, y, z] = launch.groups;
            pass.dispatch_workgroups(x, y, z);
        }
    }
}

/// All dims of the plan in one buffer, and the scalars, as group 0.
fn uniforms(gpu: &Gpu, plan: &Plan, scalars: &wgpu::Buffer) -> Result<wgpu::BindGroup> {
    let mut words = Vec::new();
    for dispatch in plan.steps.iter().flat_map(|step| &step.dispatches) {
        let room = (DIMS_BYTES / 4) as usize;
        if dispatch.dims.len() > room {
            return Err(Error::Internal(format!("{} has {} dims, and there is room for {room}", dispatch.shader, dispatch.dims.len())));
        }
        let end = words.len() + room;
        words.extend(dispatch.dims.iter().map(|(_, value)| *value));
        words.resize(end, 0u32);
    }
    let dims = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("dims"),
        size: (words.len() as u64 * 4).max(DIMS_BYTES),
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue.write_buffer(&dims, 0, bytemuck::cast_slice(&words));
    let one = |buffer, bytes| wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset: 0, size: wgpu::BufferSize::new(bytes) });
    Ok(gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("dims and scalars"),
        layout: &gpu.uniform_layout(),
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: one(&dims, DIMS_BYTES) },
            wgpu::BindGroupEntry { binding: 1, resource: one(scalars, size_of::<Scalars>() as u64) },
        ],
    }))
}

fn bind(gpu: &Gpu, step: &Step, dispatch: &Dispatch, kernel: &Kernel, buffers: &impl Buffers) -> Result<wgpu::BindGroup> {
    let mut entries = Vec::with_capacity(dispatch.bindings.len());
    for (ix, binding) in dispatch.bindings.iter().enumerate() {
        let loc = place(step, binding.slot);
        if !(loc.offset * 4).is_multiple_of(ALIGN_BYTES) {
            let what = format!(
                "{} ({}): {} = {loc} does not start at a multiple of {ALIGN_BYTES} bytes",
                step.op.name(),
                step.label,
                binding.name
            );
            return Err(Error::Internal(what));
        }
        let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: buffers.buffer(loc.buffer)?,
            offset: loc.offset as u64 * 4,
            size: wgpu::BufferSize::new(loc.len as u64 * 4),
        });
        entries.push(wgpu::BindGroupEntry { binding: ix as u32, resource });
    }
    let descriptor = wgpu::BindGroupDescriptor { label: Some(dispatch.entry), layout: &kernel.storage, entries: &entries };
    let group = gpu.device.create_bind_group(&descriptor);
    gpu.check().map_err(|error| Error::Internal(format!("{} ({}), {}: {error}", step.op.name(), step.label, dispatch.entry)))?;
    Ok(group)
}

fn place(step: &Step, slot: Slot) -> Loc {
    match slot {
        Slot::In(port) => step.inputs[port],
        Slot::Out(port) => step.outputs[port],
        Slot::Scratch(ix) => step.scratch[ix],
    }
}

/// Cuts a plan into submits of about [`SUBMIT_SECS`] at most, between launches.
fn cut(gpu: &Gpu, plan: &Plan, steps: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut submits = Vec::new();
    let mut start = 0;
    let mut secs = 0.0;
    for (step, range) in plan.steps.iter().zip(steps) {
        let step_secs = estimated_secs(gpu.info.device_type, step.op.cost());
        if secs + step_secs > SUBMIT_SECS && range.start > start {
            submits.push(start..range.start);
            start = range.start;
            secs = 0.0;
        }
        secs += step_secs;
    }
    let end = steps.last().map_or(0, |range| range.end);
    if end > start {
        submits.push(start..end);
    }
    submits
}

/// A cautious guess, from slow adapters of each kind, with f32 kernels.
fn estimated_secs(device_type: wgpu::DeviceType, cost: Cost) -> f64 {
    let (flops_per_sec, bytes_per_sec) = match device_type {
        wgpu::DeviceType::DiscreteGpu => (1e12, 1e11),
        wgpu::DeviceType::IntegratedGpu => (1e11, 1e10),
        wgpu::DeviceType::Cpu | wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => (5e9, 2e9),
    };
    (cost.flops / flops_per_sec).max(cost.bytes / bytes_per_sec)
}
