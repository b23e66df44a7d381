//! The self-test where the device goes in the middle.

use vitrine::gpu::Gpu;
use vitrine::platform::Wait as _;
use vitrine::train::selftest::{Finding, check};

use crate::support::adapter::adapter;

/// Kernels that have been tested when the device goes.
const NUM_BEFORE: usize = 4;

#[test]
fn a_lost_device_is_no_wrong_kernel() {
    let Some(_adapter) = adapter() else { return };
    let gpu = Gpu::open(None).wait().expect("a device of its own");
    let mut last = Vec::new();
    let mut so_far = |so_far: &[Finding]| {
        last = so_far.to_vec();
        if so_far.len() >= NUM_BEFORE {
            gpu.lose();
        }
    };
    let error = check(&gpu, &mut so_far).wait().expect_err("the device is gone").to_string();
    assert!(error.contains("was lost at"), "{error}");
    assert!(last.len() >= NUM_BEFORE, "what was found before is kept: {last:?}");
    assert!(last.iter().all(|finding| finding.trouble.is_none()), "{last:?}");
}
