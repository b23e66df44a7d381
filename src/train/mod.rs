//! The session: the loop, evaluation, probes, checkpoints.

/// Which device a session computes on.
pub mod device;
/// The graphs of a training.
pub mod graphs;
/// The trainer: device, plans, one optimiser step, one evaluation batch, one probe.
pub mod step;
/// The session.
pub mod session;
/// State dicts in files.
pub mod weights;
/// Checkpoints: what a run needs to go on exactly.
pub mod checkpoint;
