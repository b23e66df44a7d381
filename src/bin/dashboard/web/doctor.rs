//! The doctor in a browser: the adapter, its limits, every kernel against the processor, and the time of each op.

use vitrine::dashboard::host::{Checkup, Notice};
use vitrine::error::Result;
use vitrine::gpu::Gpu;
use vitrine::platform::now_secs;
use vitrine::train::device::Device;
use vitrine::train::selftest::{self, Finding};

use super::checkup::{limits_of, op_millis, shown, timed_training};
use super::pace;
use super::worker::Worker;

/// Between two messages while the kernels are tested.
const TELL_SECS: f64 = 0.3;

/// Looks at everything, and tells what it found as it goes.
pub async fn check_up(worker: &Worker) {
    let mut checkup = Checkup::default();
    checkup.facts.push(("processor".to_string(), "1 thread of WebAssembly, with vectors of 128 bits".to_string()));
    match Gpu::open(None).await {
        Ok(gpu) => {
            checkup.facts.push(("adapter".to_string(), gpu.info.name.clone()));
            checkup.facts.extend(limits_of(&gpu));
            test_kernels(worker, &gpu, &mut checkup).await;
        }
        Err(error) => checkup.facts.push(("adapter".to_string(), format!("none: {error}"))),
    }
    match timings(worker).await {
        Ok(op_millis) => {
            worker.pace.borrow_mut().timed = pace::of_timings(&op_millis);
            checkup.op_millis = op_millis;
        }
        Err(error) => checkup.facts.push(("timings".to_string(), error.to_string())),
    }
    checkup.is_done = true;
    tell(worker, &checkup);
}

fn tell(worker: &Worker, checkup: &Checkup) {
    worker.notice(Notice::Checkup(Box::new(checkup.clone())));
}

async fn test_kernels(worker: &Worker, gpu: &Gpu, checkup: &mut Checkup) {
    tell(worker, checkup);
    let mut told_secs = now_secs();
    let mut so_far = |findings: &[Finding]| {
        checkup.kernels = findings.iter().map(shown).collect();
        if now_secs() - told_secs > TELL_SECS {
            told_secs = now_secs();
            tell(worker, checkup);
        }
    };
    let outcome = selftest::check(gpu, &mut so_far).await;
    if let Err(error) = outcome {
        checkup.facts.push(("trouble".to_string(), error.to_string()));
    }
    tell(worker, checkup);
}

/// On a device of its own: the one whose kernels were tested may be lost.
async fn timings(worker: &Worker) -> Result<Vec<(String, f64)>> {
    let experiment = timed_training()?.experiment;
    worker.ensure_data(&experiment).await?;
    let device = Gpu::open(None).await.map_or(Device::Cpu, |gpu| Device::Gpu(gpu, None));
    op_millis(&experiment, &device).await
}
