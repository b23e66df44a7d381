//! Experiments.
pub mod experiment;
