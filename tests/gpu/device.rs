//! Which adapter is taken, and what is said when there is none.

use vitrine::error::Error;
use vitrine::gpu::device::{WGPU_VERSION, pick};
use wgpu::{AdapterInfo, Backend, DeviceType};

fn adapter(name: &str, kind: DeviceType) -> AdapterInfo {
    AdapterInfo { name: name.to_string(), ..AdapterInfo::new(kind, Backend::Vulkan) }
}

fn three() -> Vec<AdapterInfo> {
    vec![
        adapter("llvmpipe (LLVM 15)", DeviceType::Cpu),
        adapter("Integrated Graphics 770", DeviceType::IntegratedGpu),
        adapter("Big Card 4090", DeviceType::DiscreteGpu),
    ]
}

#[test]
fn a_card_comes_before_other_adapters() {
    assert_eq!(pick(&three(), None).expect("one of three"), 2);
    assert_eq!(pick(&three()[..2], None).expect("one of two"), 1);
    assert_eq!(pick(&three()[..1], None).expect("the only one"), 0);
}

#[test]
fn a_part_of_the_name_in_any_case_is_enough() {
    assert_eq!(pick(&three(), Some("LLVMPIPE")).expect("by name"), 0);
    assert_eq!(pick(&three(), Some("graphics")).expect("by name"), 1);
}

#[test]
fn the_version_of_wgpu_is_that_of_the_lock_file() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).expect("the lock file");
    let lock: toml::Table = lock.parse().expect("TOML");
    let packages = lock["package"].as_array().expect("packages");
    let wgpu = packages.iter().find(|package| package["name"].as_str() == Some("wgpu")).expect("wgpu is one of them");
    assert_eq!(wgpu["version"].as_str(), Some(WGPU_VERSION));
}

#[test]
fn an_unknown_name_lists_what_there_is() {
    let error = pick(&three(), Some("voodoo")).expect_err("no such adapter");
    assert_eq!(error.exit_code(), 4);
    let text = error.to_string();
    assert!(text.contains("voodoo") && text.contains("Big Card 4090") && text.contains("llvmpipe"), "{text}");
}

#[test]
fn no_adapter_says_what_to_install() {
    let error = pick(&[], None).expect_err("no adapter");
    assert!(matches!(error, Error::Device { .. }) && error.to_string().contains("--device cpu"), "{error}");
}
