//! The executor that runs a plan through wgpu: on Vulkan, Metal, DX12, and WebGPU in a browser.
//!
//! `Gpu` is an open adapter with its compiled kernels; `GpuMachine` holds one set of regions on it
//! and runs plans.

/// Adapters: listing, choosing, opening.
pub mod device;
/// The machine that runs plans on an adapter.
pub mod machine;
/// Compiled kernels, made once for each shader, entry and set of constants.
pub mod pipeline;
/// A plan made ready: bind groups, dims, how it is cut into submits.
pub mod prepared;
/// Results on their way back to the host.
pub mod readback;
/// Something the device will have done.
pub mod signal;
/// Which kernel tier computes right numbers here.
pub mod startup;
/// Shader text put together from its parts.
pub mod stitch;
/// Time of each launch of a plan.
pub mod timing;
/// Which tile is fastest here, found once and kept in a file.
pub mod tune;
/// Loops written out for compilers that do not do it.
pub mod unroll;

pub use device::Gpu;
pub use machine::GpuMachine;
