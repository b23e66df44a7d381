//! 20 steps are 10, a checkpoint, and 10 more in a new trainer: bit for bit.

use vitrine::graph::launch::Tier;
use vitrine::platform::Wait as _;
use vitrine::train::checkpoint;
use vitrine::train::device::Device;

use super::toy;
use crate::support::adapter::adapter;

fn is_exact(sets: &[&str], device: &Device) {
    let experiment = toy::experiment(sets);
    let mut whole = toy::trainer(&experiment, device);
    let numbers = toy::train(&mut whole, 0..20);

    let run = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(run.path().join("checkpoints")).expect("a folder");
    let mut first = toy::trainer(&experiment, device);
    assert_eq!(toy::train(&mut first, 0..10), numbers[..10]);
    let parameters = first.parameters.clone();
    let position = toy::position(10);
    checkpoint::save(run.path(), first.machine.as_mut(), &parameters, &experiment, &position).wait().expect("a checkpoint");
    drop(first);

    let mut second = toy::trainer(&experiment, device);
    let restored = checkpoint::restore(run.path(), second.machine.as_mut(), &parameters, &experiment).expect("a checkpoint");
    let restored = restored.position;
    assert_eq!(restored, position);
    assert_eq!(toy::train(&mut second, restored.step..20), numbers[10..]);
    for ((name, whole), resumed) in toy::state(&mut whole).into_iter().zip(toy::state(&mut second).into_values()) {
        assert!(whole == resumed, "{name} differ after resuming");
    }
    assert!(toy::state(&mut whole) != toy::state(&mut toy::trainer(&experiment, device)), "nothing was trained");
}

const SAM_AND_AVERAGE: [&str; 3] = ["optim.sam_rho=0.05", "train.ema=0.9", "optim.clip_grad=1.0"];
const SGD: [&str; 2] = ["optim.kind=sgd", "optim.momentum=0.9"];

#[test]
fn adamw_with_sam_and_averaged_weights_resumes_exactly() {
    is_exact(&SAM_AND_AVERAGE, &Device::Cpu);
}

#[test]
fn sgd_resumes_exactly() {
    is_exact(&SGD, &Device::Cpu);
}

#[test]
fn the_adapter_resumes_exactly() {
    let Some(gpu) = adapter() else { return };
    for tier in [Tier::Plain, Tier::Tiled] {
        is_exact(&SAM_AND_AVERAGE, &Device::Gpu(gpu.clone(), Some(tier)));
    }
}
