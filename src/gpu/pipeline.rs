//! Compiled kernels and their layouts.
//!
//! Group 0 of every kernel: dims (uniform, dynamic offset) and the scalars of the step (uniform).
//! Group 1: the storage bindings in the order of the dispatch, offsets and lengths exact.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use super::device::Gpu;
use super::stitch::stitch;
use super::unroll::unroll;
use crate::error::{Error, Result};
use crate::graph::Scalars;
use crate::graph::launch::{Dispatch, Tier};

/// Bytes of one set of dims: the smallest offset alignment every adapter grants.
pub const DIMS_BYTES: u64 = 256;

/// Folders of the shaders for software adapters, which hold large tiles in registers.
const REGISTER_TILES: [&str; 2] = ["plain/", "narrow/"];

/// A kernel ready to launch.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The compiled entry point.
    pub pipeline: wgpu::ComputePipeline,
    /// Layout of group 1.
    pub storage: wgpu::BindGroupLayout,
}

/// Everything compiled so far on one device.
#[derive(Debug, Default)]
pub struct Pipelines {
    uniforms: Option<wgpu::BindGroupLayout>,
    storage: BTreeMap<Vec<bool>, (wgpu::BindGroupLayout, wgpu::PipelineLayout)>,
    modules: BTreeMap<String, wgpu::ShaderModule>,
    kernels: BTreeMap<String, Kernel>,
}

impl Gpu {
    /// The kernel of a dispatch, compiled on first use.
    pub fn kernel(&self, dispatch: &Dispatch) -> Result<Kernel> {
        let mut pipelines = self.pipelines.lock().unwrap_or_else(PoisonError::into_inner);
        let specialised = format!("{} {:?}", dispatch.shader, dispatch.consts);
        let key = format!("{} {specialised}", dispatch.entry);
        if let Some(kernel) = pipelines.kernels.get(&key) {
            return Ok(kernel.clone());
        }
        let module = match pipelines.modules.get(&specialised) {
            Some(module) => module.clone(),
            None => {
                let module = self.module(dispatch)?;
                pipelines.modules.insert(specialised, module.clone());
                module
            }
        };
        let (storage, layout) = pipelines.storage_layout(&self.device, dispatch);
        let label = format!("{}.{}", dispatch.shader.replace('/', "."), dispatch.entry);
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&layout),
            module: &module,
            entry_point: Some(dispatch.entry),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: self.is_checked,
                ..Default::default()
            },
            cache: None,
        });
        self.check().map_err(|error| Error::Internal(format!("shaders/{}.wgsl, {}: {error}", dispatch.shader, dispatch.entry)))?;
        let kernel = Kernel { pipeline, storage };
        pipelines.kernels.insert(key, kernel.clone());
        Ok(kernel)
    }

    /// The layout of group 0.
    pub fn uniform_layout(&self) -> wgpu::BindGroupLayout {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner).uniform_layout(&self.device)
    }

    fn module(&self, dispatch: &Dispatch) -> Result<wgpu::ShaderModule> {
        let mut text = stitch(dispatch.shader, &dispatch.consts)?;
        if self.tier() == Tier::Narrow {
            text = unroll(&text);
        }
        let descriptor = wgpu::ShaderModuleDescriptor { label: Some(dispatch.shader), source: wgpu::ShaderSource::Wgsl(text.into()) };
        // Checked indices would keep large register tiles out of registers: such a kernel runs slower and
        // compiles for minutes. Software adapters look after their buffers themselves.
        let is_exempt = self.is_software() && REGISTER_TILES.iter().any(|folder| dispatch.shader.starts_with(folder));
        let checks =
            if self.is_checked && !is_exempt { wgpu::ShaderRuntimeChecks::checked() } else { wgpu::ShaderRuntimeChecks::unchecked() };
        // SAFETY: only the shaders embedded in this crate come here. Each guards its indices by its
        // dims, has loops that end, and is run with checks on by the tests (VITRINE_CHECKED=1), all but
        // the exempt ones, whose buffers a software adapter bounds itself.
        let module = unsafe { self.device.create_shader_module_trusted(descriptor, checks) };
        self.check().map_err(|error| Error::Internal(format!("shaders/{}.wgsl: {error}", dispatch.shader)))?;
        Ok(module)
    }
}

impl Pipelines {
    fn uniform_layout(&mut self, device: &wgpu::Device) -> wgpu::BindGroupLayout {
        let entry = |binding: u32, has_dynamic_offset: bool, bytes: u64| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset,
                min_binding_size: wgpu::BufferSize::new(bytes),
            },
            count: None,
        };
        let create = || {
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: Some("dims and scalars"),
                entries: &[entry(0, true, DIMS_BYTES), entry(1, false, size_of::<Scalars>() as u64)],
            })
        };
        self.uniforms.get_or_insert_with(create).clone()
    }

    fn storage_layout(&mut self, device: &wgpu::Device, dispatch: &Dispatch) -> (wgpu::BindGroupLayout, wgpu::PipelineLayout) {
        let writes: Vec<bool> = dispatch.bindings.iter().map(|binding| binding.write).collect();
        if let Some(layouts) = self.storage.get(&writes) {
            return layouts.clone();
        }
        let entry = |(binding, write): (usize, &bool)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Storage { read_only: !*write },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = writes.iter().enumerate().map(entry).collect();
        let storage = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("storage"), entries: &entries });
        let uniforms = self.uniform_layout(device);
        let pipeline = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("kernel"),
            bind_group_layouts: &[Some(&uniforms), Some(&storage)],
            immediate_size: 0,
        });
        self.storage.insert(writes, (storage.clone(), pipeline.clone()));
        (storage, pipeline)
    }
}
