//! Adapters, limits, self-test and op times of this machine.

use vitrine::dashboard::host::{Checkup, Notice};
use vitrine::error::Result;
use vitrine::gpu::Gpu;
use vitrine::gpu::device::adapters;
use vitrine::platform::{self, Wait as _};
use vitrine::train::device::Device;
use vitrine::train::selftest::{self, Finding};
use vitrine::train::session::DeviceChoice;

use super::checkup::{badge_of, limits_of, op_millis, shown, timed_training};
use super::host::Voice;

/// The device that trainings take, and a sentence about it.
pub fn device() -> (String, String) {
    match Device::open(DeviceChoice::Auto, None).wait() {
        Ok((Device::Cpu, why)) => {
            (format!("cpu ({} threads)", platform::num_cores()), format!("This machine trains on its processor ({why})."))
        }
        Ok((Device::Gpu(gpu, _), _)) => (badge_of(&gpu), format!("This machine trains on {} through {}.", gpu.info.name, gpu.info.backend)),
        Err(error) => ("cpu".to_string(), format!("This machine trains on its processor: {error}.")),
    }
}

/// Looks at everything, and tells what it found as it goes; the time of each op of one pass, where it could be taken.
pub fn check_up(voice: &Voice) -> Vec<(String, f64)> {
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
    match timings() {
        Ok(millis) => checkup.op_millis = millis,
        Err(error) => checkup.facts.push(("timings".to_string(), error.to_string())),
    }
    checkup.is_done = true;
    voice.tell(Notice::Checkup(Box::new(checkup.clone())));
    checkup.op_millis
}

fn adapter(voice: &Voice, name: &str, checkup: &mut Checkup) -> Result<()> {
    let gpu = Gpu::open(Some(name)).wait()?;
    checkup.facts.extend(limits_of(&gpu));
    let before = checkup.kernels.clone();
    let mut tell = |so_far: &[Finding]| {
        checkup.kernels.clone_from(&before);
        checkup.kernels.extend(so_far.iter().map(shown));
        voice.tell(Notice::Checkup(Box::new(checkup.clone())));
    };
    let findings = selftest::check(&gpu, &mut tell).wait()?;
    tell(&findings);
    Ok(())
}

/// On the device that trains, which is opened for it: one whose kernels were tested may be lost.
fn timings() -> Result<Vec<(String, f64)>> {
    let experiment = timed_training()?.experiment;
    let (device, _) = Device::open(DeviceChoice::Auto, None).wait()?;
    op_millis(&experiment, &device).wait()
}
