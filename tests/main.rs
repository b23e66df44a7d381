//! Every test of the crate in one binary; each area has its folder.

mod augment;
mod config;
mod data;
mod ops;
mod optim;
mod run_store;
mod schedule;
mod support;
mod train;
