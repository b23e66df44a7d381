//! From what a device kept of each image to the numbers of a probe.

use crate::platform::parallel::*;

use super::ProbeImages;
use super::graph::{Keeps, Kept};
use super::held::Held;
use crate::config::experiment::ModelConfig;
use crate::run::probe::attention::{cosines, mean_distance, mean_entropy, probabilities, rollout};
use crate::run::probe::maps::{Gatherer, shown};
use crate::run::probe::pairs::{coarse_attention, coarse_similarity, grid_for};
use crate::run::probe::theory::{Spread, mean_cosine, spread};
use crate::run::probe::{Array, Attention, Maps, Stage};

/// Numbers gathered image by image.
pub struct Observation<'a> {
    keeps: &'a Keeps,
    num_heads: usize,
    image_side: usize,
    /// Side of the patch grid, and those that attention and similarity are kept on.
    grid: usize,
    attention_grid: usize,
    similarity_grid: usize,
    /// Images whose maps are kept, and images seen.
    num_shown: usize,
    num_seen: usize,
    stages: Vec<StageSums>,
    cossim: Vec<f64>,
    distance: Vec<f64>,
    entropy: Vec<f64>,
    attention: Vec<f32>,
    rollout: Vec<f32>,
    similarity: Vec<f32>,
}

struct StageSums {
    gatherer: Gatherer,
    maps: Vec<f32>,
    sides: [usize; 3],
    bound: Vec<Spread>,
}

/// One head of one image.
struct Head {
    distance: f64,
    entropy: f64,
    /// [T', T'], of images that are shown.
    coarse: Vec<f64>,
    /// [T, T].
    full: Vec<f64>,
}

impl<'a> Observation<'a> {
    /// Nothing seen yet; the maps of the first `num_shown` images will be kept.
    pub fn new(model: &ModelConfig, keeps: &'a Keeps, num_shown: usize) -> Self {
        let (num_blocks, num_layers) = (keeps.qkv.len(), keeps.layers.len());
        let patches = keeps.layers[0].0.rows;
        let grid = patches.isqrt();
        let prefix = keeps.qkv.first().map_or(0, |qkv| qkv.rows - patches);
        let matrices = num_shown.max(1) * num_blocks * model.heads;
        let stage = |width: usize| StageSums { gatherer: Gatherer::new(width), maps: Vec::new(), sides: [0; 3], bound: Vec::new() };
        Self {
            keeps,
            num_heads: model.heads,
            image_side: model.image_size,
            grid,
            attention_grid: grid_for(grid, prefix, matrices),
            similarity_grid: grid_for(grid, 0, num_shown.max(1) * num_layers),
            num_shown,
            num_seen: 0,
            stages: keeps.stages.iter().map(|stage_kept| stage(stage_kept.kept.width)).collect(),
            cossim: vec![0.0; num_layers],
            distance: vec![0.0; num_blocks * model.heads],
            entropy: vec![0.0; num_blocks * model.heads],
            attention: Vec::new(),
            rollout: Vec::new(),
            similarity: Vec::new(),
        }
    }

