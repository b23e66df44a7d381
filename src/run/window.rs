//! The last few numbers of a series, and their robust centre and spread.

use std::collections::VecDeque;

/// A deviation is this many times the median absolute deviation, for normal noise.
const SIGMA_PER_MAD: f64 = 1.4826;

/// The last `capacity` finite numbers. Memory is fixed; a median costs O(capacity).
#[derive(Clone, Debug)]
pub struct Window {
    values: VecDeque<f64>,
    capacity: usize,
    scratch: Vec<f64>,
}

impl Window {
    /// An empty window of at least one number.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { values: VecDeque::with_capacity(capacity), capacity, scratch: Vec::with_capacity(capacity) }
    }

    /// Adds a finite number; the oldest leaves a full window.
    pub fn push(&mut self, value: f64) {
        if self.values.len() == self.capacity {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// Numbers held.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The median, once at least `min_len` numbers are held.
    pub fn median(&mut self, min_len: usize) -> Option<f64> {
        if self.is_empty() || self.len() < min_len {
            return None;
        }
        self.scratch.clear();
        self.scratch.extend(&self.values);
        Some(median_of(&mut self.scratch))
    }

    /// The robust standard deviation around `centre`: 1.4826 · median |x − centre|.
    pub fn sigma(&mut self, centre: f64) -> f64 {
        self.deviation(|value| Some((value - centre).abs()))
    }

    /// The same of the numbers above `centre` alone: larger than [`Window::sigma`] where they spread more than those below.
    pub fn sigma_above(&mut self, centre: f64) -> f64 {
        self.deviation(|value| Some(value - centre).filter(|&rise| rise > 0.0))
    }

    fn deviation(&mut self, of: impl Fn(f64) -> Option<f64>) -> f64 {
        self.scratch.clear();
        self.scratch.extend(self.values.iter().filter_map(|&value| of(value)));
        if self.scratch.is_empty() { 0.0 } else { SIGMA_PER_MAD * median_of(&mut self.scratch) }
    }
}

/// The median of a non-empty slice, which it reorders.
fn median_of(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    if is_even {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        0.5 * (lower + upper)
    } else {
        upper
    }
}
