//! Layers of settings on top of each other; each value remembers its layer.

use std::collections::BTreeMap;

use toml::de::DeTable;
use toml::{Table, Value};

use super::experiment::Experiment;
use super::known::KnownKeys;
use crate::error::{Error, Result};

/// Bits of the exponent of an f64: all set in infinities and NaN.
const EXPONENT_BITS: u64 = 0x7ff << 52;

/// Layers, weakest first; the order of the variants is the order of strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Built in.
    Default,
    /// A preset.
    Preset,
    /// A config file.
    File,
    /// `VITRINE_SECTION_KEY`.
    Env,
    /// `--set section.key=value`.
    Set,
    /// A flag of its own, e.g. `--seed`.
    Flag,
}

/// Where a value came from.
#[derive(Clone, Debug)]
pub struct Origin {
    /// Its layer.
    pub layer: Layer,
    /// What `--print-config` shows: `default`, `preset demo`, `exp.toml:12`, `--set`, `VITRINE_OPTIM_LR`.
    pub label: String,
}

/// Every key's value and origin.
pub struct Settings {
    known: KnownKeys,
    values: Table,
    origins: BTreeMap<String, Origin>,
}

impl Settings {
    /// The built-in values.
    pub fn built_in() -> Self {
        let known = KnownKeys::default();
        let origin = Origin { layer: Layer::Default, label: "default".into() };
        let names = known.sections().flat_map(|section| known.keys(section).map(move |key| format!("{section}.{key}")));
        let origins = names.map(|name| (name, origin.clone())).collect();
        let values = known.table().clone();
        Self { known, values, origins }
    }

    /// The known keys.
    pub fn known(&self) -> &KnownKeys {
        &self.known
    }

    /// Where the value of `section.key` came from.
    pub fn origin(&self, name: &str) -> &Origin {
        self.origins.get(name).expect("every known key has an origin")
    }

    /// `section.key` → origin, for every key.
    pub fn into_origins(self) -> BTreeMap<String, String> {
        self.origins.into_iter().map(|(name, origin)| (name, origin.label)).collect()
    }

    /// States another origin for a value that was worked out from others.
    pub fn set_origin(&mut self, name: &str, origin: Origin) {
        self.origins.insert(name.to_owned(), origin);
    }

    /// The merged values as an experiment, not yet checked.
    pub fn experiment(&self) -> Experiment {
        self.values.clone().try_into().expect("each value was accepted on its own")
    }

    /// The place to name in an error about `name`: its origin, then the key.
    pub fn place(&self, name: &str) -> String {
        let Origin { layer, label } = self.origin(name);
        match layer {
            Layer::Default => name.to_owned(),
            Layer::Set => format!("{label} {name}"),
            Layer::Env | Layer::Flag => label.clone(),
            Layer::Preset | Layer::File => format!("{label}: {name}"),
        }
    }

    /// Lays a TOML document over the values so far. `label` names a line of it.
    pub fn lay_document(&mut self, text: &str, layer: Layer, label: impl Fn(usize) -> String) -> Result<()> {
        let line_of = |offset: usize| text.as_bytes()[..offset.min(text.len())].iter().filter(|b| **b == b'\n').count() + 1;
        let broken = |error: toml::de::Error| {
            let place = label(error.span().map_or(1, |span| line_of(span.start)));
            Error::config(error.message().trim().replace('\n', ", "), "").located(place)
        };
        let lines = DeTable::parse(text).map_err(broken)?;
        let values: Table = text.parse().map_err(broken)?;
        for (section, keys) in lines.get_ref().iter() {
            let section_label = label(line_of(section.span().start));
            let section = section.get_ref().as_ref();
            if self.known.table().get(section).is_none() {
                return Err(self.known.unknown_section(section).located(section_label));
            }
            let Some(keys) = keys.get_ref().as_table() else {
                let what = format!("[{section}] is a section of keys, not a value");
                return Err(Error::config(what, format!("write [{section}] on a line of its own")).located(section_label));
            };
            for (key, _) in keys.iter() {
                let label = label(line_of(key.span().start));
                let key = key.get_ref().as_ref();
                let value = values[section][key].clone();
                self.lay_value(section, key, value, Origin { layer, label: label.clone() }).map_err(|error| error.located(label))?;
            }
        }
        Ok(())
    }

