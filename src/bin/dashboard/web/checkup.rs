//! The doctor in a browser: the adapter, its limits, every kernel against the processor, and the time of each op.

use std::collections::BTreeMap;

use vitrine::dashboard::host::{Checkup, KernelFinding, Notice};
use vitrine::data;
use vitrine::data::loader::Loader;
use vitrine::error::Result;
use vitrine::gpu::Gpu;
use vitrine::platform::now_secs;
use vitrine::train::device::Device;
use vitrine::train::selftest::{self, Finding};
use vitrine::train::step::Trainer;

use super::worker::{Worker, resolved};

/// Between two messages while the kernels are tested.
const TELL_SECS: f64 = 0.3;
/// The model whose ops are timed.
const TIMED_PRESET: &str = "demo";

/// Looks at everything, and tells what it found as it goes.
pub async fn run(worker: &Worker) {
    let mut checkup = Checkup::default();
    let tell = |checkup: &Checkup| worker.notice(Notice::Checkup(Box::new(checkup.clone())));
    checkup.facts.push(("processor".to_string(), "1 thread of WebAssembly, with vectors of 128 bits".to_string()));
    let device = match Gpu::open(None).await {
        Ok(gpu) => {
            checkup.facts.extend(facts_of(&gpu));
            tell(&checkup);
            let mut told_secs = now_secs();
            let mut so_far = |findings: &[Finding]| {
                if now_secs() - told_secs > TELL_SECS {
                    told_secs = now_secs();
                    tell(&Checkup { kernels: findings.iter().map(shown).collect(), ..checkup.clone() });
                }
            };
            let outcome = selftest::check(&gpu, &mut so_far).await;
            match outcome {
                Ok(findings) => checkup.kernels = findings.iter().map(shown).collect(),
                Err(error) => checkup.facts.push(("trouble".to_string(), error.to_string())),
            }
            tell(&checkup);
            Device::Gpu(gpu, None)
        }
        Err(error) => {
            checkup.facts.push(("adapter".to_string(), format!("none: {error}")));
            Device::Cpu
        }
    };
    match op_millis(worker, &device).await {
        Ok(op_millis) => checkup.op_millis = op_millis,
        Err(error) => checkup.facts.push(("trouble".to_string(), error.to_string())),
    }
    checkup.is_done = true;
    tell(&checkup);
}

fn facts_of(gpu: &Gpu) -> Vec<(String, String)> {
    let mega = |bytes: u64| format!("{} MB", bytes >> 20);
    let limits = &gpu.limits;
    let facts = [
        ("adapter", gpu.info.name.clone()),
        ("tier", gpu.tier().short_name().to_string()),
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

fn shown(finding: &Finding) -> KernelFinding {
    KernelFinding {
        kernel: finding.kernel.to_string(),
        tier: finding.tier.to_string(),
        error: finding.error,
        trouble: finding.trouble.clone().unwrap_or_default(),
    }
}

/// Milliseconds of each op in a forward and backward pass, the longest first.
async fn op_millis(worker: &Worker, device: &Device) -> Result<Vec<(String, f64)>> {
    let experiment = resolved(TIMED_PRESET, vec!["train.batch=4".to_string(), "train.micro_batch=4".to_string()])?.experiment;
    worker.ensure_data(&experiment).await?;
    let batch = Loader::new(data::open(&experiment.data, &experiment.model)?.train, &experiment)?.batch(0)?;
    let mut trainer = Trainer::new(&experiment, device).await?;
    trainer.load_initial().await?;
    trainer.pass(&batch.pictures, &batch.targets)?;
    let mut millis: BTreeMap<String, f64> = BTreeMap::new();
    for timing in trainer.profile().await? {
        // `blocks.0.attn matmul.nt (…)`: the op is the second word.
        let op = timing.label.split(' ').nth(1).unwrap_or(&timing.label).to_string();
        *millis.entry(op).or_default() += timing.millis;
    }
    let mut millis: Vec<(String, f64)> = millis.into_iter().collect();
    millis.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    Ok(millis)
}
