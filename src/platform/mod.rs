//! What differs between operating systems and browsers: clock, files, threads.
//!
//! The only place for `cfg(target_arch)`. Each platform has the same functions.

#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{mul_add, now_secs, num_cores, spawn, unix_millis, write_atomically};

#[cfg(target_arch = "wasm32")]
mod web;
#[cfg(target_arch = "wasm32")]
pub use web::{mul_add, now_secs, num_cores, spawn, unix_millis, write_atomically};

/// Dates of the civil calendar.
pub mod calendar;
