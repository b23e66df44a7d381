//! Parts that several screens are made of.

/// Axes of charts.
pub mod axes;
/// A card with a title.
pub mod card;
/// Charts over training.
pub mod chart;
/// Matrices and pictures as coloured cells.
pub mod cells;
/// Events as a list.
pub mod feed;
/// Text fields with a name.
pub mod field;
/// Gradient norms by parameter group.
pub mod group_strip;
/// The probe at the playhead.
pub mod probe_view;
/// Groups of runs in one chart.
pub mod sampled;
/// Verdicts and the signs on buttons, drawn.
pub mod sign;
/// Small drawings of the screens.
pub mod sketch;
/// What a panel shows when it has nothing to show.
pub mod state;
/// Heat maps over a run.
pub mod strip;
/// How far updates move the weights.
pub mod update_strip;
