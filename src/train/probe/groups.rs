//! Weights, gradients and updates by group of parameters (`patch_embed`, `blocks.3.attn`, …).
//!
//! The last update is found again from the optimiser's moments, so nothing need be kept for it:
//! AdamW's is lr·(m̂/(√v̂ + ε) + λ·w), SGD's lr·m.

use crate::error::Result;
use crate::graph::{Place, Region};
use crate::model::groups::Groups;
use crate::model::parameters::Parameter;
use crate::run::probe::Group;
use crate::train::step::Trainer;

/// Norms after `step` steps, the last of them at learning rate `lr`; in the model's order.
pub async fn groups(trainer: &mut Trainer, step: u64, lr: f64) -> Result<Vec<Group>> {
    let mut names: Vec<String> = Vec::new();
    for name in trainer.parameters.trained.iter().map(Parameter::group) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let place = |parameter: &Parameter| names.iter().position(|name| *name == parameter.group());
    let norms = norms(trainer, (step, lr), names.len(), place).await?;
    let group = |(name, [weight_norm, gradient_norm, update_norm]): (String, [f64; 3])| Group {
        name,
        weight_norm: weight_norm as f32,
        gradient_norm: gradient_norm as f32,
        update_norm: update_norm as f32,
    };
    Ok(names.clone().into_iter().zip(norms).map(group).collect())
}

/// How far the last update moved each of [`Trainer::groups`]: its norm over that of the weights.
pub async fn update_ratios(trainer: &mut Trainer, step: u64, lr: f64) -> Result<Vec<f64>> {
    let groups = Groups::new(&trainer.parameters);
    let norms = norms(trainer, (step, lr), groups.names.len(), |parameter| groups.ix_of(parameter)).await?;
    Ok(norms.into_iter().map(|[weights, _, update]| update / weights).collect())
}

/// L2 norms of weights, gradients and the last update of each group; `place` says which one a parameter is in.
async fn norms(
    trainer: &mut Trainer,
    (step, lr): (u64, f64),
    num_groups: usize,
    place: impl Fn(&Parameter) -> Option<usize>,
) -> Result<Vec<[f64; 3]>> {
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
    let mut squares = vec![[0.0; 3]; num_groups];
    for parameter in &trainer.parameters.trained {
        let Some(sums) = place(parameter).and_then(|ix| squares.get_mut(ix)) else { continue };
        for ix in parameter.offset..parameter.offset + parameter.shape.len() {
            sums[0] += f64::from(params[ix]).powi(2);
            sums[1] += f64::from(gradients[ix]).powi(2);
            sums[2] += update(ix).powi(2);
        }
    }
    Ok(squares.into_iter().map(|sums| sums.map(f64::sqrt)).collect())
}
