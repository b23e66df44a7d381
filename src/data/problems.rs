//! What is wrong with a set: every image is decoded once.

use std::collections::HashMap;

use serde::Serialize;

use crate::platform::parallel::*;

use super::dataset::MAX_UNREADABLE_FRAC;
use super::{Dataset, HASH_START, Split, hash_bytes, resize};
use crate::augment::crop::Picture;

/// What a look at all images has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Images looked at.
    pub images: usize,
    /// One message for each image that cannot be read or has an impossible shape.
    pub unreadable: Vec<String>,
    /// Images of the training half that the test half has too: file, file.
    pub leaked: Vec<(String, String)>,
    /// Classes with less than a tenth of the largest one's training images: name, images.
    pub small_classes: Vec<(String, usize)>,
    /// Smallest and largest shorter side, pixels.
    pub shorter_sides: Option<(usize, usize)>,
    /// Whether training would refuse the set: more than 1 % of a half cannot be read.
    pub is_refused: bool,
}

/// One image: a hash of its pixels and its shorter side, or what is wrong with it.
type Look = Result<(u64, usize), String>;

/// Looks at every image of both halves.
pub fn find(split: &Split) -> Findings {
    let [train, test] = [&split.train, &split.test].map(|dataset| look(dataset));
    let mut findings = Findings { images: train.len() + test.len(), ..Findings::default() };
    for looks in [&train, &test] {
        let bad: Vec<&String> = looks.iter().filter_map(|look| look.as_ref().err()).collect();
        findings.is_refused |= bad.len() as f64 > looks.len() as f64 * MAX_UNREADABLE_FRAC;
        findings.unreadable.extend(bad.into_iter().cloned());
    }
    let good = || train.iter().chain(&test).flatten().map(|(_, side)| *side);
    findings.shorter_sides = good().min().zip(good().max());
    let in_train: HashMap<u64, usize> = train.iter().enumerate().filter_map(|(ix, look)| Some((look.as_ref().ok()?.0, ix))).collect();
    for (ix, look) in test.iter().enumerate() {
        if let Some(twin) = look.as_ref().ok().and_then(|(hash, _)| in_train.get(hash)) {
            findings.leaked.push((split.train.name(*twin), split.test.name(ix)));
        }
    }
    findings.small_classes = small_classes(&split.train);
    findings
}

fn look(dataset: &Dataset) -> Vec<Look> {
    (0..dataset.len())
        .into_par_iter()
        .map_init(Picture::default, |picture, ix| {
            dataset.image(ix, picture).map_err(|error| error.to_string())?;
            let Picture { width, height, rgb } = &*picture;
            resize::check_shape(*width, *height).map_err(|what| format!("{}: {what}", dataset.name(ix)))?;
            let size = hash_bytes(HASH_START, &[width.to_le_bytes(), height.to_le_bytes()].concat());
            Ok((hash_bytes(size, rgb), *width.min(height)))
        })
        .collect()
}

fn small_classes(train: &Dataset) -> Vec<(String, usize)> {
    let mut counts = vec![0; train.num_classes()];
    train.labels.iter().for_each(|label| counts[*label as usize] += 1);
    let largest = counts.iter().copied().max().unwrap_or(0);
    let is_small = |(_, count): &(&String, usize)| count * 10 < largest;
    train.class_names.iter().zip(counts).filter(is_small).map(|(name, count)| (name.clone(), count)).collect()
}
