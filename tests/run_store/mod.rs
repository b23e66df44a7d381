//! A run as data: events and their numbers, state, files, the crash detector.

mod calibration;
mod crash;
mod event;
mod files;
mod foreign;
mod page;
mod platform;
mod replay;
mod report;
pub mod sample;
mod tensorboard;
mod vitrun;
