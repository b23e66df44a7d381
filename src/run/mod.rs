//! A run as data: nothing here knows a device.
//!
//! A session gives out events and takes commands. [`state::RunState`] folds the events for screens,
//! [`store::RunStore`] keeps them on disk, [`crash::Detector`] judges them.

/// Kinds of alarm, levels and verdicts.
pub mod alarm;
/// The event file of a run folder.
mod board;
/// Charts in text.
pub mod chart;
/// What a person may ask of a running session.
pub mod command;
/// Runs side by side.
pub mod compare;
/// The crash detector.
pub mod crash;
/// Series as one table.
pub mod csv;
/// The largest stable learning rate.
pub mod edge;
/// What a session says.
pub mod event;
/// A run folder as bytes in memory.
pub mod files;
/// Filters of a stem as a picture.
pub mod filters;
/// Runs of other programs.
pub mod foreign;
/// What can go from a folder of runs.
pub mod gc;
/// A run as one static page.
pub mod html;
/// Means, deviations and intervals of small samples.
pub mod interval;
/// Events as lines of files.
pub mod line;
/// Tags and notes.
pub mod marks;
/// Which group of parameters left its usual gradient size first.
mod onset;
/// The head of a run folder.
pub mod meta;
/// JSON numbers that keep NaN and the infinities.
pub mod number;
/// Colour scales.
pub mod palette;
/// What a run looked like inside at one step.
pub mod probe;
/// Pickles of tensors, of which nothing is run.
#[cfg(feature = "formats")]
pub mod pickle;
/// The wire format of event files.
pub mod protobuf;
/// PyTorch's own files.
pub mod pth;
/// Reading run folders.
pub mod read;
/// Runs as text and JSON.
pub mod report;
/// A run's state as a fold of its events.
pub mod state;
/// Which part of the model a crash began in.
pub mod story;
/// Writing run folders.
pub mod store;
/// One row an epoch.
pub mod summary;
/// Charts as SVG.
pub mod svg;
/// Runs for TensorBoard.
pub mod tensorboard;
/// What a sweep is and how far it is.
pub mod sweep;
/// A sweep as a table.
pub mod sweep_table;
/// Named arrays in safetensors files.
pub mod tensors;
/// TensorBoard's event files.
pub mod tfevents;
/// Running medians.
pub mod window;
/// One file a run: tar and gzip.
pub mod vitrun;
