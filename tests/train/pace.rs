//! The pace of a training whose numbers come late and several at once.

use vitrine::train::session::pace::Pace;

#[test]
fn a_pace_is_that_of_many_steps_however_their_numbers_arrive() {
    // A step takes 0.1 s; the numbers of four arrive with the fourth, and the last three at once, a moment later.
    let mut pace = Pace::new(10.0);
    let mut step_secs = 0.0;
    for step in 1..=40 {
        pace.wait(0.025);
        if step % 4 == 0 {
            let (secs, waited) = pace.arrived(4, 10.0 + 0.1 * f64::from(step));
            assert!((secs - 0.1).abs() < 1e-9 && (waited - 0.25).abs() < 1e-9, "step {step}: {secs}, {waited}");
            step_secs = secs;
        }
    }
    let (last_secs, _) = pace.arrived(3, 14.0 + 1e-4);
    assert!(last_secs > 0.8 * step_secs, "three steps in a moment do not make a pace: {last_secs}");
}

#[test]
fn a_short_training_has_the_pace_of_all_its_steps() {
    let mut pace = Pace::new(0.0);
    pace.arrived(1, 6.0);
    let (secs, _) = pace.arrived(2, 6.001);
    assert!((secs - 2.0).abs() < 1e-2, "{secs}");
}
