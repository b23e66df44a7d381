//! `train --dry-run`: what a run would take, before anything is allocated.

use serde::Serialize;
use vitrine::config::Experiment;
use vitrine::data::{self, loader::Loader};
use vitrine::error::Result;
use vitrine::platform::Wait as _;
use vitrine::run::report::grouped;
use vitrine::schedule::Schedule;
use vitrine::train::device::Device;
use vitrine::train::graphs::Graphs;
use vitrine::train::session::Request;
use vitrine::train::step;

use super::output;

/// Parameters, steps, memory and arithmetic of a run.
#[derive(Debug, Serialize)]
struct Forecast {
    params: usize,
    batch: usize,
    micro_batch: usize,
    /// Temporary memory of one pass.
    arena_bytes: usize,
    /// Parameters, gradients, moments, inputs.
    region_bytes: usize,
    step_flops: f64,
    /// Multiply-adds of the forward pass of one image.
    forward_macs: f64,
    precision: String,
    device: String,
    /// Missing while `data.path` is empty.
    #[serde(flatten)]
    extent: Option<Extent>,
}

/// What is known once there are images.
#[derive(Debug, Serialize)]
struct Extent {
    train_images: usize,
    test_images: usize,
    total_steps: u64,
    steps_per_epoch: usize,
}

/// Prints the forecast of `request`.
pub fn print(request: &Request, json: bool) -> Result<()> {
    let forecast = forecast(request)?;
    if json { output::print_json(&forecast) } else { output::print(&forecast.text()) }
}

fn forecast(request: &Request) -> Result<Forecast> {
    let experiment = &request.resolved.experiment;
    let extent = if experiment.lacks_images() { None } else { Some(extent(experiment)?) };
    let (device, device_text) = Device::open(request.device, request.adapter.as_deref()).wait()?;
    let (estimate, parameters) = step::estimate(experiment, &device)?;
    let graphs = Graphs { experiment, parameters: &parameters, micro_batch: estimate.micro_batch };
    Ok(Forecast {
        params: estimate.params,
        batch: experiment.train.batch,
        micro_batch: estimate.micro_batch,
        arena_bytes: estimate.arena_bytes,
        region_bytes: estimate.region_bytes,
        step_flops: estimate.step_flops,
        forward_macs: graphs.forward_macs()?,
        precision: match (experiment.train.precision.as_str(), &device) {
            ("f16", Device::Cpu) => "f16, which the processor keeps in the memory of f32".to_string(),
            (precision, _) => precision.to_string(),
        },
        device: device_text,
        extent,
    })
}

fn extent(experiment: &Experiment) -> Result<Extent> {
    let split = data::open(&experiment.data, &experiment.model)?;
    let (train_images, test_images) = (split.train.len(), split.test.len());
    let steps_per_epoch = Loader::new(split.train, experiment)?.steps_per_epoch();
    Ok(Extent { train_images, test_images, total_steps: Schedule::new(experiment, steps_per_epoch).total_steps(), steps_per_epoch })
}

impl Forecast {
    fn text(&self) -> String {
        let mb = |bytes: usize| bytes as f64 / 1e6;
        let extent = self.extent.as_ref();
        let rows = [
            ("parameters", grouped(self.params as u64)),
            ("images", extent.map_or_else(|| "unknown: data.path is empty".to_string(), Extent::images)),
            ("steps", extent.map_or_else(|| format!("unknown; {} images each", self.batch), |extent| extent.steps(self.batch))),
            ("micro-batch", format!("{} images a pass, {} a step", self.micro_batch, self.batch / self.micro_batch)),
            ("activations", format!("{:.1} MB, {:.2} MB an image", mb(self.arena_bytes), mb(self.arena_bytes) / self.micro_batch as f64)),
            ("state", format!("{:.1} MB of parameters, gradients, moments and inputs", mb(self.region_bytes))),
            ("arithmetic", format!("{:.2} GFLOP a step; forward {:.3} GMAC an image", self.step_flops / 1e9, self.forward_macs / 1e9)),
            ("precision", self.precision.clone()),
            ("device", self.device.clone()),
        ];
        rows.iter().map(|(title, row)| format!("{title:<11}  {row}\n")).collect()
    }
}

impl Extent {
    fn images(&self) -> String {
        format!("{} to train, {} to test", grouped(self.train_images as u64), grouped(self.test_images as u64))
    }

    fn steps(&self, batch: usize) -> String {
        format!("{} of {batch} images, {} an epoch", grouped(self.total_steps), self.steps_per_epoch)
    }
}
