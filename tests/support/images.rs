//! Images as a device prepares them for the model.

use vitrine::augment::prepare::{Prepare, upload_values};
use vitrine::data::loader::Batch;
use vitrine::graph::plan::Plan;
use vitrine::graph::{Place, Region, Scalars};
use vitrine::platform::Wait as _;
use vitrine::rng;
use vitrine::train::device::Device;

/// [B, S, S, 3] of a batch that a run of `seed` draws, pass by pass.
pub fn prepared(device: &Device, prepare: &Prepare, seed: u64, batch: &Batch) -> Vec<f32> {
    let image_len = prepare.side * prepare.side * 3;
    let count = batch.pictures.bytes.len() / image_len;
    let images = [(Region::Images, prepare.rows * image_len)];
    let mut machine = device.machine(&[&prepare.regions()[..], &images].concat()).expect("a machine");
    let graph = prepare.graph().expect("a graph");
    let plan = machine.load(Plan::new("prepare", &graph, &machine.layout()).expect("a plan")).expect("it loads");
    prepare.upload_quantiles(machine.as_mut()).expect("quantiles");
    upload_values(machine.as_mut(), &batch.pictures.stats).expect("values");
    let mut all = Vec::new();
    for first in (0..count).step_by(prepare.rows) {
        prepare.upload(machine.as_mut(), &batch.pictures, first, count).expect("pictures");
        let valid = batch.valid.saturating_sub(first).min(prepare.rows) as f32;
        let scalars = Scalars { seed: rng::folded(seed), step: batch.step as u32, valid, ..Scalars::default() };
        machine.run(plan, &scalars).expect("a run");
        all.extend(machine.download(Place::new(Region::Images, 0), prepare.rows * image_len).wait().expect("images"));
    }
    all
}

/// The same of a loader that neither erases nor mixes, on the processor.
pub fn plain(side: usize, batch: &Batch) -> Vec<f32> {
    prepared(&Device::Cpu, &Prepare::plain(batch.labels.len(), side), 0, batch)
}
