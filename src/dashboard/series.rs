//! A number over the steps of a run, at every level of detail.
//!
//! Each level keeps the least and the greatest number of blocks of the level below, so a chart draws
//! as many points as it has pixels, whatever the length of the run, and no spike is lost. Levels
//! grow with the series: adding a point costs O(1) on average. Numbers that are not finite stand
//! apart, each with its place.

use std::ops::Range;

use crate::run::number::is_finite;

/// Points of a block, as a power of two: each level is a quarter of the one below.
const BLOCK_BITS: u32 = 2;
/// Points a block of the first level holds.
const BLOCK: usize = 1 << BLOCK_BITS;

/// The least and the greatest finite number of a stretch of points; `low > high` where there is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// The least.
    pub low: f32,
    /// The greatest.
    pub high: f32,
}

impl Extent {
    /// Of no numbers.
    pub const EMPTY: Self = Self { low: f32::INFINITY, high: f32::NEG_INFINITY };

    /// Of one number; empty if it is not finite.
    pub fn of(value: f64) -> Self {
        if is_finite(value) { Self { low: value as f32, high: value as f32 } } else { Self::EMPTY }
    }

    /// Of both.
    pub fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }

    /// Whether no finite number was seen.
    pub fn is_empty(self) -> bool {
        self.low > self.high
    }
}

/// One number for each point.
#[derive(Clone, Debug, Default)]
pub struct Series {
    values: Vec<f32>,
    /// `levels[k][i]` covers `BLOCK^(k+1)` points; the last block of a level may be partly filled.
    levels: Vec<Vec<Extent>>,
    /// Places of numbers that are not finite, with the number.
    broken: Vec<(usize, f64)>,
}

/// A stretch of points to be drawn as one column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Its first point.
    pub first: usize,
    /// Its last point.
    pub last: usize,
    /// Its numbers.
    pub extent: Extent,
}

impl Series {
    /// The series of these numbers.
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut series = Self::default();
        values.into_iter().for_each(|value| series.push(value));
        series
    }

    /// Points held.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The number at a point, as it was; none beyond the end.
    pub fn get(&self, ix: usize) -> Option<f64> {
        self.values.get(ix).map(|&value| f64::from(value))
    }

    /// Places of numbers that are not finite, with the number, in order.
    pub fn broken(&self) -> &[(usize, f64)] {
        &self.broken
    }

    /// Adds a point at the end.
    pub fn push(&mut self, value: f64) {
        let ix = self.values.len();
        self.values.push(value as f32);
        if !is_finite(value) {
            self.broken.push((ix, value));
        }
        let extent = Extent::of(value);
        let mut block_ix = ix;
        for level_ix in 0.. {
            block_ix >>= BLOCK_BITS;
            if level_ix == self.levels.len() {
                // A level is worth having once the one below has more than one block.
                let num_below = if level_ix == 0 { self.values.len() } else { self.levels[level_ix - 1].len() };
                if num_below <= BLOCK {
                    break;
                }
                self.levels.push(self.condensed(level_ix));
                break;
            }
            let level = &mut self.levels[level_ix];
            match level.get_mut(block_ix) {
                Some(block) => *block = block.with(extent),
                None => level.push(extent),
            }
        }
    }

    /// A level computed from the one below.
    fn condensed(&self, level_ix: usize) -> Vec<Extent> {
        let joined = |blocks: &[Extent]| blocks.iter().fold(Extent::EMPTY, |all, &block| all.with(block));
        match level_ix.checked_sub(1) {
            None => {
                let of_values = |values: &[f32]| values.iter().fold(Extent::EMPTY, |all, &value| all.with(Extent::of(f64::from(value))));
                self.values.chunks(BLOCK).map(of_values).collect()
            }
            Some(below) => self.levels[below].chunks(BLOCK).map(joined).collect(),
        }
    }

    /// The points of `range` in at most about `max_blocks` columns, in order.
    pub fn blocks(&self, range: Range<usize>, max_blocks: usize) -> Vec<Block> {
        let range = range.start.min(self.len())..range.end.min(self.len());
        let max_blocks = max_blocks.max(1);
        let mut level = 0;
        while range.len() >> (BLOCK_BITS * level as u32) > max_blocks && level < self.levels.len() {
            level += 1;
        }
        if level == 0 {
            return range.map(|ix| Block { first: ix, last: ix, extent: Extent::of(f64::from(self.values[ix])) }).collect();
        }
        let bits = BLOCK_BITS * level as u32;
        let blocks = &self.levels[level - 1];
        let covering = range.start >> bits..(range.end + (1 << bits) - 1) >> bits;
        covering
            .map(|ix| Block {
                first: (ix << bits).max(range.start),
                last: (((ix + 1) << bits) - 1).min(range.end - 1),
                extent: if (ix << bits) < range.start || ((ix + 1) << bits) > range.end {
                    self.extent(range.start.max(ix << bits)..range.end.min((ix + 1) << bits))
                } else {
                    blocks[ix]
                },
            })
            .collect()
    }

    /// The least and greatest finite number of `range`, in O(log).
    pub fn extent(&self, range: Range<usize>) -> Extent {
        let end = range.end.min(self.len());
        let mut ix = range.start;
        let mut all = Extent::EMPTY;
        while ix < end {
            // The widest block that begins here and ends in time.
            let fits = |level: usize| {
                let bits = BLOCK_BITS * level as u32;
                level <= self.levels.len() && ix.is_multiple_of(1 << bits) && ix + (1 << bits) <= end
            };
            let mut level = 0;
            while fits(level + 1) {
                level += 1;
            }
            all = all.with(if level == 0 {
                Extent::of(f64::from(self.values[ix]))
            } else {
                self.levels[level - 1][ix >> (BLOCK_BITS * level as u32)]
            });
            ix += 1 << (BLOCK_BITS * level as u32);
        }
        all
    }
}

