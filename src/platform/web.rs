//! Browsers: one thread, no files; the clock is the page's.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

// wgpu hands its own bindings to JavaScript on, so the clock costs no further dependency.
use wgpu::web_sys::js_sys::Date;

use crate::error::{Error, Result};

/// Seconds since the first call, on a clock that never goes back, to the millisecond.
pub fn now_secs() -> f64 {
    static START_MILLIS: OnceLock<u64> = OnceLock::new();
    static LATEST_MILLIS: AtomicU64 = AtomicU64::new(0);
    let now_millis = unix_millis();
    let start_millis = *START_MILLIS.get_or_init(|| now_millis);
    // The page's clock may be set back, to before the start even.
    let latest_millis = LATEST_MILLIS.fetch_max(now_millis, Ordering::Relaxed).max(now_millis);
    latest_millis.saturating_sub(start_millis) as f64 / 1000.0
}

/// Milliseconds since 1970, UTC; 0 where the clock stands before that.
pub fn unix_millis() -> u64 {
    Date::now() as u64
}

/// Cores that this module may use: it runs on one thread.
pub fn num_cores() -> usize {
    1
}

/// A page's module cannot start threads of its own: always an error.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    drop(work);
    Err(Error::io(Path::new(name), "start the thread", std::io::ErrorKind::Unsupported.into()))
}

/// A page has no files: always an error.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    let _ = bytes;
    Err(Error::io(path, "write the file", std::io::ErrorKind::Unsupported.into()))
}

/// a·b + c. WASM has no fused instruction, and emulating one costs a call.
#[inline(always)]
pub fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    a * b + c
}
