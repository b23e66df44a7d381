//! The experiments of "Scaled ReLU Matters for Training Vision Transformers" as grids, table by table: in full,
//! and at a scale that a processor trains on the embedded images.

use std::path::Path;

use super::grid::Grid;
use crate::error::{Error, Result};

/// A table or figure of the paper that is trained.
struct Experiment {
    name: &'static str,
    full: &'static str,
    small: Option<&'static str>,
}

macro_rules! experiment {
    ($name:literal) => {
        Experiment {
            name: $name,
            full: include_str!(concat!("../../assets/reproduce/full/", $name, ".toml")),
            small: Some(include_str!(concat!("../../assets/reproduce/small/", $name, ".toml"))),
        }
    };
    ($name:literal, full) => {
        Experiment { name: $name, full: include_str!(concat!("../../assets/reproduce/full/", $name, ".toml")), small: None }
    };
}

const EXPERIMENTS: [Experiment; 7] = [
    experiment!("table1"),
    experiment!("table2"),
    experiment!("table3"),
    experiment!("table5"),
    experiment!("table6", full),
    experiment!("table7", full),
    experiment!("figure1"),
];

/// The names that [`grid`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    EXPERIMENTS.iter().map(|experiment| experiment.name)
}

/// The grid of one of [`names`].
///
/// Errors: another name; an experiment that has no small scale.
pub fn grid(name: &str, small: bool) -> Result<Grid> {
    let unknown = || {
        let hint = format!("there are {}", names().collect::<Vec<_>>().join(", "));
        match name {
            "table4" => Error::usage("table4 is retrieval (mAP, rank-1) after fine-tuning, and Vitrine trains classifiers", hint),
            _ => Error::usage(format!("the paper has no `{name}`"), hint),
        }
    };
    let experiment = EXPERIMENTS.iter().find(|experiment| experiment.name == name).ok_or_else(unknown)?;
    let folder = if small { format!("{name}-small") } else { name.to_string() };
    let text = match (small, experiment.small) {
        (false, _) => experiment.full,
        (true, Some(small)) => small,
        (true, None) => {
            let what = format!("{name} starts from DINO's weights, so it has no small scale");
            return Err(Error::usage(what, "give ImageNet with --data-path and the weights with --init"));
        }
    };
    Grid::parse(text, Path::new(&folder))
}
