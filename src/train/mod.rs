//! The session: the loop, evaluation, probes, checkpoints.

/// The trainer: device, plans, one optimiser step, one evaluation batch, one probe.
pub mod step;
/// The session.
pub mod session;
