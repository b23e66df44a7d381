//! One adapter for all tests of the process: opening it and compiling kernels is slow.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use vitrine::gpu::Gpu;
use vitrine::platform::Wait as _;

static SHARED: OnceLock<Result<Mutex<Gpu>, String>> = OnceLock::new();

/// The adapter, for one test at a time. VITRINE_ADAPTER picks one by name. `None`, said loudly,
/// when there is none; with REQUIRE_GPU=1 a panic.
pub fn adapter() -> Option<MutexGuard<'static, Gpu>> {
    let name = std::env::var("VITRINE_ADAPTER").ok();
    match SHARED.get_or_init(|| Gpu::open(name.as_deref()).wait().map(Mutex::new).map_err(|error| error.to_string())) {
        // A test that panicked leaves the adapter as usable as it was.
        Ok(gpu) => Some(gpu.lock().unwrap_or_else(PoisonError::into_inner)),
        Err(why) => {
            assert!(std::env::var("REQUIRE_GPU").is_err(), "REQUIRE_GPU is set, and there is no adapter: {why}");
            eprintln!("SKIPPED: no adapter ({why})");
            None
        }
    }
}
