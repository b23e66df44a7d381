//! Adapters, limits, self-test and op times of this machine.

use std::collections::BTreeMap;

use vitrine::config::Sources;
use vitrine::config::load::load_for_training;
use vitrine::dashboard::host::{Checkup, KernelFinding, Notice};
use vitrine::data::{self, loader::Loader};
use vitrine::error::Result;
use vitrine::gpu::Gpu;
use vitrine::gpu::device::adapters;
use vitrine::platform::{self, Wait as _};
use vitrine::train::device::Device;
use vitrine::train::selftest;
use vitrine::train::session::DeviceChoice;
use vitrine::train::step::Trainer;

use super::host::Voice;

/// The device that trainings take, and a sentence about it.
pub fn device() -> (String, String) {
    match Device::open(DeviceChoice::Auto, None).wait() {
        Ok((Device::Cpu, why)) => {
            (format!("cpu ({} threads)", platform::num_cores()), format!("This machine trains on its processor ({why})."))
        }
        Ok((Device::Gpu(gpu, _), _)) => {
            let tier = gpu.tier().short_name();
            (format!("{}, {tier}", gpu.info.name), format!("This machine trains on {} through {}.", gpu.info.name, gpu.info.backend))
        }
        Err(error) => ("cpu".to_string(), format!("This machine trains on its processor: {error}.")),
    }
}

/// Looks at everything, and tells what it found as it goes.
pub fn check_up(voice: &Voice) {
    let mut checkup = Checkup::default();
    checkup.facts.push(("processor".to_string(), format!("{} threads", platform::num_cores())));
    let infos = adapters().wait();
    if infos.is_empty() {
        checkup.facts.push(("adapters".to_string(), "none; trainings run on the processor".to_string()));
    }
    let mut seen = Vec::new();
    for info in infos {
        // The same adapter through a second API.
        if seen.contains(&info.name) {
            continue;
        }
        seen.push(info.name.clone());
        checkup.facts.push(("adapter".to_string(), format!("{}, {}", info.name, info.backend)));
        checkup.facts.push(("driver".to_string(), format!("{} {}", info.driver, info.driver_info)));
        voice.tell(Notice::Checkup(Box::new(checkup.clone())));
        if let Err(error) = adapter(voice, &info.name, &mut checkup) {
            checkup.facts.push(("trouble".to_string(), error.to_string()));
        }
        voice.tell(Notice::Checkup(Box::new(checkup.clone())));
    }
    match op_millis().wait() {
        Ok(millis) => checkup.op_millis = millis,
        Err(error) => checkup.facts.push(("timings".to_string(), error.to_string())),
    }
    checkup.is_done = true;
    voice.tell(Notice::Checkup(Box::new(checkup)));
}

fn adapter(voice: &Voice, name: &str, checkup: &mut Checkup) -> Result<()> {
    let gpu = Gpu::open(Some(name)).wait()?;
    let mega = |bytes: u64| format!("{} MB", bytes / (1 << 20));
    let limits = &gpu.limits;
    checkup.facts.extend([
        ("tier".to_string(), gpu.tier().short_name().to_string()),
        ("buffer".to_string(), mega(limits.max_buffer_size)),
        ("binding".to_string(), mega(limits.max_storage_buffer_binding_size)),
        ("storage buffers".to_string(), limits.max_storage_buffers_per_shader_stage.to_string()),
        (
            "workgroup".to_string(),
            format!("{} invocations, {} bytes", limits.max_compute_invocations_per_workgroup, limits.max_compute_workgroup_storage_size),
        ),
    ]);
    let finding = |finding: &selftest::Finding| KernelFinding {
        kernel: finding.kernel.to_string(),
        tier: finding.tier.to_string(),
        error: finding.error,
        trouble: finding.trouble.clone().unwrap_or_default(),
    };
    let before = checkup.kernels.clone();
    let mut tell = |so_far: &[selftest::Finding]| {
        checkup.kernels.clone_from(&before);
        checkup.kernels.extend(so_far.iter().map(finding));
        voice.tell(Notice::Checkup(Box::new(checkup.clone())));
    };
    let findings = selftest::check(&gpu, &mut tell).wait()?;
    tell(&findings);
    Ok(())
}

/// Milliseconds of each op in a forward and backward pass of the demo on the device that trains, the
/// longest first.
async fn op_millis() -> Result<Vec<(String, f64)>> {
    let sets = vec!["train.batch=16".to_string()];
    let experiment = load_for_training(&Sources { preset: Some("demo"), sets, ..Sources::default() })?.experiment;
    let batch = Loader::new(data::open(&experiment.data, &experiment.model)?.train, &experiment)?.batch(0)?;
    let (device, _) = Device::open(DeviceChoice::Auto, None).await?;
    let mut trainer = Trainer::new(&experiment, &device).await?;
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
