//! Snapshots in host memory: which are kept, and that they hold everything.

use vitrine::platform::Wait as _;
use vitrine::run::store::checkpoint_path;
use vitrine::train::checkpoint::{self, PRE_CRASH, Restored};
use vitrine::train::device::Device;
use vitrine::train::ring::{Ring, Snapshot};
use vitrine::train::step::Trainer;

use crate::support::adapter::adapter;
use crate::train::toy;

fn snapshot(trainer: &mut Trainer, step: u64) -> Snapshot {
    Snapshot::take(trainer.machine.as_mut(), toy::position(step)).wait().expect("a snapshot")
}

#[test]
fn the_ring_keeps_the_last_three_or_what_memory_allows() {
    let mut trainer = toy::trainer(&toy::experiment(&[]), &Device::Cpu);
    let bytes = snapshot(&mut trainer, 0).bytes();
    let region_words = trainer.parameters.len * 3 + trainer.parameters.stats_len;
    assert_eq!(bytes, 4 * region_words, "parameters, two moments, running statistics");
    for (max_bytes, kept) in [(usize::MAX, vec![20, 30, 40]), (2 * bytes, vec![30, 40]), (bytes - 1, vec![40])] {
        let mut ring = Ring::new(10, max_bytes);
        for step in 0..=40 {
            if ring.is_due(step) {
                ring.keep(snapshot(&mut trainer, step));
                assert!(!ring.is_due(step), "one snapshot a step");
            }
        }
        assert_eq!(ring.steps(), kept);
    }
    assert!(!Ring::new(0, usize::MAX).is_due(0), "0: never");
}

#[test]
fn a_crash_takes_the_newest_that_is_early_enough() {
    let mut trainer = toy::trainer(&toy::experiment(&[]), &Device::Cpu);
    let mut ring = Ring::new(10, usize::MAX);
    assert!(ring.before(7, 0).is_none());
    for step in [10, 20, 30] {
        ring.keep(snapshot(&mut trainer, step));
    }
    let step_before = |event_step, lead_steps| ring.before(event_step, lead_steps).map(|snapshot| snapshot.position.step);
    assert_eq!(step_before(35, 5), Some(30));
    assert_eq!(step_before(35, 6), Some(20));
    assert_eq!(step_before(35, 100), Some(10), "the oldest of all");
}

/// Steps 5 to 12 from a snapshot on disk are those that came after it in memory, bit for bit.
fn is_exact(device: &Device) {
    let experiment = toy::experiment(&["optim.sam_rho=0.05", "train.ema=0.9"]);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("checkpoints")).expect("a folder");
    let mut whole = toy::trainer(&experiment, device);
    toy::train(&mut whole, 0..5);
    let kept = snapshot(&mut whole, 5);
    let numbers = toy::train(&mut whole, 5..12);
    checkpoint::save_snapshot(folder.path(), PRE_CRASH, &kept, &whole.parameters, &experiment).expect("a file");

    let mut other = toy::trainer(&experiment, device);
    let path = checkpoint_path(folder.path(), PRE_CRASH);
    let parameters = other.parameters.clone();
    let restored = checkpoint::adopt(&path, other.machine.as_mut(), &parameters).expect("the file");
    assert_eq!(restored, Restored { position: toy::position(5), notes: Vec::new() });
    assert_eq!(toy::train(&mut other, 5..12), numbers);
    assert!(toy::state(&mut whole) == toy::state(&mut other));

    // Without averaged weights there, they begin anew, and that is said.
    let mut averaged = toy::trainer(&toy::experiment(&["optim.kind=sgd"]), device);
    let parameters = averaged.parameters.clone();
    let kept = snapshot(&mut averaged, 7);
    checkpoint::save_snapshot(folder.path(), PRE_CRASH, &kept, &parameters, &averaged.experiment).expect("a file");
    let restored = checkpoint::adopt(&path, other.machine.as_mut(), &parameters).expect("the file");
    assert!(restored.notes[0].contains("variance") && restored.notes[0].contains("ema"), "{restored:?}");
}

#[test]
fn a_snapshot_on_disk_goes_on_exactly() {
    is_exact(&Device::Cpu);
    if let Some(gpu) = adapter() {
        is_exact(&Device::Gpu(gpu.clone(), None));
    }
}
