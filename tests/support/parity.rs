//! Whether a trace agrees with its reference: the tolerances of the golden files.
//!
//! References are computed in f64 from f32 inputs. A gradient may differ by 1e-3 of its largest
//! value and 1e-5 of the largest of all. Adam divides by the gradient's own size, so where that is
//! rounding noise (exact zeros: key bias, any bias before a BatchNorm) only the step's size is bounded;
//! elsewhere 99.5 % of a parameter keep a hundredth of the distance travelled.

use std::collections::BTreeMap;

use vitrine::run::tensors::{Numbers, Tensor, Tensors};

/// Learning rate and number of steps of a trace.
#[derive(Clone, Copy, Debug)]
pub struct Travel {
    /// Constant learning rate.
    pub lr: f64,
    /// Optimiser steps.
    pub steps: usize,
}

/// How far one array may be off.
struct Bounds {
    /// For each element …
    each: Vec<f64>,
    /// … of this share of them, nearest first.
    share: f64,
    /// For every element.
    limit: f64,
}

/// The worst error as a share of its tolerance, and where; 1 is the most that passes.
///
/// Errors: an array that is missing or of another length.
pub fn worst(expected: &Tensors, got: &Tensors, travel: Travel) -> Result<(f64, String), String> {
    let mut worst = (0.0, "nothing".to_string());
    for (name, reference) in &expected.by_name {
        let reference = values(reference);
        let given = got.by_name.get(name).map(values).ok_or_else(|| format!("{name} is missing"))?;
        if given.len() != reference.len() {
            return Err(format!("{name} has {} values and should have {}", given.len(), reference.len()));
        }
        let ratio = bounds(name, &reference, expected, travel).ratio(&reference, &given);
        if ratio > worst.0 {
            worst = (ratio, name.clone());
        }
    }
    Ok(worst)
}

/// `got` with one value of `name` moved by ten tolerances; the middle one.
pub fn bent(expected: &Tensors, got: &Tensors, name: &str, travel: Travel) -> Tensors {
    let reference = values(&expected.by_name[name]);
    let bounds = bounds(name, &reference, expected, travel);
    let ix = reference.len() / 2;
    let tolerance = if bounds.share < 1.0 { bounds.limit } else { bounds.each[ix] };
    let mut by_name: BTreeMap<String, Tensor> = got.by_name.clone();
    if let Some(Tensor { numbers: Numbers::F32(words), .. }) = by_name.get_mut(name) {
        words[ix] += (10.0 * tolerance) as f32;
    }
    Tensors { by_name, about: String::new() }
}

fn bounds(name: &str, reference: &[f64], expected: &Tensors, travel: Travel) -> Bounds {
    let size = largest(reference);
    let all = |tolerance: f64| Bounds { each: vec![tolerance; reference.len()], share: 1.0, limit: f64::INFINITY };
    let distance = travel.lr * travel.steps as f64;
    let largest_gradient = || {
        let gradients = expected.by_name.iter().filter(|(name, _)| name.starts_with("grad."));
        gradients.map(|(_, tensor)| largest(&values(tensor))).fold(0.0, f64::max)
    };
    match name {
        "loss" => Bounds { each: (1..=reference.len()).map(|step| 2e-4 * (step as f64).powf(1.5) * size + 1e-6).collect(), ..all(0.0) },
        "grad_norm" => all(5e-3 * size),
        _ if name.starts_with("grad.") => all(1e-3 * size + 1e-5 * largest_gradient()),
        _ if name.starts_with("param.") && name.contains("running") => {
            all((1e-4 * size + 1e-6) * if travel.steps > 1 { 10.0 } else { 1.0 })
        }
        _ => match name.strip_prefix("param.") {
            Some(parameter) => {
                let noise = 1e-5 * largest_gradient();
                let gradient = values(&expected.by_name[&format!("grad.{parameter}")]);
                let each = |g: &f64| if g.abs() < noise { 2.0 * distance } else { 1e-5 * size + 0.01 * distance };
                Bounds { each: gradient.iter().map(each).collect(), share: 0.995, limit: 2.2 * distance + 1e-4 * size }
            }
            None => all(1e-4 * size + 1e-6),
        },
    }
}

impl Bounds {
    fn ratio(&self, reference: &[f64], given: &[f64]) -> f64 {
        if !given.iter().all(|value| value.is_finite()) {
            return f64::INFINITY;
        }
        let errors: Vec<f64> = reference.iter().zip(given).map(|(reference, given)| (given - reference).abs()).collect();
        let mut ratios: Vec<f64> = errors.iter().zip(&self.each).map(|(error, tolerance)| error / tolerance).collect();
        ratios.sort_by(f64::total_cmp);
        let counted = (ratios.len() as f64 * self.share).ceil() as usize;
        let usual = ratios[counted.saturating_sub(1)];
        usual.max(largest(&errors) / self.limit)
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}

fn values(tensor: &Tensor) -> Vec<f64> {
    match &tensor.numbers {
        Numbers::F32(values) | Numbers::F16(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Numbers::U8(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Numbers::I64(values) => values.iter().map(|value| *value as f64).collect(),
    }
}
