//! A run as data: events and their numbers, state, files, the crash detector.

mod crash;
mod event;
mod files;
mod platform;
mod replay;
mod report;
mod sample;
mod vitrun;
