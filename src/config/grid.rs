//! Grid files: many experiments from one TOML file.
//!
//! ```toml
//! name = "stem-lr"                 # of the sweep's folder; otherwise the file's name
//! preset = "demo"                  # or config = "mine.toml", beside this file; neither: the demo preset
//! seeds = 3                        # 0, 1, 2; or a list
//! max_steps = 320                  # optional: stop each run early, the schedule stays
//!
//! [set]                            # for every run
//! schedule.kind = "constant"
//!
//! [axes]                           # every combination, the first axis slowest
//! model.stem = ["1Proj", "3Conv+3BN+3ReLU+1Proj"]
//! optim.lr = [2e-3, 4e-3, 8e-3]
//!
//! [[variants]]                     # optional: keys that change together, an axis of their own
//! name = "wide"
//! model.dim = 96
//! model.heads = 3
//! paper = "81.9"                   # optional: what someone else has found, shown beside what we find
//! init = true                      # optional: starts from the weights of `--init`
//! ```

use std::path::{Path, PathBuf};

use toml::de::DeTable;
use toml::{Table, Value};

use super::known::{KnownKeys, nearest};
use crate::error::{Error, Result};

/// Keys at the top of a grid file.
const TOP_KEYS: [&str; 8] = ["name", "preset", "config", "seeds", "max_steps", "set", "axes", "variants"];
/// The axis that `[[variants]]` make.
const VARIANT: &str = "variant";
/// Keys of a variant that are no `section.key`.
const VARIANT_KEYS: [&str; 3] = ["name", "paper", "init"];
/// The key that seeds set.
const SEED_KEY: &str = "train.seed";
/// Most runs of one grid: more is a slip of the keyboard.
const MAX_RUNS: usize = 100_000;

/// The grids that ship with Vitrine, by name.
const BUILT_IN: [(&str, &str); 2] = [
    ("stem-lr-warmup", include_str!("../../assets/sweeps/stem-lr-warmup.toml")),
    ("deit-small-table1", include_str!("../../assets/sweeps/deit-small-table1.toml")),
];

/// Many experiments: a base, axes and seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    /// Of the sweep and its folder.
    pub name: String,
    /// Preset to start from.
    pub preset: Option<String>,
    /// Config file to start from.
    pub config: Option<PathBuf>,
    /// `section.key=value` for every run.
    pub sets: Vec<String>,
    /// What varies, slowest first.
    pub axes: Vec<Axis>,
    /// Seeds of each cell.
    pub seeds: Vec<u64>,
    /// Optimiser steps after which each run stops.
    pub max_steps: Option<u64>,
}

/// One thing that varies.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// `section.key`, or `variant`.
    pub name: String,
    /// Its values.
    pub values: Vec<AxisValue>,
}

/// One value of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AxisValue {
    /// For people.
    pub label: String,
    /// `section.key=value`.
    pub sets: Vec<String>,
    /// What others have found.
    pub paper: Option<String>,
    /// Whether training starts from given weights.
    pub init: bool,
}

/// One combination of the axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// A label of each axis.
    pub labels: Vec<String>,
    /// `section.key=value`, the grid's own first.
    pub sets: Vec<String>,
    /// What others have found for it.
    pub paper: Option<String>,
    /// Whether its training starts from given weights.
    pub init: bool,
}

impl Grid {
    /// The names of the grids that ship with Vitrine.
    pub fn built_in() -> impl Iterator<Item = &'static str> {
        BUILT_IN.iter().map(|(name, _)| *name)
    }

    /// Reads a grid file, or one that ships with Vitrine.
    ///
    /// Errors: an unreadable file, or [`Grid::parse`]'s.
    pub fn read(path: &Path) -> Result<Self> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| !path.exists() && Path::new(name) == path) {
            return Self::parse(text, Path::new(name));
        }
        let names = Self::built_in().collect::<Vec<_>>().join(", ");
        let hint = format!("`vitrine sweep --help` shows a grid file; built in: {names}");
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, format!("cannot be read: {error}"), hint.as_str()))?;
        let text = String::from_utf8(bytes).map_err(|_| Error::file(path, "is not text", hint.as_str()))?;
        Self::parse(&text, path)
    }

    /// Reads the text of a grid file; `path` gives its name and the folder of its `config`.
    ///
    /// Errors: broken TOML, unknown keys, empty or unusable axes, each with its line.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let reader = Reader { text, path, known: KnownKeys::default() };
        let spanned = DeTable::parse(text).map_err(|error| reader.broken(&error))?;
        let values: Table = text.parse().map_err(|error| reader.broken(&error))?;
        let grid = reader.grid(spanned.get_ref(), &values)?;
        let num_runs = grid.axes.iter().map(|axis| axis.values.len()).chain([grid.seeds.len()]).try_fold(1usize, usize::checked_mul);
        match num_runs {
            Some(runs) if runs <= MAX_RUNS => Ok(grid),
            _ => {
                Err(Error::config(format!("the grid has more than {MAX_RUNS} runs"), "leave values out")
                    .located(path.display().to_string()))
            }
        }
    }

    /// Every combination of the axes, the last axis fastest.
    pub fn cells(&self) -> Vec<Cell> {
        let mut cells = vec![Cell { sets: self.sets.clone(), ..Cell::default() }];
        for axis in &self.axes {
            let extended = cells.iter().flat_map(|cell| {
                axis.values.iter().map(|value| Cell {
                    labels: [&cell.labels[..], std::slice::from_ref(&value.label)].concat(),
                    sets: [&cell.sets[..], &value.sets[..]].concat(),
                    paper: value.paper.clone().or(cell.paper.clone()),
                    init: value.init || cell.init,
                })
            });
            cells = extended.collect();
        }
        cells
    }
}

