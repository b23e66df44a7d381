//! Which group of parameters left its usual gradient size first: asked once the norm of all has jumped.
//!
//! The norms of the last steps are kept. A group's usual size is the median of its logarithm over the older
//! half of them; its onset is the first step of the newer half from which on it stays above that by as much as
//! a [`story`](super::story) asks for. The earliest onset is the first; of two at one step, the steeper rise.

use std::collections::VecDeque;

use super::story::{MIN_DEVIATIONS, MIN_RATIO};
use super::window::Window;

/// Gradient norms of every group in the last steps.
#[derive(Clone, Debug)]
pub struct RecentNorms {
    /// One row a step, the logarithms of its norms.
    rows: VecDeque<Vec<f64>>,
    capacity: usize,
}

impl RecentNorms {
    /// Room for two windows of `window` steps.
    pub fn new(window: usize) -> Self {
        Self { rows: VecDeque::new(), capacity: 2 * window.max(1) }
    }

    /// Adds a step's norms.
    pub fn push(&mut self, norms: &[f64]) {
        let mut row = if self.rows.len() == self.capacity { self.rows.pop_front().unwrap_or_default() } else { Vec::new() };
        row.clear();
        row.extend(norms.iter().map(|norm| norm.max(f64::MIN_POSITIVE).ln()));
        self.rows.push_back(row);
    }

    /// The group that left its usual size first and has not come back, by its place.
    pub fn first(&self) -> Option<usize> {
        let num_groups = self.rows.back()?.len();
        let onsets = (0..num_groups).filter_map(|group| Some((group, self.onset(group)?)));
        let earlier = |a: &(usize, f64), b: &(usize, f64)| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1));
        onsets.min_by(|(_, a), (_, b)| earlier(a, b)).map(|(group, _)| group)
    }

    /// Row from which on a group is outside what was usual, and by how much it is now.
    fn onset(&self, group: usize) -> Option<(usize, f64)> {
        let middle = self.rows.len() / 2;
        let value = |row: &Vec<f64>| row.get(group).copied();
        let mut usual = Window::new(self.capacity);
        self.rows.iter().take(middle).filter_map(value).for_each(|log_norm| usual.push(log_norm));
        let centre = usual.median(1)?;
        let limit = centre + MIN_RATIO.ln().max(MIN_DEVIATIONS * usual.sigma(centre));
        let is_outside = |row: &Vec<f64>| value(row).is_some_and(|log_norm| log_norm > limit);
        let num_outside = self.rows.iter().skip(middle).rev().take_while(|row| is_outside(row)).count();
        let now = value(self.rows.back()?)?;
        (num_outside > 0).then(|| (self.rows.len() - num_outside, now - centre))
    }
}
