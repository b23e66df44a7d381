//! Mixed precision: it learns as f32 does, its loss scale moves, and an overflow skips a step.

use vitrine::gpu::Gpu;
use vitrine::graph::launch::Tier;
use vitrine::platform::Wait as _;
use vitrine::train::device::Device;
use vitrine::train::step::StepNumbers;

use super::toy;
use crate::support::adapter::adapter;

/// The processor and the adapter: both tiers, and where `f16` can be read natively also without.
fn devices() -> Vec<(String, Device)> {
    let mut devices = vec![("cpu".to_string(), Device::Cpu)];
    if let Some(gpu) = adapter() {
        let mut packed: Gpu = gpu.clone();
        packed.has_f16 = false;
        for tier in [Tier::Plain, Tier::Tiled] {
            devices.push((format!("{tier:?}, packed"), Device::Gpu(packed.clone(), Some(tier))));
            if gpu.has_f16 {
                devices.push((format!("{tier:?}, f16"), Device::Gpu(gpu.clone(), Some(tier))));
            }
        }
    }
    devices
}

fn trained(sets: &[&str], device: &Device, steps: u64) -> Vec<StepNumbers> {
    toy::train(&mut toy::trainer(&toy::experiment(sets), device), 0..steps)
}

#[test]
fn the_loss_follows_that_of_f32() {
    let whole = trained(&[], &Device::Cpu, 30);
    for (name, device) in devices() {
        let half = trained(&["train.precision=f16"], &device, 30);
        for (whole, half) in whole.iter().zip(&half) {
            let apart = (half.loss - whole.loss).abs();
            assert!(apart <= 0.02 * whole.loss, "{name}, step {}: {} and {}", whole.step, half.loss, whole.loss);
            assert!(!half.skipped && half.loss_scale == Some(65_536.0), "{name}: {half:?}");
            // Gradients are reported without the scale.
            assert!((half.grad_norm / whole.grad_norm - 1.0).abs() < 0.05, "{name}: {} and {}", half.grad_norm, whole.grad_norm);
        }
        assert!(whole.iter().zip(&half).any(|(whole, half)| whole.loss != half.loss), "{name}: nothing was rounded");
    }
}

#[test]
fn the_first_steps_are_those_of_the_definition() {
    let expected = trained(&["train.precision=f16"], &Device::Cpu, 3);
    for (name, device) in devices() {
        for (got, expected) in trained(&["train.precision=f16"], &device, 3).iter().zip(&expected) {
            assert!((got.loss - expected.loss).abs() <= 2e-3 * expected.loss, "{name}: {} and {}", got.loss, expected.loss);
            assert!((got.grad_norm / expected.grad_norm - 1.0).abs() < 1e-2, "{name}: {} and {}", got.grad_norm, expected.grad_norm);
        }
    }
}

#[test]
fn a_scale_too_large_falls_and_changes_nothing_until_it_fits() {
    let sets = ["train.precision=f16", "train.loss_scale=1099511627776", "train.ema=0"];
    for (name, device) in devices() {
        let mut trainer = toy::trainer(&toy::experiment(&sets), &device);
        let begun = toy::state(&mut trainer);
        let first = toy::train(&mut trainer, 0..1);
        assert!(first[0].skipped && !first[0].non_finite && first[0].loss.is_finite(), "{name}: {first:?}");
        let after = toy::state(&mut trainer);
        for part in ["params", "momentum", "variance"] {
            assert!(begun[part] == after[part], "{name}: {part} changed in a step that was skipped");
        }
        let numbers = toy::train(&mut trainer, 1..40);
        let skipped = numbers.iter().filter(|numbers| numbers.skipped).count();
        assert!(skipped > 3 && skipped < 30, "{name}: {skipped} steps skipped");
        for pair in numbers.windows(2) {
            let factor = if pair[0].skipped { 0.5 } else { 1.0 };
            assert_eq!(pair[1].loss_scale, pair[0].loss_scale.map(|scale| scale * factor), "{name}: step {}", pair[1].step);
        }
        assert!(numbers.iter().all(|numbers| !numbers.non_finite), "{name}");
        assert!(toy::state(&mut trainer)["params"] != begun["params"], "{name}: nothing was trained");
    }
}

#[test]
fn good_steps_make_the_scale_grow() {
    for (name, device) in devices() {
        let numbers = trained(&["train.precision=f16", "train.loss_scale=1024", "train.loss_scale_every=4"], &device, 10);
        let scales: Vec<f64> = numbers.iter().map(|numbers| numbers.loss_scale.expect("mixed precision has a scale")).collect();
        assert_eq!(scales, [1024.0, 1024.0, 1024.0, 1024.0, 2048.0, 2048.0, 2048.0, 2048.0, 4096.0, 4096.0], "{name}");
    }
}

#[test]
fn a_loss_that_is_not_finite_is_no_overflow() {
    for (name, device) in devices() {
        let experiment = toy::experiment(&["train.precision=f16"]);
        let mut trainer = toy::trainer(&experiment, &device);
        let (mut images, targets) = toy::batch(&experiment, 0);
        images.fill(f32::NAN);
        trainer.step(0, 1e-3, &images, &targets).expect("a step");
        let numbers = trainer.collect(true).wait().expect("numbers");
        assert!(numbers[0].non_finite && !numbers[0].skipped, "{name}: {numbers:?}");
    }
}

#[test]
fn f32_has_no_scale() {
    let numbers = trained(&[], &Device::Cpu, 2);
    assert!(numbers.iter().all(|numbers| numbers.loss_scale.is_none() && !numbers.skipped), "{numbers:?}");
}
