//! The images of a pass on their way to where the model reads them: bytes are uploaded and prepared on the
//! device, what is normalised already is uploaded as it is.

use super::graphs::Graphs;
use crate::augment::normalise::ChannelStats;
use crate::augment::pictures::Pictures;
use crate::augment::prepare::{Prepare, upload_values};
use crate::error::Result;
use crate::graph::machine::{Machine, PlanId};
use crate::graph::plan::Plan;
use crate::graph::{Place, Region, Scalars};

/// Images of a batch, as a caller has them.
#[derive(Clone, Copy, Debug)]
pub enum Images<'a> {
    /// Bytes of a loader.
    Pictures(&'a Pictures),
    /// [B, S, S, 3], normalised: of a trace.
    Normalised(&'a [f32]),
}

impl<'a> From<&'a Pictures> for Images<'a> {
    fn from(pictures: &'a Pictures) -> Self {
        Self::Pictures(pictures)
    }
}

impl<'a> From<&'a [f32]> for Images<'a> {
    fn from(images: &'a [f32]) -> Self {
        Self::Normalised(images)
    }
}

/// What images are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A training pass: erased and mixed.
    Training,
    /// An evaluation batch.
    Evaluation,
    /// The probe batch.
    Probe,
}

/// The plans that prepare images.
#[derive(Debug)]
pub struct Intake {
    plans: [(Prepare, PlanId); 3],
    /// Whose values the device has.
    stats: Option<ChannelStats>,
}

impl Intake {
    /// Loads the plans and what the noise is made of.
    pub fn new(graphs: &Graphs<'_>, machine: &mut dyn Machine) -> Result<Self> {
        let layout = machine.layout();
        let mut load = |prepare: Prepare| Ok((prepare, machine.load(Plan::new("prepare", &prepare.graph()?, &layout)?)?));
        let [training, evaluation, probe] = graphs.prepares();
        let plans = [load(training)?, load(evaluation)?, load(probe)?];
        training.upload_quantiles(machine)?;
        Ok(Self { plans, stats: None })
    }

    /// The plan that prepares images of bytes.
    pub fn plan(&self, purpose: Purpose) -> PlanId {
        self.plans[purpose as usize].1
    }

    /// Brings the images from place `first` of a batch of `batch` to the device; `scalars` are those of the pass.
    pub fn put(
        &mut self,
        machine: &mut dyn Machine,
        purpose: Purpose,
        images: Images<'_>,
        (first, batch): (usize, usize),
        scalars: &Scalars,
    ) -> Result<()> {
        let (prepare, plan) = self.plans[purpose as usize];
        let pictures = match images {
            Images::Normalised(images) => {
                let image_len = images.len() / batch;
                return machine.upload(Place::new(Region::Images, 0), &images[first * image_len..][..prepare.rows * image_len]);
            }
            Images::Pictures(pictures) => pictures,
        };
        if self.stats != Some(pictures.stats) {
            upload_values(machine, &pictures.stats)?;
            self.stats = Some(pictures.stats);
        }
        prepare.upload(machine, pictures, first, batch)?;
        machine.run(plan, scalars)
    }
}
