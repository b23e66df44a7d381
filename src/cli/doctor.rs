//! `doctor`: what this machine can compute on, and how fast.

use std::collections::BTreeSet;

use clap::Args;
use serde::Serialize;
use vitrine::error::Result;
use vitrine::gpu::device::{self, Gpu};
use vitrine::graph::launch::Tier;
use vitrine::ops::matmul::Form;
use vitrine::platform::Wait as _;
use vitrine::train::device::Device;
use vitrine::train::selftest::{self, Finding};
use vitrine::train::session::DeviceChoice;

use super::{output, products};

/// Exit code when a kernel is wrong.
const WRONG_KERNEL: u8 = 1;
/// Seconds of each speed check; a rate settles within twice of it.
const SPEED_SECS: f64 = 0.7;
/// Side of the matrices of the speed check: large enough for full speed, small enough for a
/// software adapter to make a few.
const SPEED_SIDE: usize = 512;

const EXAMPLES: &str = "\
Examples:
  vitrine doctor                           adapters, limits, choice, kernels, speed
  vitrine doctor --json                    the same as one JSON object";

/// Flags of `doctor`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Everything found.
#[derive(Debug, Serialize)]
struct Findings {
    cpu_threads: usize,
    adapters: Vec<Adapter>,
    /// What `--device auto` takes, and why.
    auto: String,
    speed: Vec<Speed>,
}

/// A GPU adapter.
#[derive(Debug, Serialize)]
struct Adapter {
    name: String,
    backend: String,
    /// Discrete, integrated, virtual, software.
    kind: String,
    driver: String,
    /// None: it cannot be opened, and `trouble` says why.
    open: Option<Opened>,
    kernels: Vec<Finding>,
    /// Why it cannot be opened, or that it was lost in the middle of the test.
    trouble: Option<String>,
}

/// What an open adapter allows.
#[derive(Debug, Serialize)]
struct Opened {
    tier: &'static str,
    buffer_bytes: u64,
    binding_bytes: u64,
    storage_buffers: u32,
    workgroup_invocations: u32,
    workgroup_bytes: u32,
    has_timestamps: bool,
    is_checked: bool,
}

/// A matrix product's speed.
#[derive(Debug, Serialize)]
struct Speed {
    device: String,
    gflop_per_sec: f64,
}

/// Looks at the machine and prints what it found.
pub fn run(args: &DoctorArgs) -> Result<u8> {
    let infos = device::adapters().wait();
    let opened: Vec<_> = infos.iter().map(|info| (info, Gpu::open(Some(&info.name)).wait())).collect();
    let (chosen, why) = Device::open(DeviceChoice::Auto, None).wait()?;
    let adapters = opened.iter().map(|(info, gpu)| describe(info, gpu)).collect::<Result<_>>()?;
    let mut devices = vec![("cpu".to_string(), Device::Cpu)];
    devices.extend(opened.iter().filter_map(|(info, gpu)| Some((info.name.clone(), Device::Gpu(gpu.as_ref().ok()?.clone(), None)))));
    let findings = Findings {
        cpu_threads: rayon::current_num_threads(),
        adapters,
        auto: if matches!(chosen, Device::Cpu) { why } else { format!("gpu: {why}") },
        speed: devices.iter().map(|(name, device)| speed(name, device)).collect::<Result<_>>()?,
    };
    if args.json {
        output::print_json(&findings)?
    } else {
        output::print(&findings.text())?
    }
    Ok(if findings.num_wrong() > 0 { WRONG_KERNEL } else { 0 })
}

fn describe(info: &wgpu::AdapterInfo, gpu: &Result<Gpu>) -> Result<Adapter> {
    output::note(&format!("testing every kernel on {} …", info.name));
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => "discrete GPU",
        wgpu::DeviceType::IntegratedGpu => "integrated GPU",
        wgpu::DeviceType::VirtualGpu => "virtual GPU",
        wgpu::DeviceType::Cpu => "software",
        wgpu::DeviceType::Other => "of unknown kind",
    };
    let mut kernels = Vec::new();
    let tested = gpu.as_ref().map(|gpu| selftest::check(gpu, &mut |so_far| kernels = so_far.to_vec()).wait().err());
    // A device that is lost in the middle leaves what was found before.
    let trouble = tested.map_err(ToString::to_string).map_or_else(Some, |lost| lost.map(|error| error.to_string()));
    Ok(Adapter {
        name: info.name.clone(),
        backend: info.backend.to_string(),
        kind: kind.to_string(),
        driver: format!("{} {}", info.driver, info.driver_info).trim().to_string(),
        open: gpu.as_ref().ok().map(Opened::new),
        kernels,
        trouble,
    })
}

