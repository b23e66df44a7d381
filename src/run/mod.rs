//! A run as data: nothing here knows a device.
//!
//! A session gives out events and takes commands. [`state::RunState`] folds the events for screens,
//! [`store::RunStore`] keeps them on disk, [`crash::Detector`] judges them.

/// Kinds of alarm, levels and verdicts.
pub mod alarm;
/// What a person may ask of a running session.
pub mod command;
/// The crash detector.
pub mod crash;
/// What a session says.
pub mod event;
/// JSON numbers that keep NaN and the infinities.
pub mod number;
/// Running medians.
pub mod window;
