//! The dashboard: in a window of its own, and as a page.

/// Doctor's facts and timings.
#[path = "dashboard/checkup.rs"]
mod checkup;
/// Runs and weights as files to save.
#[path = "dashboard/exports.rs"]
mod exports;
/// What a training takes, and how long.
#[path = "dashboard/pace.rs"]
mod pace;

#[cfg(not(target_arch = "wasm32"))]
#[path = "dashboard/native/mod.rs"]
mod native;

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    native::main()
}

#[cfg(target_arch = "wasm32")]
#[path = "dashboard/web/mod.rs"]
mod web;

/// A page begins in JavaScript, which calls `show` and `work` of the module `web`.
#[cfg(target_arch = "wasm32")]
fn main() {}
