//! Groups of parameters, from stem to head, whose gradient norms every step reports.

use super::parameters::{ALIGN, Parameter, Parameters};
use crate::optim::group_norms::{CHUNK, MAX_GROUPS};

/// Which words of the gradients belong to which group, as [`crate::optim::group_norms`] reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// Names, in the order of the model: `patch_embed`, `pos_embed`, `blocks.0.attn`, `blocks.0.mlp`, …, `head`.
    pub names: Vec<String>,
    /// First word / [`ALIGN`] and words of each chunk.
    pub chunks: Vec<[usize; 2]>,
    /// First chunk of each group, then their number.
    pub firsts: Vec<usize>,
    /// Parts of a parameter's name that tell its group.
    detail: usize,
}

impl Groups {
    /// The groups of a model. A model with more of them than a slot has room for has one a block, or one
    /// for all blocks.
    pub fn new(parameters: &Parameters) -> Self {
        let names = |detail: usize| {
            let mut names: Vec<String> = Vec::new();
            for name in parameters.trained.iter().map(|parameter| group(parameter, detail)) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        };
        let detail = (1..=3).rev().find(|detail| names(*detail).len() <= MAX_GROUPS).unwrap_or(1);
        let mut groups = Self { names: names(detail), detail, ..Self::default() };
        groups.names.truncate(MAX_GROUPS);
        for name in &groups.names {
            groups.firsts.push(groups.chunks.len());
            for parameter in parameters.trained.iter().filter(|parameter| group(parameter, detail) == *name) {
                let len = parameter.shape.len();
                let starts = (0..len).step_by(CHUNK);
                groups.chunks.extend(starts.map(|start| [(parameter.offset + start) / ALIGN, CHUNK.min(len - start)]));
            }
        }
        groups.firsts.push(groups.chunks.len());
        groups
    }

    /// The group of a parameter of this model, by its place in the names.
    pub fn ix_of(&self, parameter: &Parameter) -> Option<usize> {
        let own = group(parameter, self.detail);
        self.names.iter().position(|name| *name == own)
    }

    /// Words of the region that holds the table: chunks, then firsts at a multiple of [`ALIGN`].
    pub fn table_len(&self) -> usize {
        self.firsts_start() + self.firsts.len()
    }

    /// Where in the table the firsts begin.
    pub fn firsts_start(&self) -> usize {
        (2 * self.chunks.len()).next_multiple_of(ALIGN)
    }

    /// The table. Every number is below 2²⁴, so a float holds it.
    pub fn table(&self) -> Vec<f32> {
        let mut words: Vec<f32> = self.chunks.iter().flatten().map(|number| *number as f32).collect();
        words.resize(self.firsts_start(), 0.0);
        words.extend(self.firsts.iter().map(|first| *first as f32));
        words
    }
}

/// The group of a parameter: its name up to `detail` parts, with the norms beside what they normalise.
fn group(parameter: &Parameter, detail: usize) -> String {
    let parts: Vec<&str> = parameter.name.split('.').collect();
    match parts[..] {
        ["blocks", block, part, ..] if detail == 3 => {
            let part = match part {
                "norm1" => "attn",
                "norm2" => "mlp",
                other => other,
            };
            format!("blocks.{block}.{part}")
        }
        ["blocks", block, ..] if detail == 2 => format!("blocks.{block}"),
        ["cls_token" | "pos_embed"] => "pos_embed".to_string(),
        ["norm", ..] => "head".to_string(),
        [first, ..] => first.to_string(),
        [] => String::new(),
    }
}
