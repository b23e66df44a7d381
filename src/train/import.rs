//! Weights of others: timm's and DeiT's state dicts, in safetensors or PyTorch's own files, fitted to a model.
//!
//! Taken off: the prefixes of wrappers. Resized: position embeddings of another grid. Put together:
//! BEiT's separate query and value biases. Set to 0: the query-key-value bias of a model that has
//! none. To *use* weights (`eval`) everything else must be there; to *start* from them (`train --init`)
//! a head for other classes or another stem is made new. A report says what became of every array.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::positions;
use super::weights::{self, BATCH_COUNT, Values, fits, own_name};
use crate::error::{Error, Result};
use crate::model::parameters::{Parameter, Parameters};
use crate::run::pth;
use crate::run::tensors::{Numbers, Tensor, some_of};

/// Parts of a model that may be made new when weights of another model start a training.
const EXCHANGEABLE: [&str; 2] = ["head.", "patch_embed."];

const POSITIONS: &str = "pos_embed";
const QKV_BIAS: &str = "attn.qkv.bias";

/// What weights are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To compute with them as they are.
    Use,
    /// To start a training from them.
    Start,
}

/// What became of a file's arrays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Arrays taken, changed or not.
    pub loaded: usize,
    /// Arrays of the model.
    pub wanted: usize,
    /// What was changed: `pos_embed from 14×14 to 7×7`.
    pub changed: Vec<String>,
    /// Arrays of the model that begin anew: `head.weight ([1000, 384] in the file, [10, 384] here)`.
    pub made_new: Vec<String>,
    /// Arrays of the file that the model has no place for.
    pub skipped: Vec<String>,
}

impl Report {
    /// A line for everything worth saying; none when every array was taken as it is.
    pub fn lines(&self) -> Vec<String> {
        let listed = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what}: {}", some_of(names.iter())));
        let details = [listed("changed", &self.changed), listed("made new", &self.made_new), listed("skipped", &self.skipped)];
        let details: Vec<String> = details.into_iter().flatten().collect();
        if details.is_empty() {
            return Vec::new();
        }
        let head = format!("{} of {} arrays loaded", self.loaded, self.wanted);
        std::iter::once(head).chain(details).map(|line| format!("weights: {line}")).collect()
    }
}

/// Reads weights for a model with these parameters. To start a training, arrays that are not in the
/// result keep their initial values.
///
/// Errors: an unreadable file, or one with anything but tensors; weights that do not fit, all that is
/// wrong in one message.
pub fn adopt<'a>(path: &Path, parameters: &'a Parameters, purpose: Purpose) -> Result<(Values<'a>, Report)> {
    let mut report = Report { wanted: parameters.all().count(), ..Report::default() };
    let tensors = pth::read_weights(path)?.by_name;
    let tensors = prepared(tensors, parameters, &mut report);
    let values = match purpose {
        Purpose::Use => weights::match_names(tensors, parameters, path)?,
        Purpose::Start => start(tensors, parameters, path, &mut report)?,
    };
    report.loaded = values.len();
    Ok((values, report))
}

/// The file's arrays under the model's names, changed where that is what their origin means.
fn prepared(tensors: BTreeMap<String, Tensor>, parameters: &Parameters, report: &mut Report) -> BTreeMap<String, Tensor> {
    let wanted: BTreeSet<&str> = parameters.all().map(|parameter| parameter.name.as_str()).collect();
    let mut renamed: BTreeMap<String, Tensor> = BTreeMap::new();
    for (given, tensor) in tensors {
        let name = own_name(&given, &wanted).map_or(given.clone(), str::to_string);
        // Of two arrays for one place the second keeps its own name, and is reported.
        let name = if renamed.contains_key(&name) { given } else { name };
        renamed.insert(name, tensor);
    }
    for parameter in parameters.all() {
        if parameter.name == POSITIONS {
            resize_positions(&mut renamed, parameter, report);
        } else if parameter.name.ends_with(QKV_BIAS) && !renamed.contains_key(&parameter.name) {
            fill_qkv_bias(&mut renamed, parameter, report);
        }
    }
    renamed
}

