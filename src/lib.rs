//! Vitrine: a portable WebGPU trainer and visualizer for Vision Transformers.
//!
//! The modules stand in dependency order: each uses only what stands above it (a test keeps this).

/// The one error type: what went wrong, where, and what to do.
pub mod error;
/// Counter-based random numbers, a pure function of (seed, stream, step, index).
pub mod rng;
/// Clock, files and threads, native and web: the only place for platform differences.
pub mod platform;
/// Experiments: TOML in, a *checked* value out; presets.
pub mod config;
/// A run as data: events, commands, state as a fold of events, files, the crash detector.
pub mod run;
/// A web server for this machine: the built page, and runs while they grow.
pub mod serve;
/// The step as a value: shapes, ops, graph, adjoint, fusion, plan.
pub mod graph;
/// What each op *is*: plain definitions in f32 and f64, and the executor that runs a plan on the processor.
pub mod cpu;
/// The executor that runs a plan through wgpu: adapters, shader stitching, pipelines, tuning.
pub mod gpu;
/// One file an op: shape rule, adjoint, cost, kernel launch.
pub mod ops;
/// Update rules: AdamW, SGD, SAM, clipping, averaged weights.
pub mod optim;
/// The learning rate over time.
pub mod schedule;
/// What happens to training images on their way into a batch.
pub mod augment;
/// Numbers about a model: accuracy, token similarity.
pub mod metric;
/// Image sets and the loader that turns them into batches.
pub mod data;
/// ViT: stem × encoder × head through `Tokens`, initialisation, timm names.
pub mod model;
/// The session: the loop, evaluation, probes, checkpoints.
pub mod train;
/// The screens: what is trained and what was, for a window and for a page.
#[cfg(feature = "screens")]
pub mod dashboard;
