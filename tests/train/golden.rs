//! Whole training steps against PyTorch in f64, on every device.

use std::path::{Path, PathBuf};

use vitrine::config::{Sources, load};
use vitrine::graph::launch::Tier;
use vitrine::platform::Wait as _;
use vitrine::run::tensors::Tensors;
use vitrine::train::device::Device;
use vitrine::train::trace::trace;

use crate::support::adapter::adapter;
use crate::support::parity::{Travel, bent, worst};

/// The folder of a golden case.
pub fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn on_processor(name: &str) {
    agrees(name, &Device::Cpu, "cpu");
}

fn on_adapter(name: &str) {
    let Some(gpu) = adapter() else { return };
    for tier in Tier::ALL {
        agrees(name, &Device::Gpu(gpu.clone(), Some(tier)), &format!("{tier:?} kernels"));
    }
}

/// Demands a trace within the tolerances, the same bits again, and that one bent value of any array
/// is found.
fn agrees(name: &str, device: &Device, device_name: &str) {
    let folder = case(name);
    let config = folder.join("config.toml");
    let experiment = load(&Sources { file: Some(&config), ..Sources::default() }).expect("a good config").experiment;
    let run =
        || trace(&experiment, device, &folder.join("weights.safetensors"), &folder.join("batch.safetensors")).wait().expect("a trace");
    let got = run();
    let expected = Tensors::read(&folder.join("expected.safetensors")).expect("the reference");

    let steps = expected.by_name["loss"].shape[0];
    let travel = Travel { lr: experiment.optim.lr, steps };
    let (ratio, place) = worst(&expected, &got, travel).unwrap_or_else(|why| panic!("{name}, {device_name}: {why}"));
    println!("{name}, {device_name}: {ratio:.3} of the tolerance at {place}");
    assert!(ratio <= 1.0, "{name}, {device_name}: {ratio} of the tolerance at {place}");
    assert!(got == run(), "{name}, {device_name}: two traces differ");
    for array in expected.by_name.keys() {
        let bent = bent(&expected, &got, array, travel);
        let (ratio, place) = worst(&expected, &bent, travel).expect("the same arrays");
        assert!(ratio > 1.0 && place == *array, "{name}, {device_name}: {array} passes with a value bent by ten tolerances");
    }
}

macro_rules! cases {
    ($($name:ident)*) => {
        mod cpu {
            $(#[test] fn $name() { super::on_processor(stringify!($name)); })*
        }
        mod gpu {
            $(#[test] fn $name() { super::on_adapter(stringify!($name)); })*
        }
    };
}

cases! { vit_patchify vit_patchify_asam vit_conv_full vit_conv_strides2222 vit_conv_full_sam vit_ffn_conv1d_bn }
