//! A device that is lost in the middle of a training.

use vitrine::run::command::Command;
use vitrine::run::event::{Event, Status};
use vitrine::run::read::read_run;
use vitrine::train::session::DeviceChoice;

use super::outcomes::{request, train};
use crate::support::adapter::adapter;

/// Losses by step, in the order recorded.
fn losses(events: &[Event]) -> Vec<(u64, u64)> {
    let loss = |event: &Event| match event {
        Event::Step(stat) => Some((stat.step, stat.loss.to_bits())),
        _ => None,
    };
    events.iter().filter_map(loss).collect()
}

/// A training of 14 steps with checkpoints at 5 and 10 that loses its device after `lost_after`.
fn trained(lost_after: Option<u64>) -> (Vec<Event>, Vec<Event>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut request = request(folder.path(), &["train.checkpoint_every=5", "schedule.epochs=2"]);
    (request.device, request.max_steps) = (DeviceChoice::Gpu, Some(14));
    let mut told = Vec::new();
    let mut is_lost = false;
    let outcome = train(&request, |event, commands| {
        told.push(event.clone());
        let is_due = lost_after.is_some_and(|step| event.step() >= step) && matches!(event, Event::Step(_));
        if is_due && !std::mem::replace(&mut is_lost, true) {
            commands.send(Command::LoseDevice).expect("a session");
        }
    });
    assert_eq!(outcome.status, Status::Finished);
    (told, read_run(&outcome.run_dir).expect("the run").events)
}

#[test]
fn the_training_goes_on_from_the_last_checkpoint_with_the_same_numbers() {
    let Some(_adapter) = adapter() else { return };
    let (_, undisturbed) = trained(None);
    // Before the first checkpoint, and after it.
    for lost_after in [2, 8] {
        let (told, recorded) = trained(Some(lost_after));
        let lost = told.iter().find_map(|event| if let Event::DeviceLost(lost) = event { Some(lost) } else { None }).expect("a loss");
        assert!(lost.lost_at_step >= lost_after && [0, 5, 10].contains(&lost.step), "{lost:?}");
        assert!(recorded.contains(&Event::DeviceLost(lost.clone())));
        assert_eq!(losses(&recorded), losses(&undisturbed));
    }
}
