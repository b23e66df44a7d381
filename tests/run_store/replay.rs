//! State is a fold of events; a recorded run replays to the live one.

use vitrine::run::alarm::{AlarmKind, Verdict};
use vitrine::run::event::{Event, Resumed, Status};
use vitrine::run::read::read_run;
use vitrine::run::state::RunState;
use vitrine::run::store::RunStore;

use super::sample::{alarm, ended, eval, new_run, part, started, whole};

#[test]
fn replay_equals_live() {
    for status in [Status::Finished, Status::Crashed, Status::Interrupted] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut store = RunStore::create(folder.path(), new_run("demo")).expect("a new run");
        let mut live = RunState::default();
        for event in whole(status) {
            store.record(&event).expect("recorded");
            live.apply(&event);
        }
        let recorded = read_run(store.path()).expect("readable");
        let replayed = RunState::from_events(&recorded.events);
        // Debug, because NaN differs from itself; it prints every bit of the other numbers.
        assert_eq!(format!("{replayed:#?}"), format!("{live:#?}"));
        assert_eq!(replayed.standing.status, status);
    }
}

#[test]
fn state_keeps_the_best_and_the_first_crash() {
    let mut state = RunState::from_events(&whole(Status::Finished));
    assert_eq!(state.steps.len(), 8);
    assert_eq!(state.evals.len(), 2);
    assert_eq!(state.standing.best.map(|best| (best.step, best.top1)), Some((3, 0.5)));
    assert_eq!(state.standing.verdict, Verdict::Unstable);
    state.apply(&eval(9, f64::NAN));
    state.apply(&eval(9, 0.5));
    assert_eq!(state.standing.best.map(|best| best.step), Some(3), "the earlier of two equals");
    for (step, kind) in [(9, AlarmKind::Diverged), (10, AlarmKind::Collapsed)] {
        state.apply(&Event::Alarm(alarm(step, kind)));
    }
    assert_eq!(state.standing.crash.map(|crash| crash.step), Some(9));
    assert_eq!(state.standing.verdict, Verdict::Crashed);
}

#[test]
fn resuming_forgets_what_came_after() {
    let mut state = RunState::from_events(&whole(Status::Crashed));
    state.apply(&Event::Alarm(alarm(3, AlarmKind::Stuck)));
    state.apply(&Event::Resumed(Resumed { step: 3, cut_steps: 5 }));
    let mut kept = RunState::from_events(&[vec![started(0)], part(1, 3)].concat());
    assert_eq!(format!("{state:#?}"), format!("{kept:#?}"));

    for event in [part(4, 8), vec![ended(8, Status::Finished)]].concat() {
        state.apply(&event);
        kept.apply(&event);
    }
    assert_eq!(format!("{state:#?}"), format!("{kept:#?}"));
    let kinds: Vec<AlarmKind> = state.alarms.iter().map(|alarm| alarm.kind).collect();
    assert_eq!(kinds, [AlarmKind::LossSpike], "met again on the second way");
}
