//! Which kernels are taken where those of the adapter are wrong.

use vitrine::error::Error;
use vitrine::gpu::startup::{difference, settle, trouble};
use vitrine::graph::launch::Tier;
use vitrine::platform::Wait as _;

use crate::support::adapter::adapter;

#[test]
fn every_tier_passes_the_check_on_a_right_adapter() {
    let Some(gpu) = adapter() else { return };
    for tier in Tier::ALL {
        assert_eq!(trouble(&gpu, tier).wait().expect("a device"), None, "{tier:?}");
    }
    let own = gpu.tier();
    let settled = settle(gpu.clone(), trouble).wait().expect("a tier");
    assert_eq!((settled.tier(), settled.why_tier()), (own, None));
}

#[test]
fn a_number_that_is_off_is_named() {
    assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.0005]), None);
    assert_eq!(difference(&[1.0, 2.0], &[1.0, 2.01]).as_deref(), Some("2 in place of 2.01"));
    assert_eq!(difference(&[f32::NAN], &[0.0]).as_deref(), Some("NaN in place of 0"));
    assert!(difference(&[0.0], &[1.0]).is_some(), "what nothing wrote");
}

#[test]
fn a_wrong_tier_gives_way_to_the_next_and_says_so() {
    let Some(gpu) = adapter() else { return };
    let own = gpu.tier();
    let next = if own == Tier::Narrow { Tier::Plain } else { Tier::Narrow };
    let wrong = async |_: &_, tier| Ok((tier == own).then(|| "3 in place of 4".to_string()));
    let settled = settle(gpu.clone(), wrong).wait().expect("a tier");
    assert_eq!(settled.tier(), next);
    let why = settled.why_tier().expect("a reason");
    assert!(why.starts_with(next.short_name()) && why.contains(own.short_name()) && why.contains("3 in place of 4"), "{why}");

    let all_wrong = async |_: &_, _| Ok(Some("0 in place of 1".to_string()));
    let refused = settle(gpu.clone(), all_wrong).wait().expect_err("no tier is right");
    assert!(matches!(refused, Error::Device { .. }) && refused.to_string().contains("T0n fails"), "{refused}");
}
