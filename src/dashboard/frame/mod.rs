//! What stands around every screen: bars, lists, keys.

/// Whether a run is to go for good.
pub mod delete;
/// Files held over the window.
pub mod drop_area;
/// The keyboard, and the list of keys.
pub mod keys;
/// Passing messages.
pub mod messages;
/// Every action by name.
pub mod palette;
/// Runs, filters, tags.
pub mod run_list;
/// Steps, events, playhead.
pub mod timeline;
/// Screens, selected runs, controls.
pub mod top_bar;