fn resize_positions(tensors: &mut BTreeMap<String, Tensor>, parameter: &Parameter, report: &mut Report) {
    let (&[_, to_count, width], Some(Tensor { shape, numbers: Numbers::F32(values) })) = (parameter.shape.sides(), tensors.get(POSITIONS))
    else {
        return;
    };
    let (&[1, from_count, from_width], Some((_, to))) = (shape.as_slice(), positions::layout(to_count)) else { return };
    let Some((prefix, from)) = positions::layout(from_count).filter(|_| from_width == width && from_count != to_count) else { return };
    let resized = positions::resized(values, (prefix, from), to, width);
    let without = match prefix {
        0 => ", the class token's set to 0",
        2 => ", without the distillation token's",
        _ => "",
    };
    let grids = if from == to { String::new() } else { format!(" from {from}×{from} to {to}×{to}, bicubic") };
    report.changed.push(format!("{POSITIONS}{grids}{without}"));
    tensors.insert(POSITIONS.to_string(), Tensor::floats(parameter.shape.sides(), resized));
}

/// The bias of query, key and value: from BEiT's two parts, or 0 for a model without.
fn fill_qkv_bias(tensors: &mut BTreeMap<String, Tensor>, parameter: &Parameter, report: &mut Report) {
    let layer = parameter.name.trim_end_matches("qkv.bias");
    if !tensors.contains_key(&format!("{layer}qkv.weight")) {
        return;
    }
    let len = parameter.shape.len();
    let part = |name: &str| match tensors.get(&format!("{layer}{name}")) {
        Some(Tensor { numbers: Numbers::F32(values), .. }) if values.len() * 3 == len => Some(values.clone()),
        _ => None,
    };
    let bias = match (part("q_bias"), part("v_bias")) {
        (Some(query), Some(value)) => [query, vec![0.0; len / 3], value].concat(),
        _ => {
            report.changed.push(format!("{} set to 0, as the file has none", parameter.name));
            vec![0.0; len]
        }
    };
    for name in ["q_bias", "v_bias"] {
        tensors.remove(&format!("{layer}{name}"));
    }
    tensors.insert(parameter.name.clone(), Tensor::floats(&[len], bias));
}

/// What of a file can start a training of another model.
fn start<'a>(mut tensors: BTreeMap<String, Tensor>, parameters: &'a Parameters, path: &Path, report: &mut Report) -> Result<Values<'a>> {
    let (mut values, mut foreign) = (Vec::new(), Vec::new());
    for parameter in parameters.all() {
        let name = &parameter.name;
        match tensors.remove(name) {
            None => report.made_new.push(format!("{name} (not in the file)")),
            Some(Tensor { shape, numbers: Numbers::F32(words) }) if fits(&shape, &parameter.shape) => {
                values.push((parameter, parameter.from_torch(&words)));
            }
            Some(Tensor { shape, .. }) => {
                let difference = format!("{name} ({shape:?} in the file, {} here)", parameter.shape);
                let is_exchangeable = EXCHANGEABLE.iter().any(|part| name.starts_with(part));
                if is_exchangeable { &mut report.made_new } else { &mut foreign }.push(difference);
            }
        }
    }
    report.skipped = tensors.into_keys().filter(|name| !name.ends_with(BATCH_COUNT)).collect();
    if !foreign.is_empty() {
        let what = format!("its weights are of a model of another size: {}", some_of(foreign.iter()));
        return Err(Error::file(path, what, "set model.dim, model.depth and model.heads to theirs; head and stem may differ"));
    }
    // A training from mostly random weights under the name of others would mislead.
    if 2 * values.len() < report.wanted {
        let what = format!(
            "only {} of {} arrays of the model are in it; it holds {}",
            values.len(),
            report.wanted,
            some_of(report.skipped.iter())
        );
        return Err(Error::file(path, what, "weights have timm's names, as `blocks.0.attn.qkv.weight`"));
    }
    Ok(values)
}