/// A running mean that forgets, without the bias of its start: Σ wᵏ·x / Σ wᵏ.
///
/// Numbers that are not finite are left out, so a curve goes on after a crash.
#[derive(Clone, Copy, Debug)]
pub struct Smoother {
    weight: f64,
    sum: f64,
    norm: f64,
}

impl Smoother {
    /// With this weight of the past, 0 (none) to below 1.
    pub fn new(weight: f64) -> Self {
        Self { weight: weight.clamp(0.0, 0.9999), sum: 0.0, norm: 0.0 }
    }

    /// The mean once `value` is known; NaN as long as no finite number was seen.
    pub fn push(&mut self, value: f64) -> f64 {
        if is_finite(value) {
            self.sum = self.weight * self.sum + value;
            self.norm = self.weight * self.norm + 1.0;
        }
        if self.norm > 0.0 { self.sum / self.norm } else { f64::NAN }
    }
}

/// The running mean where there is a number to average, and a gap where there is none.
fn smoothed(smoother: &mut Smoother, value: f64) -> f64 {
    let mean = smoother.push(value);
    if is_finite(value) { mean } else { f64::NAN }
}

/// A series and its smoothed twin, which is computed once for each smoothing.
#[derive(Clone, Debug)]
pub struct Curve {
    /// The numbers.
    pub raw: Series,
    /// Their running mean.
    pub smooth: Series,
    weight: f64,
    smoother: Smoother,
}

impl Curve {
    /// An empty curve with this smoothing.
    pub fn new(weight: f64) -> Self {
        Self { raw: Series::default(), smooth: Series::default(), weight, smoother: Smoother::new(weight) }
    }

    /// Adds a point at the end.
    pub fn push(&mut self, value: f64) {
        self.raw.push(value);
        self.smooth.push(smoothed(&mut self.smoother, value));
    }

    /// Smooths anew if the weight is another one.
    pub fn set_weight(&mut self, weight: f64) {
        if weight == self.weight {
            return;
        }
        self.weight = weight;
        self.smoother = Smoother::new(weight);
        let smoother = &mut self.smoother;
        self.smooth = Series::new(self.raw.values.iter().map(|&value| smoothed(smoother, f64::from(value))));
    }
}