    /// Adds an image, whose kept arrays `words` gives.
    pub fn add<'w>(&mut self, words: &(dyn Fn(&Kept) -> &'w [f32] + Sync)) {
        let is_shown = self.num_seen < self.num_shown;
        for (sums, stage) in self.stages.iter_mut().zip(&self.keeps.stages) {
            sums.add(words(&stage.kept), &stage.kept, is_shown);
        }
        self.add_similarity(words, is_shown);
        self.add_attention(words, is_shown);
        self.num_seen += 1;
    }

    fn add_similarity<'w>(&mut self, words: &(dyn Fn(&Kept) -> &'w [f32] + Sync), is_shown: bool) {
        for (sum, (kept, prefix)) in self.cossim.iter_mut().zip(&self.keeps.layers) {
            let patches = &words(kept)[prefix * kept.width..];
            *sum += mean_cosine(patches, kept.width);
            if is_shown {
                let coarse = coarse_similarity(&cosines(patches, kept.rows - prefix), self.grid, self.similarity_grid);
                self.similarity.extend(coarse.into_iter().map(|value| value as f32));
            }
        }
    }

    fn add_attention<'w>(&mut self, words: &(dyn Fn(&Kept) -> &'w [f32] + Sync), is_shown: bool) {
        let (num_heads, grid, coarse_grid) = (self.num_heads, self.grid, self.attention_grid);
        let patch_side = self.image_side as f64 / grid as f64;
        let mut means = Vec::new();
        for (block, kept) in self.keeps.qkv.iter().enumerate() {
            let (qkv, tokens) = (words(kept), kept.rows);
            let prefix = tokens - grid * grid;
            let head = |head: usize| {
                let full = probabilities(qkv, tokens, num_heads, head);
                let coarse = if is_shown { coarse_attention(&full, grid, coarse_grid, prefix) } else { Vec::new() };
                Head { distance: patch_side * mean_distance(&full, grid), entropy: mean_entropy(&full, tokens), coarse, full }
            };
            let heads: Vec<Head> = (0..num_heads).into_par_iter().map(head).collect();
            let mut mean = vec![0.0; tokens * tokens];
            for (ix, head) in heads.into_iter().enumerate() {
                self.distance[block * num_heads + ix] += head.distance;
                self.entropy[block * num_heads + ix] += head.entropy;
                self.attention.extend(head.coarse.into_iter().map(|value| value as f32));
                mean.iter_mut().zip(head.full).for_each(|(mean, value)| *mean += value / num_heads as f64);
            }
            if is_shown {
                means.push(mean);
            }
        }
        if is_shown {
            let tokens = self.keeps.qkv[0].rows;
            let row = rollout(&means, tokens, 0);
            self.rollout.extend(row[tokens - grid * grid..].iter().map(|value| *value as f32));
        }
    }

    /// Mean similarity per layer, and everything else.
    pub fn finish(self, step: u64, probed: &ProbeImages, held: &Held) -> (Vec<f32>, Maps) {
        let num_images = self.num_shown.min(self.num_seen);
        let seen = self.num_seen.max(1) as f64;
        let means = |sums: &[f64]| sums.iter().map(|sum| (sum / seen) as f32).collect::<Vec<f32>>();
        let (num_blocks, num_heads, num_layers) = (self.keeps.qkv.len(), self.num_heads, self.keeps.layers.len());
        let tokens = self.keeps.qkv.first().map_or(0, |qkv| qkv.rows - self.grid.pow(2)) + self.attention_grid.pow(2);
        let pairs = self.similarity_grid.pow(2);
        let cossim = means(&self.cossim);
        let attention = Attention {
            distance: Array::new(&[num_blocks, num_heads], means(&self.distance)),
            entropy: Array::new(&[num_blocks, num_heads], means(&self.entropy)),
            weights: Array::new(&[num_images, num_blocks, num_heads, tokens, tokens], self.attention),
            rollout: Array::new(&[num_images, self.grid.pow(2)], self.rollout),
        };
        let stages = self.stages.into_iter().zip(&self.keeps.stages);
        let maps = Maps {
            step,
            num_images,
            side: self.image_side,
            images: probed.pixels(num_images),
            labels: probed.labels[..num_images].to_vec(),
            grid: self.grid,
            filters: held.filters(),
            stages: stages.map(|(sums, kept)| sums.finish(kept, num_images, held)).collect(),
            attention,
            similarity: Array::new(&[num_images, num_layers, pairs, pairs], self.similarity),
            theorem1: held.theorem1(self.keeps),
            groups: Vec::new(),
        };
        (cossim, maps)
    }
}

impl StageSums {
    fn add(&mut self, words: &[f32], kept: &Kept, is_shown: bool) {
        self.gatherer.add(words);
        if is_shown {
            let (maps, sides) = shown(words, kept.rows.isqrt(), kept.width);
            self.maps.extend(maps);
            self.sides = sides;
            self.bound.push(spread(words, kept.width));
        }
    }

    fn finish(self, kept: &super::graph::KeptStage, num_images: usize, held: &Held) -> Stage {
        let [channels, height, width] = self.sides;
        let (histogram, range) = self.gatherer.histogram();
        Stage {
            name: kept.name.clone(),
            maps: Array::new(&[num_images, channels, height, width], self.maps),
            channels: self.gatherer.channels(),
            histogram,
            range,
            norm: kept.norm.map_or_else(Vec::new, |places| held.scaled_relu(places, kept.kept.width)),
            bound: self.bound,
        }
    }
}
