//! Training: weights and checkpoints in files, exact resume, parity with PyTorch.

mod checkpoint;
mod cost;
mod evaluate;
pub mod golden;
mod lost;
pub mod outcomes;
mod pace;
mod resume;
mod selftest;
mod threads;
pub mod toy;
mod trace;
mod variants;
mod weights;
