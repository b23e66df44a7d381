//! The screens, driven by accessible name over recorded runs, and the pure parts behind them.

mod compare;
mod crash_map;
mod export;
mod form;
mod host;
mod import;
mod keys;
mod pictures;
mod probe;
mod sample;
mod screens;
mod series;
mod speed;
mod training;
mod view;
