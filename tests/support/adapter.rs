//! One adapter for all tests of the process: opening it and compiling kernels is slow.

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
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
            skipped(&format!("no adapter ({why})"));
            None
        }
    }
}

/// Says that a test skips a part, and how many have by now. The harness shows what it captures of a
/// failing test alone, so this goes around it.
pub fn skipped(why: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = 1 + COUNT.fetch_add(1, Ordering::Relaxed);
    let test = std::thread::current().name().unwrap_or("a test").to_string();
    // Nowhere to say it is no reason to fail.
    let _ = writeln!(std::io::stderr(), "SKIPPED ({count} by now): {test}: {why}");
}
