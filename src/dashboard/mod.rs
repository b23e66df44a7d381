//! The screens on runs, live and recorded: one egui app for the window and the page.
//!
//! The place the screens run in stands behind [`host::Host`].

/// What the screens ask of the place they run in.
pub mod host;
