//! Probes: their files, the numbers in them, and colours.

mod file;
mod look;
mod numbers;
mod palette;
mod session;
