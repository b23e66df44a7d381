//! Every test of the crate in one binary; each area has its folder.

mod augment;
mod cli;
mod config;
mod crash;
#[cfg(feature = "dashboard-tests")]
mod dashboard;
mod data;
mod fuzz;
mod graph;
mod interop;
mod metric;
mod gpu;
mod ops;
mod optim;
mod probe;
mod reliability;
mod rng;
mod run_store;
mod schedule;
mod serve;
mod support;
mod sweep;
mod tidy;
mod train;
mod web;
