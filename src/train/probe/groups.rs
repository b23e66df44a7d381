//! Weights, gradients and updates by group of parameters (`patch_embed`, `blocks.3.attn`, …).
//!
//! The last update is found again from the optimiser's moments, so nothing need be kept for it:
//! AdamW's is lr·(m̂/(√v̂ + ε) + λ·w), SGD's lr·m.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::graph::{Place, Region};
use crate::run::probe::Group;
use crate::train::step::Trainer;

/// Norms after `step` steps, the last of them at learning rate `lr`; in the model's order.
pub async fn groups(trainer: &mut Trainer, step: u64, lr: f64) -> Result<Vec<Group>> {
    let len = trainer.parameters.len;
    let mut regions = Vec::new();
    for region in [Region::Params, Region::Grads, Region::Momentum, Region::Variance] {
        let has = trainer.machine.region_len(region) >= len;
        regions.push(if has { trainer.machine.download(Place::new(region, 0), len).await? } else { Vec::new() });
    }
    let [params, gradients, momentum, variance] = &regions[..] else { unreachable!("four regions were read") };
    let optim = &trainer.experiment.optim;
    let made = step.max(1) as f64;
    let corrections = optim.betas.map(|beta| 1.0 - beta.powf(made));
    let decayed_len = trainer.parameters.decayed_len;
    let update = |ix: usize| {
        let moment = f64::from(momentum[ix]);
        let Some(second) = variance.get(ix) else { return lr * moment };
        let decay = if ix < decayed_len { optim.weight_decay * f64::from(params[ix]) } else { 0.0 };
        lr * (moment / corrections[0] / ((f64::from(*second) / corrections[1]).sqrt() + optim.eps) + decay)
    };
    let mut order = Vec::new();
    let mut squares: BTreeMap<String, [f64; 3]> = BTreeMap::new();
    for parameter in &trainer.parameters.trained {
        let name = parameter.group();
        if !squares.contains_key(&name) {
            order.push(name.clone());
        }
        let sums = squares.entry(name).or_default();
        for ix in parameter.offset..parameter.offset + parameter.shape.len() {
            sums[0] += f64::from(params[ix]).powi(2);
            sums[1] += f64::from(gradients[ix]).powi(2);
            sums[2] += update(ix).powi(2);
        }
    }
    let group = |name: String| {
        let [weight_norm, gradient_norm, update_norm] = squares[&name].map(|sum| sum.sqrt() as f32);
        Group { name, weight_norm, gradient_norm, update_norm }
    };
    Ok(order.into_iter().map(group).collect())
}
