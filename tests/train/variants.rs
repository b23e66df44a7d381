//! Every stem × strides × feed-forward part at toy size: it builds, overfits one batch, and takes
//! the same steps on every device.

use vitrine::config::Experiment;
use vitrine::config::stem::StemKind;
use vitrine::graph::launch::Tier;
use vitrine::platform::Wait as _;
use vitrine::train::device::Device;
use vitrine::train::step::StepNumbers;

use super::toy;
use crate::support::adapter::adapter;

const FEED_FORWARD: [&str; 4] = ["mlp-gelu", "mlp-relu", "conv1d-bn-gelu", "conv1d-gelu"];

/// Stem with strides and kernels: both stride sets for conv stems, patches of 4 for patchify.
fn stems() -> Vec<[String; 3]> {
    let mut stems = Vec::new();
    for kind in StemKind::ALL {
        let layouts: &[[&str; 2]] =
            if kind.has_convs() { &[["[2,1,1,4]", "[7,3,3,4]"], ["[2,2,2,2]", "[7,3,3,8]"]] } else { &[["[4]", "[4]"]] };
        for [strides, kernels] in layouts {
            stems.push([
                format!("model.stem={}", kind.name()),
                format!("model.strides={strides}"),
                format!("model.stem_kernels={kernels}"),
            ]);
        }
    }
    stems
}

fn experiment(stem: &[String; 3], ffn: &str, ffn_norm: bool) -> Experiment {
    let ffn = format!("model.ffn={ffn}");
    let ffn_norm = format!("model.ffn_norm={ffn_norm}");
    let image = "model.image_size=32";
    let sets = [&stem[0], &stem[1], &stem[2], &ffn, &ffn_norm, image, "model.drop_path=0", "train.micro_batch=4"];
    toy::experiment(&sets)
}

/// Steps on one and the same batch.
fn repeat(experiment: &Experiment, device: &Device, num_steps: u64, lr: f64) -> Vec<StepNumbers> {
    let mut trainer = toy::trainer(experiment, device);
    let (images, targets) = toy::batch(experiment, 0);
    for step in 0..num_steps {
        trainer.step(step, lr, &images[..], &targets).expect("a step");
    }
    trainer.collect(true).wait().expect("numbers")
}

#[test]
fn every_variant_overfits_one_batch() {
    for stem in stems() {
        for ffn in FEED_FORWARD {
            for ffn_norm in [true, false] {
                let experiment = experiment(&stem, ffn, ffn_norm);
                let numbers = repeat(&experiment, &Device::Cpu, 60, 3e-3);
                let (first, last) = (numbers[0].loss, numbers[59].loss);
                assert!(last < 0.4 * first, "{stem:?} {ffn} norm {ffn_norm}: the loss went from {first} to {last} only");
            }
        }
    }
}

#[test]
fn every_variant_takes_the_same_steps_on_the_adapter() {
    let Some(gpu) = adapter() else { return };
    let by_stem = stems().into_iter().map(|stem| (stem, "mlp-gelu", true));
    let full = stems().remove(0);
    let by_ffn = FEED_FORWARD.into_iter().flat_map(|ffn| [true, false].map(|norm| (ffn, norm)));
    let variants: Vec<_> = by_stem.chain(by_ffn.map(|(ffn, norm)| (full.clone(), ffn, norm))).collect();
    for (stem, ffn, ffn_norm) in variants {
        let experiment = experiment(&stem, ffn, ffn_norm);
        let expected = repeat(&experiment, &Device::Cpu, 4, 1e-3);
        for tier in [Tier::Plain, Tier::Tiled] {
            let got = repeat(&experiment, &Device::Gpu(gpu.clone(), Some(tier)), 4, 1e-3);
            for (got, expected) in got.iter().zip(&expected) {
                // f32 rounding grows with every step; PyTorch's two devices differ as much.
                let tolerance = 2e-4 * (got.step + 1) as f64 * expected.loss;
                let apart = (got.loss - expected.loss).abs();
                assert!(apart < tolerance, "{stem:?} {ffn} norm {ffn_norm} {tier:?}: {got:?} against {expected:?}");
            }
        }
    }
}
