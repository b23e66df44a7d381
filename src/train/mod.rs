//! The session: the loop, evaluation, probes, checkpoints.

/// Which device a session computes on.
pub mod device;
/// The graphs of a training.
pub mod graphs;
/// Images on their way to the device.
pub mod images;
/// The trainer: device, plans, one optimiser step, one evaluation batch, one probe.
pub mod step;
/// Which checkpoint a fork begins with.
pub mod fork;
/// Snapshots of a training in host memory.
pub mod ring;
/// The session.
pub mod session;
/// Weights of others, fitted to a model.
pub mod import;
/// Position embeddings for another grid.
pub mod positions;
/// Weights for timm.
pub mod timm;
/// Weights and gradients for TensorBoard.
pub mod spread;
/// State dicts in files.
pub mod weights;
/// Probes: a model looked into at one step.
pub mod probe;
/// The same of any weights and images.
pub mod inspect;
/// Checkpoints: what a run needs to go on exactly.
pub mod checkpoint;
/// Loss and accuracy of weights on the test images.
pub mod evaluate;
/// Every kernel of an adapter against the processor.
pub mod selftest;
/// A few steps with everything that parity with another implementation needs.
pub mod trace;
/// Many sessions side by side: native, on threads that block.
#[cfg(feature = "cli")]
pub mod jobs;
/// What a campaign's folder holds already.
#[cfg(feature = "cli")]
pub mod recorded;
/// Every run of a grid.
#[cfg(feature = "cli")]
pub mod sweep;
/// The stability edge of some stems.
#[cfg(feature = "cli")]
pub mod edge;
