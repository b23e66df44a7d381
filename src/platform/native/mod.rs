//! Linux, macOS and Windows.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// Files and folders.
pub mod files;
/// Work shared out over cores.
pub mod parallel;

/// Whether this thread may block, and start others.
pub const CAN_BLOCK: bool = true;

/// Blocks until a future is ready. What waits for a device is async, because a browser cannot block; natively
/// the device is polled inside, so nothing is lost by it.
pub trait Wait: Future {
    /// The future's result.
    fn wait(self) -> Self::Output;
}

impl<F: Future> Wait for F {
    fn wait(self) -> Self::Output {
        pollster::block_on(self)
    }
}

/// Lets other tasks of this thread run; natively there are none.
pub async fn yield_now() {}

/// The future's result if it comes within `secs`. Natively callbacks run while the device is polled, so
/// what is not there has not come.
pub async fn within<T>(_secs: f64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// The next message, once there is one; `None` when nobody is left to send one.
pub async fn receive<T>(messages: &Receiver<T>) -> Option<T> {
    messages.recv().ok()
}

/// Seconds since the first call, on a clock that never goes back.
pub fn now_secs() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_secs_f64()
}

/// Milliseconds since 1970, UTC; 0 on a machine whose clock stands before that.
pub fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Cores that this process may use, at least 1.
pub fn num_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What a browser tells of its GPU; the system's own names are better.
pub async fn adapter_name() -> Option<String> {
    None
}

/// Runs `work` on a thread that debuggers show as `name`.
pub fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_string()).spawn(work).map_err(|source| Error::io(Path::new(name), "start the thread", source))
}

/// Replaces the file as a whole: readers see the old bytes or the new ones, also after a power cut.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_file_name(format!(".{name}.{}-{count}.tmp", std::process::id()));
    let outcome = write_synced(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    outcome.map_err(|source| {
        // What is left of a failed write helps nobody, and its removal may fail for the same reason.
        let _ = fs::remove_file(&temporary);
        Error::io(path, "write the file", source)
    })
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// a·b + c, rounded once where the processor (or the vector width chosen at run time) has FMA.
#[inline(always)]
pub fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}
