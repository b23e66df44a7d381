//! Probes: a model looked into at one step, on a fixed batch of test images.
//!
//! The light probe (mean token similarity per layer) is a plan of the trainer. The full one is made
//! seldom, by a machine of its own: its plan takes one image after the other and keeps the stem's
//! stages, the tokens of every layer and the queries and keys of every block; the rest is computed
//! from these on the host. So a training pays for it in neither memory nor time while it is not used.

/// The fixed batch of a session.
pub mod fixed;
/// The forward pass that keeps what is looked at.
pub mod graph;
/// Weights and gradients by group of parameters.
pub mod groups;
mod held;
mod host;

use self::graph::{Keeps, Kept};
use self::held::Held;
use self::host::Observation;
use super::device::Device;
use super::weights::Values;
use crate::augment::normalise::ChannelStats;
use crate::augment::pictures::Pictures;
use crate::augment::prepare::{Prepare, upload_values};
use crate::config::Experiment;
use crate::data::loader::Loader;
use crate::error::Result;
use crate::graph::machine::{Machine, PlanId};
use crate::graph::plan::Plan;
use crate::graph::{Place, Region, Scalars};
use crate::model::parameters::Parameters;
use crate::model::vit;
use crate::run::probe::Maps;

/// Images to look at.
#[derive(Clone, Debug)]
pub struct ProbeImages {
    /// [B, S, S, 3].
    pub bytes: Vec<u8>,
    /// [B].
    pub labels: Vec<i64>,
    /// What they are normalised with.
    pub stats: ChannelStats,
}

/// Looks into a model.
pub struct Prober {
    machine: Box<dyn Machine>,
    prepare: (Prepare, PlanId),
    plan: PlanId,
    keeps: Keeps,
    held: Held,
    experiment: Experiment,
}

impl Prober {
    /// Plans the look on `device`; weights are still zero.
    pub fn new(experiment: &Experiment, device: &Device) -> Result<Self> {
        let parameters = vit::parameters(&experiment.model)?;
        let (graph, keeps) = graph::look(experiment, &parameters)?;
        let side = experiment.model.image_size;
        let prepare = Prepare::plain(1, side);
        let own = [
            (Region::Params, parameters.len),
            (Region::Stats, parameters.stats_len),
            (Region::Images, side * side * 3),
            (Region::MapsEven, keeps.lens[0]),
            (Region::MapsOdd, keeps.lens[1]),
        ];
        let mut machine = device.machine(&[&own[..], &prepare.regions()].concat())?;
        let layout = machine.layout();
        let prepare = (prepare, machine.load(Plan::new("prepare", &prepare.graph()?, &layout)?)?);
        let plan = machine.load(Plan::new("look", &graph, &layout)?)?;
        Ok(Self { machine, prepare, plan, keeps, held: Held::new(parameters), experiment: experiment.clone() })
    }

    /// The model's parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.held.parameters
    }

    /// Name of the device.
    pub fn describe(&self) -> String {
        self.machine.describe()
    }

    /// Takes the weights of a training.
    pub async fn take_from(&mut self, trained: &mut dyn Machine) -> Result<()> {
        let Held { params, stats, .. } = &mut self.held;
        for (words, region) in [(params, Region::Params), (stats, Region::Stats)] {
            if !words.is_empty() {
                *words = trained.download(Place::new(region, 0), words.len()).await?;
            }
        }
        self.upload()
    }

    /// Takes the weights of a state dict.
    pub fn take(&mut self, values: &Values) -> Result<()> {
        let Held { params, stats, .. } = &mut self.held;
        for (parameter, words) in values {
            let own = if parameter.trained { &mut *params } else { &mut *stats };
            own[parameter.offset..parameter.offset + words.len()].copy_from_slice(words);
        }
        self.upload()
    }

    fn upload(&mut self) -> Result<()> {
        for (words, region) in [(&self.held.params, Region::Params), (&self.held.stats, Region::Stats)] {
            if !words.is_empty() {
                self.machine.upload(Place::new(region, 0), words)?;
            }
        }
        Ok(())
    }

    /// Everything there is to see on these images after `step` steps: the mean similarity per layer,
    /// and the rest. Maps are those of the first `num_shown` images, numbers those of all.
    pub async fn look(&mut self, step: u64, probed: &ProbeImages, num_shown: usize) -> Result<(Vec<f32>, Maps)> {
        let num_shown = num_shown.min(probed.labels.len());
        let mut observation = Observation::new(&self.experiment.model, &self.keeps, num_shown);
        let pictures = Pictures { bytes: probed.bytes.clone(), stats: probed.stats, ..Pictures::default() };
        let (prepare, preparation) = self.prepare;
        let scalars = Scalars { valid: 1.0, ..Scalars::default() };
        upload_values(self.machine.as_mut(), &probed.stats)?;
        for image in 0..probed.labels.len() {
            prepare.upload(self.machine.as_mut(), &pictures, image, probed.labels.len())?;
            self.machine.run(preparation, &scalars)?;
            self.machine.run(self.plan, &scalars)?;
            let even = self.machine.download(Place::new(Region::MapsEven, 0), self.keeps.lens[0]).await?;
            let odd = self.machine.download(Place::new(Region::MapsOdd, 0), self.keeps.lens[1]).await?;
            observation.add(&|kept: &Kept| {
                let words = if kept.place.region == Region::MapsEven { &even } else { &odd };
                &words[kept.place.offset..][..kept.rows * kept.width]
            });
        }
        Ok(observation.finish(step, probed, &self.held))
    }
}

impl ProbeImages {
    /// The first batch of the test images that `test` gives.
    pub fn of_test(test: &Loader, experiment: &Experiment) -> Result<Self> {
        let batch = test.batch(0)?;
        let image_len = experiment.model.image_size.pow(2) * 3;
        let Pictures { mut bytes, stats, .. } = batch.pictures;
        bytes.truncate(batch.valid * image_len);
        let labels = batch.labels[..batch.valid].iter().map(|label| i64::from(*label)).collect();
        Ok(Self { bytes, labels, stats })
    }

    /// The first `count` images.
    fn pixels(&self, count: usize) -> Vec<u8> {
        self.bytes[..self.bytes.len() / self.labels.len().max(1) * count].to_vec()
    }
}
