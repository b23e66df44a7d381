//! `augment.random_resized_crop`: least and most share of the area; also `true`, or the least share alone.

use serde::{Deserialize, Deserializer};

/// The shares of the usual recipe.
const USUAL: [f64; 2] = [0.08, 1.0];

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Switch(bool),
    /// What `--set augment.random_resized_crop=true` amounts to.
    Switches([bool; 1]),
    Least(f64),
    Shares(Vec<f64>),
}

/// Reads the key; empty: off.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Switch(is_on) | Written::Switches([is_on]) => {
            if is_on {
                USUAL.to_vec()
            } else {
                Vec::new()
            }
        }
        Written::Least(least) => from_least(least),
        Written::Shares(shares) => match shares[..] {
            [least] => from_least(least),
            _ => shares,
        },
    })
}

/// 0 turns it off, as for every other key.
fn from_least(least: f64) -> Vec<f64> {
    if least == 0.0 { Vec::new() } else { vec![least, 1.0] }
}
