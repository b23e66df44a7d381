//! A small training that needs no images.

use std::collections::BTreeMap;

use vitrine::config::{Experiment, Sources, load};
use vitrine::graph::{Place, Region};
use vitrine::platform::Wait as _;
use vitrine::rng::{Draws, Stream};
use vitrine::train::checkpoint::Position;
use vitrine::train::device::Device;
use vitrine::train::step::{StepNumbers, Trainer};

/// BatchNorm in stem and feed-forward part, two micro-batches, drop-path; `sets` change it.
pub fn experiment(sets: &[&str]) -> Experiment {
    let fixed = [
        "model.image_size=16",
        "model.num_classes=5",
        "model.dim=16",
        "model.depth=1",
        "model.heads=2",
        "model.strides=[2,1,1,4]",
        "model.stem_kernels=[7,3,3,4]",
        "model.stem_width=4",
        "model.ffn=conv1d-bn-gelu",
        "model.drop_path=0.2",
        "train.batch=4",
        "train.micro_batch=2",
        "train.seed=11",
        "probe.images=2",
    ];
    let sets = fixed.iter().chain(sets).map(|set| set.to_string()).collect();
    load(&Sources { sets, ..Sources::default() }).expect("a good config").experiment
}

/// A trainer at its initial weights.
pub fn trainer(experiment: &Experiment, device: &Device) -> Trainer {
    let mut trainer = Trainer::new(experiment, device).wait().expect("a trainer");
    trainer.load_initial().wait().expect("initial weights");
    trainer
}

/// Noise as images and one-hot targets, a function of the step.
pub fn batch(experiment: &Experiment, step: u64) -> (Vec<f32>, Vec<f32>) {
    let (batch, classes) = (experiment.train.batch, experiment.model.num_classes);
    let mut draws = Draws::new(3, Stream::Synthetic, step as u32, 0);
    let images = (0..batch * experiment.model.image_size.pow(2) * 3).map(|_| draws.next_between(-2.0, 2.0)).collect();
    let mut targets = vec![0.0; batch * classes];
    targets.chunks_exact_mut(classes).for_each(|row| row[draws.next_below(classes as u32) as usize] = 1.0);
    (images, targets)
}

/// Makes the steps of a range, with a learning rate that changes; their numbers.
pub fn train(trainer: &mut Trainer, steps: std::ops::Range<u64>) -> Vec<StepNumbers> {
    let mut numbers = Vec::new();
    for step in steps {
        let (images, targets) = batch(&trainer.experiment, step);
        trainer.step(step, 1e-2 / (step + 1) as f64, &images[..], &targets).expect("a step");
        numbers.extend(trainer.collect(false).wait().expect("numbers"));
    }
    numbers.extend(trainer.collect(true).wait().expect("numbers"));
    numbers
}

/// Where a checkpoint after `step` stands.
pub fn position(step: u64) -> Position {
    Position { step, epoch: step as f64 / 100.0, num_batches: 2 * step }
}

/// Bits of everything that training carries from step to step.
pub fn state(trainer: &mut Trainer) -> BTreeMap<&'static str, Vec<u32>> {
    let regions = [
        ("params", Region::Params),
        ("stats", Region::Stats),
        ("momentum", Region::Momentum),
        ("variance", Region::Variance),
        ("ema", Region::Ema),
        ("ema stats", Region::EmaStats),
        ("loss scale", Region::LossScale),
    ];
    regions
        .into_iter()
        .map(|(name, region)| {
            let len = trainer.machine.region_len(region);
            let words = if len == 0 { Vec::new() } else { trainer.machine.download(Place::new(region, 0), len).wait().expect("a region") };
            (name, words.into_iter().map(f32::to_bits).collect())
        })
        .collect()
}
