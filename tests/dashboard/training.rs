//! Trainings under way: what they are asked, and how they fail.

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use vitrine::dashboard::host::{Notice, Origin, Start};
use vitrine::run::command::Command;
use vitrine::run::event::{Event as RunEvent, Status};

use super::host::Stage;
use super::sample::{self, Sample};

/// A run that is being trained.
fn live() -> Sample {
    let mut live = sample::short();
    live.head.is_live = true;
    live.head.origin = vitrine::dashboard::host::Origin::Trained;
    live.events.pop();
    live
}

#[test]
fn a_learning_rate_is_typed_whole_while_the_schedule_goes_on() {
    let live = live();
    let (mut harness, log, notices) = Stage::new(vec![live.clone()], format!("train?runs={}", live.key())).open();
    let rate_of = |events: &[RunEvent]| {
        events.iter().rev().find_map(|event| if let RunEvent::Step(stat) = event { Some(stat.clone()) } else { None })
    };
    let last = rate_of(&live.events).expect("it has steps");
    harness
        .get_all_by_label("Learning rate")
        .find(|node| node.accesskit_node().role() == egui::accesskit::Role::SpinButton)
        .expect("a number")
        .focus();
    harness.run_steps(2);
    for (ix, letter) in "3e-4".chars().enumerate() {
        harness.input_mut().events.push(Event::Text(letter.to_string()));
        let stat = vitrine::run::event::StepStat { step: last.step + 1 + ix as u64, lr: last.lr * 0.9, ..last.clone() };
        notices.borrow_mut().push(Notice::Events(live.key(), vec![RunEvent::Step(stat)]));
        harness.run_steps(2);
        assert!(log.borrow().commands.is_empty(), "nothing is sent while it is typed: {:?}", log.borrow().commands);
    }
    let enter = Event::Key { key: Key::Enter, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE };
    harness.input_mut().events.push(enter);
    harness.run_steps(4);
    assert_eq!(log.borrow().commands, [(live.key(), Command::SetLr(3e-4))]);
}

#[test]
fn a_training_that_fails_is_not_live_and_keeps_its_reason() {
    let live = live();
    let (mut harness, _, notices) = Stage::new(vec![live.clone()], format!("train?runs={}", live.key())).open();
    harness.get_by_label("Stop");
    notices.borrow_mut().push(Notice::RunFailed(live.key(), "the disk is full".to_string()));
    harness.run_steps(3);
    assert!(harness.query_by_label("Stop").is_none(), "there is nothing to stop");
    harness.get_by_label("The disk is full");
    harness.get_by_label("failed");
    assert!(!harness.state().model.runs.get(&live.key()).expect("it stays open").is_running());
}

#[test]
fn a_training_that_never_began_is_tried_again() {
    let (mut harness, log, notices) = Stage::new(Vec::new(), "train").open();
    harness.get_by_label("Start training").click();
    harness.run_steps(3);
    let first = harness.state().model.view.runs[0].clone();
    notices.borrow_mut().push(Notice::RunFailed(first.clone(), "no device".to_string()));
    harness.run_steps(3);
    harness.get_by_label("Try again").click();
    harness.run_steps(3);
    let log = log.borrow();
    assert_eq!(log.orders.len(), 2);
    assert_eq!(log.orders[0], log.orders[1]);
    let selected = &harness.state().model.view.runs;
    assert!(selected.len() == 1 && selected[0] != first, "the new training is in the place of the first: {selected:?}");
    assert!(log.opened.is_empty(), "a training is no recorded run: {:?}", log.opened);
}

#[test]
fn a_pair_is_stopped_in_one() {
    let (a, mut b) = (live(), live());
    b.head.key.0 += "-b";
    let (mut harness, log, _) = Stage::new(vec![a.clone(), b.clone()], format!("twin?runs={},{}", a.key(), b.key())).open();
    harness.get_by_label("Stop both").click();
    harness.run_steps(3);
    assert_eq!(log.borrow().commands, [(a.key(), Command::Stop), (b.key(), Command::Stop)]);
}

#[test]
fn a_run_that_was_cut_off_goes_on() {
    let mut cut = live();
    cut.head.is_live = false;
    cut.head.origin = Origin::Kept;
    cut.head.meta.status = Status::Running;
    let (mut harness, log, _) = Stage::new(vec![cut.clone()], format!("train?runs={}", cut.key())).open();
    harness.get_by_label("killed, healthy");
    harness.get_by_label("Go on").click();
    harness.run_steps(3);
    assert_eq!(log.borrow().orders.iter().map(|order| &order.start).collect::<Vec<_>>(), [&Start::Resume(cut.key())]);
    let (harness, ..) = Stage::new(vec![sample::short()], format!("train?runs={}", sample::short().key())).open();
    assert!(harness.query_by_label("Go on").is_none(), "a finished run has nowhere to go");
}

#[test]
fn tables_are_saved_as_they_are_shown() {
    let long = sample::long();
    let cases = [
        ("tokens", "Save similarity.csv", "run,step,layer,similarity\n", 1 + 12 * 6),
        ("crash-map", "Table as CSV", "stem,setting,lr,", 2),
    ];
    for (screen, button, head, num_lines) in cases {
        let (mut harness, log, _) = Stage::new(vec![long.clone()], format!("{screen}?runs={}", long.key())).open();
        harness.get_by_label(button).click_accesskit();
        harness.run_steps(3);
        let log = log.borrow();
        let text = String::from_utf8(log.saved[0].bytes.clone()).expect("text");
        assert!(text.starts_with(head), "{text}");
        assert_eq!(text.lines().count(), num_lines, "{text}");
    }
}

#[test]
fn no_learning_rate_is_sent_that_nobody_asked_for() {
    let mut unbegun = live();
    unbegun.events.retain(|event| !matches!(event, RunEvent::Step(_)));
    let with_lr = |lr: f64| {
        let mut live = live();
        live.events.iter_mut().for_each(|event| {
            if let RunEvent::Step(stat) = event {
                stat.lr = lr;
            }
        });
        live
    };
    for run in [unbegun, with_lr(0.0), with_lr(1e-12), with_lr(1e20), with_lr(f64::NAN)] {
        let (mut harness, log, _) = Stage::new(vec![run.clone()], format!("train?runs={}", run.key())).open();
        harness.run_steps(6);
        assert!(log.borrow().commands.is_empty(), "{:?}", log.borrow().commands);
    }
}
