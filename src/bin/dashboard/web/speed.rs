//! How fast this browser trains: steps of a preset against the clock.

use vitrine::data;
use vitrine::data::loader::{Batch, Loader};
use vitrine::error::Result;
use vitrine::platform::now_secs;
use vitrine::train::device::Device;
use vitrine::train::step::Trainer;

use super::wire::Told;
use super::worker::{Worker, resolved};

/// Steps before the clock starts: kernels are compiled and memory is touched in them.
const WARMUP_STEPS: u64 = 3;
/// Batches used in turn.
const NUM_BATCHES: usize = 4;
/// Learning rate of the timed steps.
const LR: f64 = 1e-3;

/// Times training steps of `batch` images for about `secs`.
pub async fn measure(worker: &Worker, preset: &str, batch: usize, secs: f64) -> Result<Told> {
    let experiment = resolved(preset, vec![format!("train.batch={batch}"), format!("train.micro_batch={batch}")])?.experiment;
    worker.ensure_data(&experiment).await?;
    let split = data::open(&experiment.data, &experiment.model)?;
    let loader = Loader::new(split.train, &experiment)?;
    let batches = (0..NUM_BATCHES).map(|step| loader.batch(step)).collect::<Result<Vec<Batch>>>()?;
    let opened_secs = now_secs();
    let (device, _) = Device::open(worker.choice(), None).await?;
    let mut trainer = Trainer::new(&experiment, &device).await?;
    trainer.load_initial().await?;
    let mut first_step_secs = 0.0;
    let mut steps = 0;
    let mut began_secs = now_secs();
    while steps < WARMUP_STEPS + 1 || now_secs() - began_secs < secs {
        let batch = &batches[steps as usize % NUM_BATCHES];
        trainer.step(steps, LR, &batch.pictures, &batch.targets)?;
        trainer.breathe().await?;
        trainer.collect(false).await?;
        steps += 1;
        if steps == 1 {
            trainer.collect(true).await?;
            first_step_secs = now_secs() - opened_secs;
        }
        if steps == WARMUP_STEPS {
            trainer.collect(true).await?;
            began_secs = now_secs();
        }
    }
    trainer.collect(true).await?;
    let images = (steps - WARMUP_STEPS) as usize * batch;
    let images_per_sec = images as f64 / (now_secs() - began_secs);
    Ok(Told::Speed { device: trainer.machine.describe(), batch, first_step_secs, images_per_sec })
}
