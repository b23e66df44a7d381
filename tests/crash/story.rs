//! The story of a crash from runs whose story is known.

use vitrine::rng::{Draws, Stream};
use vitrine::run::alarm::{Alarm, AlarmKind};
use vitrine::run::event::{Checkpoint, Event, Started, StepStat};
use vitrine::run::state::RunState;
use vitrine::run::story::Story;

const GROUPS: [&str; 4] = ["patch_embed", "blocks.0.attn", "blocks.0.mlp", "head"];

/// A run of noisy norms that crashes at `event_step`; `factor(group, steps before)` lifts them.
fn state(event_step: u64, kind: AlarmKind, factor: impl Fn(usize, u64) -> f64) -> RunState {
    let mut noise = Draws::new(5, Stream::Synthetic, 0, 0);
    let groups = GROUPS.map(str::to_string).to_vec();
    let mut events = vec![Event::Started(Started { num_classes: 10, groups, ..Started::default() })];
    for step in 1..=event_step {
        let norm = |group: usize, noise: f32| 0.1 * (group + 1) as f64 * (0.2 * f64::from(noise)).exp() * factor(group, event_step - step);
        let groups = (0..4).map(|group| norm(group, noise.next_normal())).collect();
        events.push(Event::Step(StepStat { step, groups, ..StepStat::default() }));
    }
    let first = Some("blocks.3.attn attention.forward, output 0".to_string());
    let alarm = Alarm {
        step: event_step,
        kind,
        level: kind.level(),
        why: String::new(),
        hint: String::new(),
        loss: f64::NAN,
        grad_norm: f64::NAN,
        first,
    };
    let path = "checkpoints/pre-crash.safetensors".to_string();
    events.push(Event::Checkpoint(Checkpoint { step: event_step, path, state_step: Some(event_step.saturating_sub(60)) }));
    events.push(Event::Alarm(alarm));
    RunState::from_events(&events)
}

#[test]
fn the_cascade_starts_where_the_gradients_left_first() {
    let factor = |group: usize, before: u64| match (group, before) {
        (_, 0) => f64::NAN,
        (0, ..=14) => 10.0 + 3.0 * (14 - before) as f64,
        (1, ..=3) => 20.0,
        _ => 1.0,
    };
    let story = Story::of(&state(400, AlarmKind::NonFinite, factor)).expect("a crash");
    let onsets: Vec<(&str, u64)> = story.cascade.iter().map(|onset| (onset.group.as_str(), onset.steps_before)).collect();
    assert_eq!(onsets, [("patch_embed", 14), ("blocks.0.attn", 3), ("blocks.0.mlp", 0), ("head", 0)]);
    assert!((story.cascade[0].usual / 0.1).ln().abs() < 0.1 && story.cascade[0].worst.is_nan(), "{story:?}");
    assert_eq!(story.snapshot_steps_before, Some(60));
    let lines = story.lines();
    assert!(
        lines[0].starts_with("t−14   patch_embed    gradient norm ") && lines[0].ends_with("then NaN its usual 0.1")
            || lines[0].contains("t−14") && lines[0].contains("patch_embed") && lines[0].contains("then NaN"),
        "{lines:#?}"
    );
    assert_eq!(lines[4], "t0     non_finite at step 400, first in blocks.3.attn attention.forward, output 0");
    assert_eq!(lines[5], "checkpoints/pre-crash.safetensors holds the state 60 steps before the event");
}

#[test]
fn a_single_outlier_is_no_onset_and_vanishing_gradients_are() {
    let factor = |group: usize, before: u64| match (group, before) {
        (0, 50) => 100.0,
        (3, ..=30) => 1e-3,
        _ => 1.0,
    };
    let story = Story::of(&state(400, AlarmKind::Collapsed, factor)).expect("a crash");
    let onsets: Vec<(&str, u64)> = story.cascade.iter().map(|onset| (onset.group.as_str(), onset.steps_before)).collect();
    assert_eq!(onsets, [("head", 30)]);
    assert_eq!(story.calm, ["patch_embed", "blocks.0.attn", "blocks.0.mlp"]);
    let lines = story.lines();
    assert!(lines[0].contains("1/") && lines[0].contains("t−30"), "{lines:#?}");
    assert!(lines[1].starts_with("t0     collapsed at step 400") && !lines[1].contains("first in"), "{lines:#?}");
    assert_eq!(lines[2], "usual to the end: patch_embed, blocks.0.attn, blocks.0.mlp");
}

#[test]
fn what_cannot_be_told_is_said() {
    assert_eq!(Story::of(&RunState::default()), None, "a run without a crash has no story");
    let early = Story::of(&state(4, AlarmKind::NonFinite, |_, _| 1.0)).expect("a crash");
    assert!(early.cascade.is_empty() && early.lines()[1].contains("too few steps"), "{early:?}");
    let calm = Story::of(&state(400, AlarmKind::Diverged, |_, _| 1.0)).expect("a crash");
    assert!(calm.cascade.is_empty() && calm.calm.len() == 4, "{calm:?}");
    assert!(calm.lines()[1].contains("near their usual size"), "{:?}", calm.lines());

    let mut old = state(400, AlarmKind::NonFinite, |_, _| 1.0);
    old.standing.started.groups.clear();
    assert!(Story::of(&old).expect("a crash").lines()[1].contains("no gradient norms per group"));
}
