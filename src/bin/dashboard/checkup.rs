//! What Doctor says of an adapter, its kernels and its speed, in the window and in a browser.

use std::collections::BTreeMap;

use vitrine::config::load::{Resolved, load};
use vitrine::config::{Experiment, Sources};
use vitrine::dashboard::host::KernelFinding;
use vitrine::data;
use vitrine::data::loader::Loader;
use vitrine::error::Result;
use vitrine::gpu::Gpu;
use vitrine::train::device::Device;
use vitrine::train::selftest::Finding;
use vitrine::train::step::Trainer;

/// The training whose ops are timed: the demo, sixteen images in one pass.
pub fn timed_training() -> Result<Resolved> {
    let sets = vec!["train.batch=16".to_string(), "train.micro_batch=16".to_string()];
    load(&Sources { preset: Some("demo"), sets, ..Sources::default() })
}

/// An adapter in a few words: `NVIDIA H100, T1, f16`.
pub fn badge_of(gpu: &Gpu) -> String {
    let half = if gpu.has_f16 { ", f16" } else { "" };
    format!("{}, {}{half}", gpu.info.name, gpu.tier().short_name())
}

/// Name and value of each limit that decides what fits.
pub fn limits_of(gpu: &Gpu) -> Vec<(String, String)> {
    let mega = |bytes: u64| format!("{} MB", bytes >> 20);
    let limits = &gpu.limits;
    let facts = [
        ("tier", gpu.tier().short_name().to_string()),
        ("f16", if gpu.has_f16 { "yes" } else { "no; everything is computed in f32" }.to_string()),
        ("buffer", mega(limits.max_buffer_size)),
        ("binding", mega(limits.max_storage_buffer_binding_size)),
        ("storage buffers", limits.max_storage_buffers_per_shader_stage.to_string()),
        (
            "workgroup",
            format!("{} invocations, {} bytes", limits.max_compute_invocations_per_workgroup, limits.max_compute_workgroup_storage_size),
        ),
    ];
    facts.map(|(name, value)| (name.to_string(), value)).to_vec()
}

/// A finding of the self-test as the screen shows it.
pub fn shown(finding: &Finding) -> KernelFinding {
    KernelFinding {
        kernel: finding.kernel.to_string(),
        tier: finding.tier.to_string(),
        error: finding.error,
        trouble: finding.trouble.clone().unwrap_or_default(),
    }
}

/// Milliseconds of each op in a forward and backward pass of `experiment`, the longest first.
///
/// # Errors
///
/// Where the data or a kernel fails, or the device is lost.
pub async fn op_millis(experiment: &Experiment, device: &Device) -> Result<Vec<(String, f64)>> {
    let batch = Loader::new(data::open(&experiment.data, &experiment.model)?.train, experiment)?.batch(0)?;
    let mut trainer = Trainer::new(experiment, device).await?;
    trainer.load_initial().await?;
    trainer.pass(&batch.pictures, &batch.targets)?;
    let mut millis: BTreeMap<String, f64> = BTreeMap::new();
    for timing in trainer.profile().await? {
        // `blocks.0.attn matmul.nt`, perhaps with the kernel behind it: the op is the second word.
        let op = timing.label.split(' ').nth(1).unwrap_or(&timing.label).to_string();
        *millis.entry(op).or_default() += timing.millis;
    }
    let mut millis: Vec<(String, f64)> = millis.into_iter().collect();
    millis.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Ok(millis)
}
