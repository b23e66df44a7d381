//! The screens, driven by accessible name over recorded runs, and the pure parts behind them.

mod compare;
mod crash_map;
mod export;
mod form;
mod host;
mod hosts;
mod import;
mod keys;
mod pictures;
mod probe;
pub mod sample;
mod screens;
mod series;
mod speed;
mod training;
mod view;
#[cfg(feature = "dashboard")]
mod window;
