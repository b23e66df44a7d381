//! What stands around every screen: bars, lists, keys.

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