type Spans<'a> = DeTable<'a>;

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
    known: KnownKeys,
}

impl Reader<'_> {
    fn grid(&self, spans: &Spans<'_>, values: &Table) -> Result<Grid> {
        for (key, _) in spans.iter() {
            let name = key.get_ref().as_ref();
            if !TOP_KEYS.contains(&name) {
                let hint = match (self.known.table().get(name), nearest(name, TOP_KEYS)) {
                    (Some(_), _) => format!("write it as [set.{name}], or under [axes] with a list of values"),
                    (None, Some(right)) => format!("did you mean `{right}`?"),
                    (None, None) => format!("keys of a grid: {}", TOP_KEYS.join(", ")),
                };
                return Err(self.error(key.span().start, format!("unknown key `{name}`"), hint));
            }
        }
        let text_of = |key: &str| self.typed(spans, values, key, "a text in quotes", |value| value.as_str().map(str::to_string));
        let (preset, config) = (text_of("preset")?, text_of("config")?);
        if let (Some(_), Some(_)) = (&preset, &config) {
            return Err(self.error_at(spans, "config", "both preset and config are given", "keep one of the two"));
        }
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = text_of("name")?.unwrap_or(stem);
        if !name.chars().any(|letter| letter.is_ascii_alphanumeric()) {
            return Err(self.error_at(spans, "name", format!("`{name}` names no folder"), "use letters and digits"));
        }
        let count = |value: &Value| value.as_integer().and_then(|steps| u64::try_from(steps).ok()).filter(|steps| *steps > 0);
        let mut sets = Vec::new();
        if let Some(table) = self.table(spans, values, "set")? {
            for entry in self.entries(table.0, table.1)? {
                sets.push(entry.set(entry.value));
            }
        }
        let mut axes = self.variants(spans, values)?;
        if let Some(table) = self.table(spans, values, "axes")? {
            for entry in self.entries(table.0, table.1)? {
                axes.push(self.axis(&entry)?);
            }
        }
        Ok(Grid {
            name,
            preset,
            config: config.map(|file| self.path.parent().unwrap_or(Path::new("")).join(file)),
            sets,
            axes,
            seeds: self.typed(spans, values, "seeds", "a count or a list of different whole numbers", seeds)?.unwrap_or_else(|| vec![0]),
            max_steps: self.typed(spans, values, "max_steps", "a count of steps", count)?,
        })
    }

    fn axis(&self, entry: &Entry<'_>) -> Result<Axis> {
        let what = |what: &str| self.error(entry.start, format!("{}: {what}", entry.name), "an axis is a list of values, [a, b, …]");
        if entry.name == SEED_KEY {
            return Err(self.error(entry.start, format!("{SEED_KEY} is no axis"), "use seeds = [0, 1, 2]"));
        }
        let items = entry.value.as_array().ok_or_else(|| what("not a list"))?;
        if items.is_empty() {
            return Err(what("the list is empty"));
        }
        // A key that is a list itself varies over a list of lists.
        if self.known.value(entry.section, entry.key).is_ok_and(Value::is_array) && !items.iter().all(Value::is_array) {
            return Err(what("the values of this key are lists, so an axis is a list of lists"));
        }
        let values: Vec<AxisValue> =
            items.iter().map(|item| AxisValue { label: label(item), sets: vec![entry.set(item)], ..AxisValue::default() }).collect();
        let repeated = values.iter().enumerate().find(|(ix, value)| values[..*ix].iter().any(|earlier| earlier.label == value.label));
        match repeated {
            Some((_, value)) => Err(what(&format!("{} stands there twice", value.label))),
            None => Ok(Axis { name: entry.name.clone(), values }),
        }
    }

    fn variants(&self, spans: &Spans<'_>, values: &Table) -> Result<Vec<Axis>> {
        let (Some(spans), Some(items)) = (spans.get("variants"), values.get("variants")) else { return Ok(Vec::new()) };
        let shape = || self.error(spans.span().start, "variants is no list of tables", "write [[variants]] before each");
        let (Some(spans), Some(items)) = (spans.get_ref().as_array(), items.as_array()) else { return Err(shape()) };
        let mut axis = Axis { name: VARIANT.to_string(), values: Vec::new() };
        for (spanned, item) in spans.iter().zip(items) {
            let (Some(table_spans), Some(table)) = (spanned.get_ref().as_table(), item.as_table()) else { return Err(shape()) };
            let start = spanned.span().start;
            let Some(name) = table.get("name").and_then(Value::as_str) else {
                return Err(self.error(start, "a variant without a name", "name = \"…\" is what the table shows"));
            };
            if axis.values.iter().any(|earlier| earlier.label == name) {
                return Err(self.error(start, format!("two variants are called `{name}`"), ""));
            }
            let entries = self.entries(table_spans, table)?;
            axis.values.push(AxisValue {
                label: name.to_string(),
                sets: entries.iter().map(|entry| entry.set(entry.value)).collect(),
                paper: self.typed(table_spans, table, "paper", "a text in quotes", |value| value.as_str().map(str::to_string))?,
                init: self.typed(table_spans, table, "init", "true or false", Value::as_bool)?.unwrap_or(false),
            });
        }
        Ok(if axis.values.is_empty() { Vec::new() } else { vec![axis] })
    }

    /// The `section.key`s of a table, in the order of the file.
    fn entries<'v>(&self, spans: &Spans<'_>, values: &'v Table) -> Result<Vec<Entry<'v>>> {
        let mut entries = Vec::new();
        for (section, section_spans) in spans.iter() {
            let (start, section) = (section.span().start, section.get_ref().as_ref());
            let (section, value) = values.get_key_value(section).expect("both readings of one text have the same keys");
            if let Some((section, key)) = section.split_once('.') {
                entries.push(self.entry(section, key, value, start)?);
            } else if let (Some(spans), Some(keys)) = (section_spans.get_ref().as_table(), value.as_table()) {
                for (key, _) in spans.iter() {
                    let (start, name) = (key.span().start, key.get_ref().as_ref());
                    let (name, value) = keys.get_key_value(name).expect("both readings of one text have the same keys");
                    entries.push(self.entry(section, name, value, start)?);
                }
            } else if !VARIANT_KEYS.contains(&section.as_str()) {
                return Err(self.error(start, format!("`{section}` is no section.key"), "for example optim.lr"));
            }
        }
        entries.sort_by_key(|entry| entry.start);
        Ok(entries)
    }

    fn entry<'v>(&self, section: &'v str, key: &'v str, value: &'v Value, start: usize) -> Result<Entry<'v>> {
        self.known.value(section, key).map_err(|error| error.located(self.place(start)))?;
        Ok(Entry { section, key, name: format!("{section}.{key}"), value, start })
    }

    fn table<'s, 'v>(&self, spans: &'s Spans<'s>, values: &'v Table, key: &str) -> Result<Option<(&'s Spans<'s>, &'v Table)>> {
        let (Some(spanned), Some(value)) = (spans.get(key), values.get(key)) else { return Ok(None) };
        match (spanned.get_ref().as_table(), value.as_table()) {
            (Some(spans), Some(table)) => Ok(Some((spans, table))),
            _ => Err(self.error(spanned.span().start, format!("[{key}] is a table of section.key"), "")),
        }
    }

    fn typed<T>(
        &self,
        spans: &Spans<'_>,
        values: &Table,
        key: &str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = values.get(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.error_at(spans, key, format!("{key}: expected {expected}, found {value}"), ""))
    }

    fn error_at(&self, spans: &Spans<'_>, key: &str, what: impl Into<String>, hint: &str) -> Error {
        let start = spans.iter().find(|(name, _)| name.get_ref().as_ref() == key).map_or(0, |(name, _)| name.span().start);
        self.error(start, what, hint)
    }

    fn error(&self, start: usize, what: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::config(what, hint).located(self.place(start))
    }

    fn broken(&self, error: &toml::de::Error) -> Error {
        self.error(error.span().map_or(0, |span| span.start), error.message().trim().replace('\n', ", "), "")
    }

    fn place(&self, start: usize) -> String {
        let line = self.text.as_bytes()[..start.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

/// One `section.key` with its value and the byte it starts at.
struct Entry<'v> {
    section: &'v str,
    key: &'v str,
    name: String,
    value: &'v Value,
    start: usize,
}

impl Entry<'_> {
    fn set(&self, value: &Value) -> String {
        format!("{}={value}", self.name)
    }
}

fn label(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        // TOML writes 1e20 with twenty zeros.
        Value::Float(number) => format!("{number:?}"),
        _ => value.to_string(),
    }
}

fn seeds(value: &Value) -> Option<Vec<u64>> {
    let number = |value: &Value| u64::try_from(value.as_integer()?).ok();
    let Some(list) = value.as_array() else {
        return number(value).filter(|count| *count > 0).map(|count| (0..count.min(MAX_RUNS as u64 + 1)).collect());
    };
    let seeds: Vec<u64> = list.iter().map(number).collect::<Option<_>>()?;
    let distinct: std::collections::BTreeSet<u64> = seeds.iter().copied().collect();
    (!seeds.is_empty() && distinct.len() == seeds.len()).then_some(seeds)
}
