//! What the page's summary makes of notices: which runs are under way, and so keep the screen on.

use vitrine::dashboard::host::{Notice, Origin};

use crate::dashboard::sample;

#[allow(dead_code, reason = "the page uses all of it")]
#[path = "../../src/bin/dashboard/web/state.rs"]
mod page;
#[allow(dead_code, reason = "the page uses all of it")]
#[path = "../../src/bin/dashboard/web/wire.rs"]
mod wire;

fn told(notice: Notice) -> wire::Told {
    wire::Told::Notice(notice)
}

fn opened(is_live: bool) -> wire::Told {
    let mut run = sample::short();
    run.head.is_live = is_live;
    run.head.origin = if is_live { Origin::Trained } else { Origin::Bundled };
    told(Notice::Opened(Box::new(run.head), run.events))
}

#[test]
fn a_recorded_run_does_not_keep_the_screen_on() {
    let mut state = page::State::default();
    state.apply(&opened(false));
    assert!(!state.is_training());
    assert!(state.open[&sample::short().key().0].is_closed);
}

#[test]
fn a_training_keeps_the_screen_on_until_it_ends() {
    for end in [Notice::Closed(sample::short().key()), Notice::RunFailed(sample::short().key(), "the device is gone".to_string())] {
        let mut state = page::State::default();
        state.apply(&opened(true));
        assert_eq!(state.trainings(), [sample::short().key()]);
        state.apply(&told(end));
        assert!(!state.is_training());
    }
}
