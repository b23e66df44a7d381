//! Experiments: TOML in, a *checked* value out.
//!
//! Layers, weakest first: built-in default < preset < file < `VITRINE_SECTION_KEY` <
//! `--set section.key=value` < dedicated flags. Every value remembers where it came from.

/// What no experiment may ask for, with the numbers and a way out.
pub mod check;
mod check_images;
mod crop_area;
mod defaults;
/// The sections and keys.
pub mod experiment;
mod fault;
/// Grid files: many experiments from one.
pub mod grid;
/// The known keys, and the nearest right name for a wrong one.
pub mod known;
/// The layers, merged in order.
pub mod load;
/// timm's notation for RandAugment.
pub mod rand_augment;
/// The paper's tables as grids.
pub mod paper;
/// The experiments that ship with Vitrine.
pub mod presets;
mod settings;
/// The eight stems and their geometry.
pub mod stem;

pub use experiment::Experiment;
pub use load::{Resolved, Sources, load};
