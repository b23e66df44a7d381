//! The device's part of the augmentation as a plan: bytes → normalised floats → boxes of noise → mixed.
//!
//! It runs once for the images of a pass, before the pass, and writes them where the model reads them. What
//! was drawn for each image comes in a small table; what does not change lies on the device already.

use super::mix::{ROW_LEN, blend};
use super::normalise::{ChannelStats, TABLE_LEN, normalise, table, word_count};
use super::pictures::Pictures;
use super::random_erasing::{HOLE_LEN, NUM_QUANTILES, fill, quantiles};
use crate::config::Experiment;
use crate::error::Result;
use crate::graph::machine::Machine;
use crate::graph::{Graph, Place, Region, Value};

/// Every value begins at a multiple of so many words: WebGPU's 256 bytes.
const ALIGN: usize = 64;

/// Which of the images a plan reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// Those of the pass.
    Own,
    /// Their partners.
    Mirror,
}

/// What is done to the images of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepare {
    /// Images of a pass.
    pub rows: usize,
    /// Their side, pixels.
    pub side: usize,
    /// Boxes are erased.
    pub erases: bool,
    /// Images are mixed.
    pub mixes: bool,
    /// Partners are images of other passes, so that they are uploaded too.
    pub has_mirror: bool,
}

impl Prepare {
    /// For evaluations and probes: nothing but normalised.
    pub fn plain(rows: usize, side: usize) -> Self {
        Self { rows, side, erases: false, mixes: false, has_mirror: false }
    }

    /// For training passes of `rows` images.
    pub fn training(experiment: &Experiment, rows: usize) -> Self {
        let Experiment { augment, train, model, .. } = experiment;
        let mixes = augment.mixup > 0.0 || augment.cutmix > 0.0;
        let is_group = train.micro_batch > 0 || rows == train.batch;
        Self { rows, side: model.image_size, erases: augment.random_erasing > 0.0, mixes, has_mirror: mixes && !is_group }
    }

    /// Memory that outlives a pass, in words, without the images' own.
    pub fn regions(&self) -> [(Region, usize); 3] {
        let bytes = self.bytes_place(Half::Mirror).offset + if self.has_mirror { word_count(self.rows, self.side) } else { 0 };
        let quantiles = if self.erases { NUM_QUANTILES } else { 0 };
        let drawn = self.mix_place().offset + if self.mixes { self.rows * ROW_LEN } else { 0 };
        [(Region::Bytes, bytes), (Region::Drawn, drawn), (Region::Tables, QUANTILES.offset + quantiles)]
    }

    /// The plan's graph; it reads and writes whole regions.
    pub fn graph(&self) -> Result<Graph> {
        let mut graph = Graph::new();
        graph.scoped("augment", |graph| {
            let (normalised, own) = self.image(graph, Half::Own)?;
            let stored = if self.mixes {
                let mirror = if self.has_mirror { self.image(graph, Half::Mirror)?.1 } else { own };
                let rows = graph.leaf(self.mix_place(), [self.rows, ROW_LEN]);
                blend(graph, own, mirror, rows)?
            } else {
                // What is erased later lies in the same memory.
                normalised
            };
            graph.store(stored, Place::new(Region::Images, 0));
            Ok(())
        })?;
        Ok(graph)
    }

    /// Images before and after erasing, which happens in place.
    fn image(&self, graph: &mut Graph, half: Half) -> Result<(Value, Value)> {
        let bytes = graph.leaf(self.bytes_place(half), [word_count(self.rows, self.side)]);
        let table = graph.leaf(VALUES, [TABLE_LEN]);
        let normalised = normalise(graph, bytes, table, self.rows, self.side)?;
        if !self.erases {
            return Ok((normalised, normalised));
        }
        let holes = graph.leaf(self.holes_place(half), [self.rows, HOLE_LEN]);
        let quantiles = graph.leaf(QUANTILES, [NUM_QUANTILES]);
        Ok((normalised, fill(graph, normalised, holes, quantiles)?))
    }

    /// Uploads what the noise is made of; once.
    pub fn upload_quantiles(&self, machine: &mut dyn Machine) -> Result<()> {
        if self.erases { machine.upload(QUANTILES, &quantiles()) } else { Ok(()) }
    }

    /// Uploads the images of a pass, the first of which is at place `first` of the batch of `batch`, and what was
    /// drawn for them.
    pub fn upload(&self, machine: &mut dyn Machine, pictures: &Pictures, first: usize, batch: usize) -> Result<()> {
        let image_len = self.side * self.side * 3;
        let is_mixed = self.mixes && pictures.mix_at(first).is_some();
        let mirror = if is_mixed && self.has_mirror { Some((Half::Mirror, pictures.mirror_of(first, self.rows, batch))) } else { None };
        for (half, start) in [Some((Half::Own, first)), mirror].into_iter().flatten() {
            machine.upload_bytes(self.bytes_place(half), &pictures.bytes[start * image_len..][..self.rows * image_len])?;
            if self.erases {
                machine.upload(self.holes_place(half), &pictures.hole_rows(start, self.rows))?;
            }
        }
        if self.mixes { machine.upload(self.mix_place(), &pictures.mix_rows(first, self.rows)) } else { Ok(()) }
    }

    fn bytes_place(&self, half: Half) -> Place {
        Place::new(Region::Bytes, if half == Half::Own { 0 } else { word_count(self.rows, self.side).next_multiple_of(ALIGN) })
    }

    fn holes_place(&self, half: Half) -> Place {
        Place::new(Region::Drawn, if half == Half::Own { 0 } else { (self.rows * HOLE_LEN).next_multiple_of(ALIGN) })
    }

    fn mix_place(&self) -> Place {
        Place::new(Region::Drawn, 2 * (self.rows * HOLE_LEN).next_multiple_of(ALIGN))
    }
}

/// The value of each byte.
const VALUES: Place = Place { region: Region::Tables, offset: 0 };
/// Quantiles of the noise.
const QUANTILES: Place = Place { region: Region::Tables, offset: TABLE_LEN };

/// Uploads the value of each byte for images of these statistics.
pub fn upload_values(machine: &mut dyn Machine, stats: &ChannelStats) -> Result<()> {
    machine.upload(VALUES, &table(stats))
}
