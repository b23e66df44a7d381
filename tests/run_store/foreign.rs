//! Runs of other programs: what the crash detector finds in them, and what their clock says.

use vitrine::run::alarm::AlarmKind;
use vitrine::run::event::Event;
use vitrine::run::foreign::events_from_scalars;
use vitrine::run::state::RunState;
use vitrine::run::tfevents::{At, Scalar};

/// Seconds between two steps.
const STEP_SECS: f64 = 0.5;

fn scalars(tag: &str, num_steps: i64, value: impl Fn(f64) -> f64) -> Vec<Scalar> {
    let scalar =
        |step: i64| Scalar { tag: tag.to_string(), at: At { step, wall_secs: 1.7e9 + STEP_SECS * step as f64 }, value: value(step as f64) };
    (0..num_steps).map(scalar).collect()
}

/// A small wave, so that medians and deviations are not 0.
fn wave(step: f64) -> f64 {
    0.02 * (1.7 * step).sin()
}

fn found(scalars: &[Scalar]) -> RunState {
    RunState::from_events(&events_from_scalars("foreign", scalars))
}

#[test]
fn a_run_that_loses_what_it_had_learned_has_crashed() {
    let learned = |step: f64| 2.3 - 1.8 * (step / 100.0).min(1.0) + wave(step);
    let lost = |step: f64| if step < 200.0 { learned(step) } else { 2.3 + wave(step) };
    let state = found(&scalars("Loss/train", 400, lost));
    let crash = state.standing.crash.expect("it has crashed");
    assert!(matches!(crash.kind, AlarmKind::Diverged | AlarmKind::Collapsed), "{crash:?}");
    assert!((250..340).contains(&crash.step), "some 50 steps after the median has gone up: {crash:?}");
    assert_eq!(found(&scalars("Loss/train", 400, learned)).alarms, []);
}

#[test]
fn a_gradient_that_explodes_is_a_warning() {
    let mut both = scalars("loss", 200, |step| 2.0 - 0.005 * step + wave(step));
    both.extend(scalars("grad_norm", 200, |step| if step == 150.0 { 400.0 } else { 1.0 + 5.0 * wave(step) }));
    let state = found(&both);
    let kinds: Vec<(u64, AlarmKind)> = state.alarms.iter().map(|alarm| (alarm.step, alarm.kind)).collect();
    assert_eq!(kinds, [(151, AlarmKind::GradExplosion)], "steps count from 1");
    assert!(state.standing.crash.is_none());
}

#[test]
fn the_files_clock_is_the_time_of_training() {
    let events = events_from_scalars("foreign", &scalars("loss", 10, |step| 2.0 - 0.1 * step));
    let clock: Vec<Option<f64>> =
        events.iter().filter_map(|event| if let Event::Step(stat) = event { Some(stat.wall_secs) } else { None }).collect();
    assert_eq!(clock, (0..10).map(|step| Some(STEP_SECS * f64::from(step))).collect::<Vec<_>>());
}
