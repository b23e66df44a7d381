//! A run as data: events and their numbers, state, files, the crash detector.

mod crash;
mod event;
