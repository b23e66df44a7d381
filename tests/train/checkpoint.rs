//! Checkpoints: what is left behind at every moment of writing, and what is refused.

use std::fs;
use std::path::Path;

use vitrine::config::Experiment;
use vitrine::error::Result;
use vitrine::model::parameters::Source;
use vitrine::platform::Wait as _;
use vitrine::train::checkpoint::{self, About, Position};
use vitrine::train::device::Device;
use vitrine::train::step::Trainer;
use vitrine::train::weights;

use super::toy;

struct Run {
    folder: tempfile::TempDir,
    experiment: Experiment,
    trainer: Trainer,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("checkpoints")).expect("a folder");
        let experiment = toy::experiment(&["train.ema=0.9"]);
        let trainer = toy::trainer(&experiment, &Device::Cpu);
        Self { folder, experiment, trainer }
    }

    fn save(&mut self, step: u64) {
        let parameters = &self.trainer.parameters;
        let position = toy::position(step);
        checkpoint::save(self.folder.path(), self.trainer.machine.as_mut(), parameters, &self.experiment, &position)
            .wait()
            .expect("a checkpoint");
    }

    fn restore(&mut self) -> Result<Position> {
        let parameters = &self.trainer.parameters;
        checkpoint::restore(self.folder.path(), self.trainer.machine.as_mut(), parameters, &self.experiment)
            .map(|restored| restored.position)
    }

    fn refusal(&mut self) -> String {
        self.restore().expect_err("a refusal").to_string()
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("checkpoints").join(name)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path().join("checkpoints")).expect("the folder");
        let mut names: Vec<String> = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).expect("the file");
    fs::write(path, &bytes[..bytes.len() / 2]).expect("half a file");
}

#[test]
fn a_write_cut_off_leaves_the_checkpoint_before() {
    let mut run = Run::new();
    toy::train(&mut run.trainer, 0..1);
    run.save(1);
    let state = toy::state(&mut run.trainer);
    toy::train(&mut run.trainer, 1..2);
    run.save(2);
    // As if killed between the two renames, when `last` has become `previous`.
    fs::remove_file(run.file("last.safetensors")).expect("the file");
    assert_eq!(run.restore().expect("the previous one"), toy::position(1));
    assert!(toy::state(&mut run.trainer) == state);
    assert_eq!(run.files(), ["last.safetensors", "optimizer-000001.safetensors", "optimizer-000002.safetensors"]);

    let mut run = Run::new();
    toy::train(&mut run.trainer, 0..1);
    run.save(1);
    fs::write(run.file("optimizer-000002.safetensors"), b"half").expect("a file");
    fs::write(run.file(".last.safetensors.77-0.tmp"), b"half").expect("a file");
    toy::train(&mut run.trainer, 1..3);
    assert_eq!(run.restore().expect("the checkpoint before"), toy::position(1));
    assert!(toy::state(&mut run.trainer) == state);

    run.save(3);
    let files = ["last.safetensors", "optimizer-000001.safetensors", "optimizer-000003.safetensors", "previous.safetensors"];
    assert_eq!(run.files(), files);
    assert_eq!(run.restore().expect("the new checkpoint"), toy::position(3));
}

#[test]
fn damaged_and_foreign_files_are_refused_by_name() {
    let mut run = Run::new();
    assert!(run.refusal().contains("no checkpoint"), "{}", run.refusal());

    run.save(1);
    let optimizer = fs::read(run.file("optimizer-000001.safetensors")).expect("the file");
    truncate(&run.file("optimizer-000001.safetensors"));
    let refusal = run.refusal();
    assert!(refusal.contains("optimizer-000001.safetensors") && refusal.contains("truncated"), "{refusal}");

    run.save(2);
    fs::write(run.file("optimizer-000002.safetensors"), optimizer).expect("the file");
    assert!(run.refusal().contains("another run or step"), "{}", run.refusal());

    run.save(3);
    truncate(&run.file("last.safetensors"));
    let refusal = run.refusal();
    assert!(refusal.contains("last.safetensors") && refusal.contains("truncated"), "{refusal}");
}

#[test]
fn weights_alone_and_another_config_are_refused() {
    let mut run = Run::new();
    run.save(1);
    // Images may have moved since; what is done with them may not have changed.
    run.experiment.data.path = "elsewhere".to_string();
    assert_eq!(run.restore().expect("the checkpoint"), toy::position(1));
    run.experiment.optim.lr *= 2.0;
    assert!(run.refusal().contains("another config"), "{}", run.refusal());

    let mut run = Run::new();
    let position = toy::position(1);
    let about = (&run.experiment, &position);
    let Trainer { machine, parameters, .. } = &mut run.trainer;
    checkpoint::save_weights(run.folder.path(), "last", machine.as_mut(), parameters, Source::Averaged, about).wait().expect("weights");
    assert!(run.refusal().contains("weights alone"), "{}", run.refusal());
}

#[test]
fn a_refused_checkpoint_changes_nothing() {
    let mut run = Run::new();
    run.save(1);
    truncate(&run.file("optimizer-000001.safetensors"));
    toy::train(&mut run.trainer, 0..1);
    let state = toy::state(&mut run.trainer);
    run.refusal();
    assert!(toy::state(&mut run.trainer) == state);
}

#[test]
fn a_checkpoint_is_a_plain_state_dict_that_knows_its_place() {
    let mut run = Run::new();
    run.save(7);
    let path = run.file("last.safetensors");
    let tensors = vitrine::run::tensors::Tensors::read(&path).expect("a file");
    let about: About = serde_json::from_str(&tensors.about).expect("metadata");
    assert_eq!(about.position, toy::position(7));
    assert_eq!(about.seed, 11);
    assert_eq!(about.optimizer.as_deref(), Some("optimizer-000007.safetensors"));
    assert_eq!(tensors.by_name["patch_embed.conv.1.num_batches_tracked"].shape, [0; 0]);
    weights::load(&path, &run.trainer.parameters).expect("weights");
    let first = fs::read(&path).expect("the file");
    run.save(7);
    assert!(first == fs::read(&path).expect("the file"), "the same state gives other bytes");
}
