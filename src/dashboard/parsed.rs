//! Configs as screens need them, parsed once: a frame asks for those of every run in the list.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::config::Experiment;

/// Texts kept at most; then all are parsed anew.
const MAX_KEPT: usize = 4096;

/// A config.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// `section.key` → value as text; none of a text that is no config.
    pub values: BTreeMap<String, String>,
    /// The experiment; none if this version cannot read it.
    pub experiment: Option<Experiment>,
}

thread_local! {
    static KEPT: RefCell<HashMap<String, Rc<Parsed>>> = RefCell::default();
}

/// The config of this text.
pub fn config(toml: &str) -> Rc<Parsed> {
    KEPT.with_borrow_mut(|kept| {
        if let Some(known) = kept.get(toml) {
            return known.clone();
        }
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        let parsed = Rc::new(Parsed { values: values(toml), experiment: Experiment::from_toml(toml).ok() });
        kept.insert(toml.to_string(), parsed.clone());
        parsed
    })
}

fn values(toml: &str) -> BTreeMap<String, String> {
    let table: toml::Table = toml.parse().unwrap_or_default();
    let mut values = BTreeMap::new();
    for (section, keys) in &table {
        for (key, value) in keys.as_table().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_string);
            values.insert(format!("{section}.{key}"), text);
        }
    }
    values
}
