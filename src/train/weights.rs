//! State dicts: timm's names, PyTorch's shapes and order of elements, in safetensors files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::{Error, Result};
use crate::graph::machine::Machine;
use crate::graph::{Place, Region, Shape};
use crate::model::parameters::{Parameter, Parameters, Source};
use crate::run::pth;
use crate::run::tensors::{Numbers, Tensor, some_of};

/// What wrappers put before every name: DistributedDataParallel, detection code, Lightning.
const PREFIXES: [&str; 3] = ["module.", "backbone.", "model."];

/// PyTorch's name for a BatchNorm's count of batches, and the statistic beside it.
pub(super) const BATCH_COUNT: &str = "num_batches_tracked";
const RUNNING_MEAN: &str = "running_mean";

/// Values in the device's order of elements, as [`crate::model::init::initial`] gives them.
pub type Values<'a> = Vec<(&'a Parameter, Vec<f32>)>;

/// Regions of (trained parameters, running statistics).
pub fn regions(source: Source) -> (Region, Region) {
    match source {
        Source::Trained => (Region::Params, Region::Stats),
        Source::Averaged => (Region::Ema, Region::EmaStats),
    }
}

/// Parameters as they stand in `region`, each in PyTorch's order and shape.
pub async fn download(machine: &mut dyn Machine, parameters: &[Parameter], region: Region) -> Result<Vec<(String, Tensor)>> {
    let Some(end) = parameters.iter().map(|parameter| parameter.offset + parameter.shape.len()).max() else {
        return Ok(Vec::new());
    };
    Ok(named(&machine.download(Place::new(region, 0), end).await?, parameters))
}

/// Parameters from the words of their region, each in PyTorch's order and shape.
pub fn named(words: &[f32], parameters: &[Parameter]) -> Vec<(String, Tensor)> {
    let tensor = |parameter: &Parameter| {
        let values = parameter.to_torch(&words[parameter.offset..parameter.offset + parameter.shape.len()]);
        (parameter.name.clone(), Tensor::floats(parameter.shape.sides(), values))
    };
    parameters.iter().map(tensor).collect()
}

/// Writes values into the regions of `source`.
pub fn upload(machine: &mut dyn Machine, values: &Values, source: Source) -> Result<()> {
    let (params, stats) = regions(source);
    for (parameter, words) in values {
        let region = if parameter.trained { params } else { stats };
        machine.upload(Place::new(region, parameter.offset), words)?;
    }
    Ok(())
}

/// The whole state dict; every BatchNorm's `num_batches_tracked` is `num_batches`.
pub async fn state_dict(
    machine: &mut dyn Machine,
    parameters: &Parameters,
    source: Source,
    num_batches: u64,
) -> Result<BTreeMap<String, Tensor>> {
    let (params, stats) = regions(source);
    let trained = download(machine, &parameters.trained, params).await?;
    let counted = download(machine, &parameters.stats, stats).await?;
    Ok(with_counts(trained, counted, parameters, num_batches))
}

/// The same from the words of the two regions.
pub fn state_dict_from(params: &[f32], stats: &[f32], parameters: &Parameters, num_batches: u64) -> BTreeMap<String, Tensor> {
    with_counts(named(params, &parameters.trained), named(stats, &parameters.stats), parameters, num_batches)
}

fn with_counts(
    trained: Vec<(String, Tensor)>,
    stats: Vec<(String, Tensor)>,
    parameters: &Parameters,
    num_batches: u64,
) -> BTreeMap<String, Tensor> {
    let mut by_name: BTreeMap<String, Tensor> = trained.into_iter().chain(stats).collect();
    let counts = parameters.stats.iter().filter_map(|parameter| parameter.name.strip_suffix(RUNNING_MEAN));
    by_name.extend(counts.map(|layer| (format!("{layer}{BATCH_COUNT}"), Tensor::integers(&[], vec![num_batches as i64]))));
    by_name
}

/// Reads a state dict for a model with these parameters.
///
/// Takes safetensors and PyTorch's own files, floats of 16, 32 and 64 bits, names behind `module.`, `backbone.` or `model.`, and a
/// linear weight for a convolution of kernel 1 or the other way round ([out, in] and [out, in, 1]).
///
/// Errors: an unreadable file; missing and unexpected names and wrong shapes, all in one message.
pub fn load<'a>(path: &Path, parameters: &'a Parameters) -> Result<Values<'a>> {
    let tensors = pth::read_weights(path)?.by_name;
    match_names(tensors, parameters, path)
}

/// [`load`] from arrays that were read before.
pub fn match_names<'a>(tensors: BTreeMap<String, Tensor>, parameters: &'a Parameters, path: &Path) -> Result<Values<'a>> {
    let wanted: BTreeSet<&str> = parameters.all().map(|parameter| parameter.name.as_str()).collect();
    let mut unexpected = Vec::new();
    let mut found = BTreeMap::new();
    for (given, tensor) in tensors {
        match own_name(&given, &wanted) {
            Some(name) if !found.contains_key(name) => {
                found.insert(name.to_string(), tensor);
            }
            None if given.ends_with(BATCH_COUNT) => {}
            _ => unexpected.push(given),
        }
    }
    let (mut values, mut missing, mut misshapen) = (Vec::new(), Vec::new(), Vec::new());
    for parameter in parameters.all() {
        match found.remove(&parameter.name) {
            None => missing.push(parameter.name.as_str()),
            Some(Tensor { shape, numbers: Numbers::F32(words) }) if fits(&shape, &parameter.shape) => {
                values.push((parameter, parameter.from_torch(&words)));
            }
            Some(Tensor { shape, numbers }) => {
                let of_integers = if matches!(numbers, Numbers::I64(_) | Numbers::U8(_)) { " of integers" } else { "" };
                let given = Shape::new(&shape);
                misshapen.push(format!("{} is {given}{of_integers} and should be {}", parameter.name, parameter.shape));
            }
        }
    }
    let mut faults = Vec::new();
    if !missing.is_empty() {
        faults.push(format!("{} missing: {}", missing.len(), some_of(missing.iter())));
    }
    if !unexpected.is_empty() {
        faults.push(format!("{} unexpected: {}", unexpected.len(), some_of(unexpected.iter())));
    }
    if !misshapen.is_empty() {
        faults.push(format!("{} of a wrong shape: {}", misshapen.len(), some_of(misshapen.iter())));
    }
    if faults.is_empty() {
        return Ok(values);
    }
    let what = format!("its weights do not fit the model; {}", faults.join("; "));
    Err(Error::file(path, what, "use the config that the weights were made with"))
}

/// The name the model has for `given`: itself, or what is left behind known prefixes.
pub(super) fn own_name<'a>(given: &'a str, wanted: &BTreeSet<&str>) -> Option<&'a str> {
    let mut name = given;
    while !wanted.contains(name) {
        name = PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix))?;
    }
    Some(name)
}

/// The same shape, or the same but for one trailing 1.
pub(super) fn fits(given: &[usize], wanted: &Shape) -> bool {
    let wanted = wanted.sides();
    given == wanted || given.strip_suffix(&[1]) == Some(wanted) || wanted.strip_suffix(&[1]) == Some(given)
}
