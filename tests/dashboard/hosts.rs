//! What depends on the place a run comes from: commands, replays, files.

use egui_kittest::kittest::Queryable as _;
use vitrine::dashboard::host::{Export, Notice, Origin, Start};
use vitrine::dashboard::import::{self, Imported};
use vitrine::dashboard::model::Action;
use vitrine::dashboard::runs::Run;
use vitrine::dashboard::view::XAxis;
use vitrine::run::command::Command;
use vitrine::run::event::{Checkpoint, Event};
use vitrine::run::tfevents::{At, scalars, version};

use super::host::Stage;
use super::sample::{self, Sample};

/// A run under way, from there.
fn live(origin: Origin) -> Sample {
    let mut run = sample::short();
    run.events.pop();
    run.head.is_live = true;
    run.head.origin = origin;
    run
}

fn hash_of(screen: &str, run: &Sample) -> String {
    format!("{screen}?runs={}", run.key())
}

#[test]
fn only_a_training_of_these_screens_is_paused_and_stopped() {
    for (origin, takes_commands) in [(Origin::Trained, true), (Origin::Kept, false), (Origin::Served, false)] {
        let run = live(origin);
        let (mut harness, log, _) = Stage::new(vec![run.clone()], hash_of("train", &run)).open();
        for button in ["Stop", "Checkpoint"] {
            assert_eq!(harness.query_by_label(button).is_some(), takes_commands, "{origin:?} {button}");
        }
        harness.state_mut().model.ask(Action::PlayPause);
        harness.state_mut().model.ask(Action::StepOnce);
        harness.run_steps(3);
        let expected = if takes_commands { vec![(run.key(), Command::Pause), (run.key(), Command::Step)] } else { Vec::new() };
        assert_eq!(log.borrow().commands, expected, "{origin:?}");
        assert_eq!(harness.state().model.runs.get(&run.key()).expect("it is open").is_paused, takes_commands, "{origin:?}");
    }
}

/// A crashed run that recorded that it kept the state from before its crash.
fn with_snapshot(origin: Origin, has_pre_crash: bool) -> Sample {
    let mut run = sample::crashed();
    let kept = Checkpoint { step: 214, path: "checkpoints/pre-crash.safetensors".to_string(), state_step: Some(204) };
    let end = run.events.len() - 1;
    run.events.insert(end, Event::Checkpoint(kept));
    run.head.origin = origin;
    run.head.has_pre_crash = has_pre_crash;
    run
}

#[test]
fn a_replay_begins_before_the_crash_only_where_that_state_lies() {
    for (origin, has_pre_crash) in [(Origin::Kept, true), (Origin::Kept, false), (Origin::Bundled, false), (Origin::Dropped, false)] {
        let run = with_snapshot(origin, has_pre_crash);
        let (mut harness, log, _) = Stage::new(vec![run.clone()], hash_of("autopsy", &run)).open();
        let is_said = harness.query_all_by_label_contains("the state before the crash is not here").count() > 0;
        assert_eq!(is_said, !has_pre_crash, "{origin:?}");
        harness.get_by_label("Half the learning rate").click_accesskit();
        harness.run_steps(3);
        let expected = if has_pre_crash { Start::PreCrash(run.key()) } else { Start::Fresh };
        assert_eq!(log.borrow().orders[0].start, expected, "{origin:?}");
    }
}

#[test]
fn weights_are_saved_of_runs_whose_checkpoints_lie_here() {
    for (origin, is_kept) in [(Origin::Kept, true), (Origin::Trained, true), (Origin::Bundled, false), (Origin::Served, false)] {
        let mut run = sample::short();
        run.head.origin = origin;
        let (mut harness, log, _) = Stage::new(vec![run.clone()], hash_of("train", &run)).open();
        for (button, export) in [("Save with weights", Export::WithWeights), ("Save weights", Export::Weights)] {
            assert_eq!(harness.query_by_label(button).is_some(), is_kept, "{origin:?} {button}");
            if is_kept {
                harness.get_by_label(button).click_accesskit();
                harness.run_steps(2);
                assert_eq!(log.borrow().exports.last(), Some(&(run.key(), export)));
            }
        }
    }
}

#[test]
fn a_run_is_deleted_after_a_question() {
    let run = sample::short();
    let (mut harness, ..) = Stage::new(vec![run.clone(), sample::crashed()], hash_of("train", &run)).open();
    for (answer, is_left) in [("Keep it", true), ("Delete for good", false)] {
        harness.get_by_label("Delete …").click_accesskit();
        harness.run_steps(3);
        harness.get_by_label(answer).click_accesskit();
        harness.run_steps(6);
        assert!(harness.query_by_label(answer).is_none(), "the question is answered");
        let model = &harness.state().model;
        assert_eq!((model.runs.head(&run.key()).is_some(), model.view.runs.contains(&run.key())), (is_left, is_left), "{answer}");
    }
    let running = live(Origin::Trained);
    let (harness, ..) = Stage::new(vec![running.clone()], hash_of("train", &running)).open();
    assert!(harness.query_by_label("Delete …").is_none(), "a training is stopped first");
}

#[test]
fn a_run_asked_for_from_outside_is_selected_and_opened_once() {
    let run = sample::short();
    let (mut harness, log, notices) = Stage::new(vec![run.clone()], "start").open();
    notices.borrow_mut().extend([Notice::Select(run.key()), Notice::Select(run.key())]);
    harness.run_steps(4);
    let model = &harness.state().model;
    assert_eq!((model.view.screen.slug(), model.view.runs.as_slice()), ("train", [run.key()].as_slice()));
    assert_eq!(log.borrow().opened, [run.key()]);
}

#[test]
fn files_held_over_the_window_are_invited() {
    let (mut harness, ..) = Stage::new(Vec::new(), "start").open();
    let count = |harness: &egui_kittest::Harness<'static, vitrine::dashboard::app::Dashboard>| harness.output().shapes.len();
    let before = count(&harness);
    harness.input_mut().hovered_files.push(egui::HoveredFile::default());
    harness.step();
    assert!(count(&harness) > before, "a frame and a sentence over the screen");
}

/// A run of another program, of that name, with epochs or without.
fn foreign(name: &str, has_epochs: bool) -> Run {
    let mut bytes = version(1.7e9);
    for step in 1..=40i64 {
        let mut series = vec![("loss", 2.3 - 0.01 * step as f64)];
        if has_epochs {
            series.push(("epoch", step as f64 / 20.0));
        }
        bytes.extend(scalars(At { step, wall_secs: 1.7e9 + 3.0 * step as f64 }, &series));
    }
    let Ok(Imported::Run(head, events, _)) = import::read(name, &bytes) else { panic!("a run") };
    Run::new(*head, &events, 0.9)
}

#[test]
fn a_foreign_run_has_the_axes_it_recorded() {
    let (with, without) = (foreign("a.tfevents.1", true), foreign("b.tfevents.2", false));
    assert_eq!((with.has_axis(XAxis::Epoch), without.has_axis(XAxis::Epoch)), (true, false));
    assert_eq!((with.has_axis(XAxis::Images), with.has_axis(XAxis::Wall)), (false, true));
    assert!((with.x_at(XAxis::Epoch, 39) - 2.0).abs() < 1e-6 && with.x_at(XAxis::Wall, 39) == 117.0);
    let groups = vitrine::dashboard::compare::groups_by_all_but_seed(&[&with.head, &without.head]);
    assert_eq!(groups.len(), 2, "nobody knows their configs, so they are not each other's seeds");
}
