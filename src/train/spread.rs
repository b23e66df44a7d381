//! How weights and gradients are spread, for TensorBoard: histograms by part of the model, and the
//! stem's filters as a picture. Shown where a checkpoint is written, when the weights come off the
//! device anyway.

use std::collections::BTreeMap;

use super::weights;
use crate::error::Result;
use crate::graph::Region;
use crate::graph::machine::Machine;
use crate::model::parameters::Parameters;
use crate::run::filters;
use crate::run::store::RunStore;
use crate::run::tensors::{Numbers, Tensor};

/// Values of a part that a histogram is made of; of larger parts every so-manieth.
const MAX_VALUES: usize = 1 << 17;

/// The first convolution of a stem, by its name.
const FILTERS: [&str; 2] = ["patch_embed.conv.0.weight", "patch_embed.proj.weight"];

/// Shows the weights and the last gradients at `step`.
pub async fn show(store: &mut RunStore, machine: &mut dyn Machine, parameters: &Parameters, step: u64) -> Result<()> {
    if !store.has_board() {
        return Ok(());
    }
    let weights = weights::download(machine, &parameters.trained, Region::Params).await?;
    let filters = FILTERS.iter().find_map(|name| weights.iter().find(|(own, _)| own == name));
    if let Some((_, Tensor { shape, numbers: Numbers::F32(values) })) = filters
        && let Some(picture) = filters::picture(shape, values)
    {
        store.record_image("stem/filters", step, picture.size, &picture.bytes)?;
    }
    histograms(store, "weights", parameters, &weights, step)?;
    let gradients = weights::download(machine, &parameters.trained, Region::Grads).await?;
    histograms(store, "gradients", parameters, &gradients, step)
}

fn histograms(store: &mut RunStore, family: &str, parameters: &Parameters, tensors: &[(String, Tensor)], step: u64) -> Result<()> {
    let mut groups: BTreeMap<String, Vec<&[f32]>> = BTreeMap::new();
    for (parameter, (_, tensor)) in parameters.trained.iter().zip(tensors) {
        if let Numbers::F32(values) = &tensor.numbers {
            groups.entry(parameter.group()).or_default().push(values);
        }
    }
    for (group, parts) in groups {
        let count: usize = parts.iter().map(|part| part.len()).sum();
        let values: Vec<f32> = parts.into_iter().flatten().copied().step_by(count.div_ceil(MAX_VALUES).max(1)).collect();
        store.record_histogram(&format!("{family}/{group}"), step, &values)?;
    }
    Ok(())
}
