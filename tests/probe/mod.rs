//! Probes: their files, the numbers in them, and colours.

mod file;
mod numbers;
mod palette;