impl Opened {
    fn new(gpu: &Gpu) -> Self {
        let limits = &gpu.limits;
        Self {
            tier: match gpu.tier() {
                Tier::Plain => "T0: no barriers, register tiles",
                Tier::Narrow => "T0n: no barriers, panels of the invocation's own",
                Tier::Tiled => "T1: tiles in workgroup memory",
            },
            buffer_bytes: limits.max_buffer_size,
            binding_bytes: limits.max_storage_buffer_binding_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            has_timestamps: gpu.has_timestamps,
            is_checked: gpu.is_checked,
        }
    }
}

fn speed(name: &str, device: &Device) -> Result<Speed> {
    let op = products::product(Form::Nt, [SPEED_SIDE; 3]);
    Ok(Speed { device: name.to_string(), gflop_per_sec: products::planned_gflops(device, &op, SPEED_SECS)? })
}

impl Findings {
    fn num_wrong(&self) -> usize {
        self.adapters.iter().flat_map(|adapter| &adapter.kernels).filter(|finding| finding.trouble.is_some()).count()
    }

    fn text(&self) -> String {
        let mut lines = vec![format!("processor     {} threads", self.cpu_threads)];
        if self.adapters.is_empty() {
            lines.push("adapters      none found; the processor computes".to_string());
        }
        for adapter in &self.adapters {
            lines.push(format!("adapter       {} ({}, {}; {})", adapter.name, adapter.backend, adapter.kind, adapter.driver));
            lines.extend(adapter.details().into_iter().map(|(title, row)| format!("  {title:<12}{row}")));
            lines.extend(kernel_table(&adapter.kernels));
        }
        lines.push(format!("--device auto {}", self.auto));
        for Speed { device, gflop_per_sec } in &self.speed {
            lines.push(format!("speed         {gflop_per_sec:.1} GFLOP/s on {device}, product of {SPEED_SIDE}×{SPEED_SIDE} matrices"));
        }
        match self.num_wrong() {
            0 => {}
            count => lines.push(format!("{count} kernels are wrong: please report this; --device cpu does without them")),
        }
        lines.join("\n") + "\n"
    }
}

/// A line for each kernel, with its largest error in each tier and way of storing.
fn kernel_table(findings: &[Finding]) -> Vec<String> {
    let ways: BTreeSet<&str> = findings.iter().map(|finding| finding.tier).collect();
    let mut lines = Vec::new();
    for kernel in findings.chunk_by(|a, b| a.kernel == b.kernel) {
        let column = |way: &&str| match kernel.iter().find(|finding| finding.tier == *way) {
            None => String::new(),
            Some(Finding { trouble: None, error, .. }) => format!("{way} right, error {error:.0e}"),
            Some(_) => format!("{way} WRONG"),
        };
        let columns: Vec<String> = ways.iter().map(|way| format!("{:<26}", column(way))).collect();
        lines.push(format!("  {:<28}{}", kernel[0].kernel, columns.join("")).trim_end().to_string());
        lines.extend(kernel.iter().filter_map(|finding| Some(format!("    {}: {}", finding.tier, finding.trouble.as_ref()?))));
    }
    lines
}

impl Adapter {
    fn details(&self) -> Vec<(&'static str, String)> {
        let limits = self.open.iter().flat_map(Opened::details);
        limits.chain(self.trouble.clone().map(|trouble| ("trouble", trouble))).collect()
    }
}

impl Opened {
    fn details(&self) -> Vec<(&'static str, String)> {
        let mib = |bytes: u64| bytes >> 20;
        vec![
            ("tier", self.tier.to_string()),
            ("memory", format!("buffers of {} MiB, bindings of {} MiB", mib(self.buffer_bytes), mib(self.binding_bytes))),
            (
                "kernels",
                format!(
                    "{} storage buffers, {} invocations and {} KiB a workgroup",
                    self.storage_buffers,
                    self.workgroup_invocations,
                    self.workgroup_bytes / 1024
                ),
            ),
            ("shaders", if self.is_checked { "bounds checked (VITRINE_CHECKED=1)" } else { "trusted" }.to_string()),
            ("timestamps", if self.has_timestamps { "yes" } else { "no" }.to_string()),
        ]
    }
}
