//! A run as data: nothing here knows a device.
//!
//! A session gives out events and takes commands. [`state::RunState`] folds the events for screens,
//! [`store::RunStore`] keeps them on disk, [`crash::Detector`] judges them.

/// Kinds of alarm, levels and verdicts.
pub mod alarm;
/// Charts in text.
pub mod chart;
/// What a person may ask of a running session.
pub mod command;
/// The crash detector.
pub mod crash;
/// What a session says.
pub mod event;
/// A run folder as bytes in memory.
pub mod files;
/// Events as lines of files.
pub mod line;
/// Tags and notes.
pub mod marks;
/// The head of a run folder.
pub mod meta;
/// JSON numbers that keep NaN and the infinities.
pub mod number;
/// Colour scales.
pub mod palette;
/// What a run looked like inside at one step.
pub mod probe;
/// Reading run folders.
pub mod read;
/// Runs as text and JSON.
pub mod report;
/// A run's state as a fold of its events.
pub mod state;
/// Writing run folders.
pub mod store;
/// One row an epoch.
pub mod summary;
/// Named arrays in safetensors files.
pub mod tensors;
/// Running medians.
pub mod window;
/// One file a run: tar and gzip.
pub mod vitrun;
