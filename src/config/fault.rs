//! A broken rule and the keys that break it; the loader adds where their values came from.

use crate::error::Error;

/// What is wrong with an experiment.
#[derive(Debug)]
pub struct Fault {
    /// The keys whose values clash, as `section.key`, the likeliest culprit first.
    pub keys: Vec<&'static str>,
    /// The broken rule with the numbers.
    pub what: String,
    /// What would fit; may be empty.
    pub hint: String,
}

impl Fault {
    /// A fault of one key.
    pub fn new(key: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { keys: vec![key], what: what.into(), hint: hint.into() }
    }

    /// The same fault with other keys that take part in it.
    pub fn with(mut self, keys: &[&'static str]) -> Self {
        self.keys.extend(keys);
        self
    }

    /// The error for a value whose source is unknown: it names the likeliest key.
    pub fn into_error(self) -> Error {
        let place = self.keys[0];
        self.into_error_at(place)
    }

    /// The error at a known place.
    pub fn into_error_at(self, place: &str) -> Error {
        Error::config(self.what, self.hint).located(place)
    }
}
