//! What differs between operating systems and browsers: clock, files, threads, waiting.
//!
//! The only place for `cfg(target_arch)`. Each platform has the same functions, but that only a
//! native one can block: [`Wait`].

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{
    CAN_BLOCK, Wait, adapter_name, files, mul_add, now_secs, num_cores, parallel, receive, spawn, unix_millis, within, write_atomically,
    yield_now,
};

#[cfg(target_arch = "wasm32")]
mod web;
#[cfg(target_arch = "wasm32")]
pub use web::{
    CAN_BLOCK, adapter_name, files, mul_add, now_secs, num_cores, parallel, receive, sleep, spawn, unix_millis, within, write_atomically,
    yield_now,
};

/// Dates of the civil calendar.
pub mod calendar;