    /// Lays one value given as text over the values so far.
    pub fn lay_text(&mut self, section: &str, key: &str, text: &str, origin: Origin) -> Result<()> {
        let value = value_from_text(text, self.known.value(section, key)?);
        self.lay_value(section, key, value, origin)
    }

    fn lay_value(&mut self, section: &str, key: &str, value: Value, origin: Origin) -> Result<()> {
        let built_in = self.known.value(section, key)?;
        check_value(section, key, &value, built_in)?;
        let keys = self.values.get_mut(section).and_then(Value::as_table_mut).expect("the known sections are tables");
        keys.insert(key.to_owned(), value);
        self.origins.insert(format!("{section}.{key}"), origin);
        Ok(())
    }
}

/// Reads a value from a command line or the environment: TOML, but text needs no quotes and lists
/// no brackets.
fn value_from_text(text: &str, built_in: &Value) -> Value {
    let text = text.trim();
    let bare = || Value::String(text.to_owned());
    match built_in {
        Value::String(_) if text.starts_with(['"', '\'']) => text.parse().unwrap_or_else(|_| bare()),
        Value::String(_) => bare(),
        Value::Array(_) if !text.starts_with('[') => format!("[{text}]").parse().unwrap_or_else(|_| bare()),
        Value::Float(_) => {
            let number = text.parse::<f64>().map(Value::Float);
            text.parse().or(number).unwrap_or_else(|_| bare())
        }
        _ => text.parse().unwrap_or_else(|_| bare()),
    }
}

fn check_value(section: &str, key: &str, value: &Value, built_in: &Value) -> Result<()> {
    let mismatch = |found: String| Error::config(format!("{section}.{key}: expected {}, found {found}", expected(built_in)), "");
    if let Some(number) = numbers(value).find(|number| number.to_bits() & EXPONENT_BITS == EXPONENT_BITS) {
        return Err(mismatch(format!("{number}")));
    }
    if value.as_str().is_some_and(|text| text.contains(char::is_control)) {
        return Err(mismatch(format!("control characters in {value}")));
    }
    let alone = Table::from_iter([(key.to_owned(), value.clone())]);
    let document = Table::from_iter([(section.to_owned(), Value::Table(alone))]);
    match document.try_into::<Experiment>() {
        Ok(_) => Ok(()),
        Err(error) if value.is_array() => Err(mismatch(format!("{value} ({})", error.message()))),
        Err(_) => Err(mismatch(format!("{} `{}`", found(value), value.to_string().trim()))),
    }
}

fn numbers(value: &Value) -> Box<dyn Iterator<Item = f64> + '_> {
    match value {
        Value::Float(number) => Box::new(std::iter::once(*number)),
        Value::Array(items) => Box::new(items.iter().flat_map(numbers)),
        _ => Box::new(std::iter::empty()),
    }
}

fn expected(built_in: &Value) -> String {
    match built_in {
        Value::String(_) => "a text in quotes".into(),
        Value::Integer(_) => "a whole number, 0 or more".into(),
        Value::Float(_) => "a finite number".into(),
        Value::Boolean(_) => "true or false".into(),
        Value::Array(items) if items.is_empty() => "a list of numbers".into(),
        Value::Array(items) => format!("a list of {} numbers", items.len()),
        Value::Datetime(_) | Value::Table(_) => unreachable!("no key holds a date or a table"),
    }
}

fn found(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "the text",
        Value::Integer(_) | Value::Float(_) => "the number",
        Value::Boolean(_) => "the truth value",
        Value::Datetime(_) => "the date",
        Value::Array(_) => "the list",
        Value::Table(_) => "the table",
    }
}
