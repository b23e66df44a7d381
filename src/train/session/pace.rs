//! How fast steps come. Their numbers arrive some steps late and several at once, so the pace is that of the last
//! [`LEAST_STEPS`] steps at least, as far as there are so many since the clock began.

use std::collections::VecDeque;

/// Steps that a pace is taken of, at least.
const LEAST_STEPS: usize = 16;

/// Numbers of some steps that arrived at once.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// When, seconds on a clock of its own.
    at_secs: f64,
    steps: usize,
    /// Spent waiting for images since the arrival before.
    waited_secs: f64,
}

/// The clock of a training.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The first one says only when the time of the others begins.
    arrivals: VecDeque<Arrival>,
    waited_secs: f64,
}

impl Pace {
    /// A clock that begins now.
    pub fn new(now_secs: f64) -> Self {
        let start = Arrival { at_secs: now_secs, steps: 0, waited_secs: 0.0 };
        Self { arrivals: VecDeque::from([start]), waited_secs: 0.0 }
    }

    /// Images were waited for.
    pub fn wait(&mut self, secs: f64) {
        self.waited_secs += secs;
    }

    /// The numbers of `steps` more steps have arrived: seconds a step takes, and the share of them spent waiting for images.
    pub fn arrived(&mut self, steps: usize, now_secs: f64) -> (f64, f64) {
        self.arrivals.push_back(Arrival { at_secs: now_secs, steps, waited_secs: std::mem::take(&mut self.waited_secs) });
        let counted = |arrivals: &VecDeque<Arrival>, from: usize| arrivals.iter().skip(from).map(|arrival| arrival.steps).sum::<usize>();
        while counted(&self.arrivals, 2) >= LEAST_STEPS {
            self.arrivals.pop_front();
        }
        let elapsed_secs = (now_secs - self.arrivals[0].at_secs).max(1e-9);
        let waited_secs: f64 = self.arrivals.iter().skip(1).map(|arrival| arrival.waited_secs).sum();
        (elapsed_secs / counted(&self.arrivals, 1).max(1) as f64, (waited_secs / elapsed_secs).min(1.0))
    }
}
