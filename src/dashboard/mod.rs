//! The screens on runs, live and recorded: one egui app for the window and the page.
//!
//! Everything on screen is a function of [`view::View`] and of the runs' events; the place the
//! screens run in stands behind [`host::Host`].

/// What a person asked for, carried out between two frames.
pub mod actions;
/// One frame.
pub mod app;
/// How a crash came about.
pub mod cascade;
/// Several runs as a table.
pub mod compare;
/// Runs sorted into a map.
pub mod crash_map;
/// What is shown, as files.
pub mod export;
/// The config form.
pub mod form;
/// What stands around every screen.
pub mod frame;
/// What the screens ask of the place they run in.
pub mod host;
/// Dropped files.
pub mod import;
/// Letters as this build draws them.
pub mod lettering;
/// All that the screens show.
pub mod model;
/// The screens.
pub mod panels;
/// Configs, parsed once.
pub mod parsed;
/// The runs the screens know.
pub mod runs;
/// Numbers over steps at every level of detail.
pub mod series;
/// Colours, type scale, spacing.
pub mod theme;
/// What a link says.
pub mod view;
/// Words on screen.
pub mod words;
/// Parts that several screens are made of.
pub mod widgets;
