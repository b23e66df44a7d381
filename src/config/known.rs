//! The known keys, read off the built-in experiment, so there is no second list of them.

use toml::{Table, Value};

use super::experiment::Experiment;
use crate::error::{Error, Result};

/// Least likeness (0..1, normalised edit distance) at which a name is worth suggesting.
const LEAST_LIKENESS: f64 = 0.5;

/// Every section and key with its built-in value.
pub struct KnownKeys {
    sections: Table,
}

impl Default for KnownKeys {
    fn default() -> Self {
        let sections = Table::try_from(Experiment::default()).expect("the built-in experiment is plain TOML");
        Self { sections }
    }
}

impl KnownKeys {
    /// The built-in experiment as a table of tables.
    pub fn table(&self) -> &Table {
        &self.sections
    }

    /// Section names.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections.keys().map(String::as_str)
    }

    /// Keys of a section; none for an unknown section.
    pub fn keys(&self, section: &str) -> impl Iterator<Item = &str> {
        self.section(section).into_iter().flat_map(|table| table.keys().map(String::as_str))
    }

    /// The built-in value of a key; an unknown section or key is an error with the nearest right one.
    pub fn value(&self, section: &str, key: &str) -> Result<&Value> {
        let Some(table) = self.section(section) else {
            return Err(self.unknown_section(section));
        };
        table.get(key).ok_or_else(|| self.unknown_key(section, key))
    }

    /// The error for a section that does not exist.
    pub fn unknown_section(&self, section: &str) -> Error {
        if let Some(home) = self.home_of(section) {
            let what = format!("`{section}` stands outside every section");
            return Error::config(what, format!("it belongs under [{home}]"));
        }
        let hint = match nearest(section, self.sections()) {
            Some(name) => format!("did you mean [{name}]?"),
            None => format!("sections: {}", self.sections().collect::<Vec<_>>().join(", ")),
        };
        Error::config(format!("unknown section [{section}]"), hint)
    }

    fn unknown_key(&self, section: &str, key: &str) -> Error {
        let hint = if let Some(home) = self.home_of(key) {
            format!("`{key}` belongs to [{home}]")
        } else if let Some(name) = nearest(key, self.keys(section)) {
            format!("did you mean `{name}`?")
        } else {
            format!("keys of [{section}]: {}", self.keys(section).collect::<Vec<_>>().join(", "))
        };
        Error::config(format!("unknown key `{key}` in [{section}]"), hint)
    }

    fn section(&self, section: &str) -> Option<&Table> {
        self.sections.get(section).and_then(Value::as_table)
    }

    /// The section that has a key of that name.
    pub fn home_of(&self, key: &str) -> Option<&str> {
        self.sections().find(|section| self.keys(section).any(|name| name == key))
    }
}

/// The candidate most like `word`, if any is like it at all.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    ranked(word, candidates).filter(|(likeness, _)| *likeness >= LEAST_LIKENESS).map(|(_, name)| name)
}

fn ranked<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<(f64, &'a str)> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&word, &name.to_lowercase()), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
}
