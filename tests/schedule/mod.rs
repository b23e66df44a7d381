//! The learning rate against numbers worked out by hand.

use vitrine::config::{Experiment, Sources, load};
use vitrine::schedule::Schedule;

fn experiment(sets: &[&str]) -> Experiment {
    let sets = sets.iter().map(|set| set.to_string()).collect();
    load(&Sources { sets, ..Sources::default() }).expect("valid").experiment
}

fn assert_close(got: f64, wanted: f64, what: &str) {
    assert!((got - wanted).abs() <= 1e-12 * wanted.abs().max(1e-6), "{what}: {got:e} instead of {wanted:e}");
}

#[test]
fn deit_lags_one_epoch_and_spans_the_whole_cosine() {
    let deit = ["schedule.kind=deit", "schedule.epochs=300", "optim.lr=5e-4", "optim.lr_per=512", "train.batch=1024"];
    let steps_per_epoch = 1251;
    let schedule = Schedule::new(&experiment(&deit), steps_per_epoch);
    assert_eq!((schedule.total_steps(), schedule.warmup_steps()), (375_300, 6255));
    // L = 5e-4·1024/512 = 1e-3; warm-up gains (1e-3 − 1e-6)/5 = 1.998e-4 an epoch.
    for (epoch, wanted) in [
        (0, 1e-6),
        (1, 1e-6),
        (2, 2.008e-4),
        (5, 8.002e-4),
        // 1e-5 + ½·9.9e-4·(1 + cos(5π/300)), cos 3° = 0.998629534754574
        (6, 1e-5 + 4.95e-4 * 1.998_629_534_754_574),
        // cos(π/2) = 0
        (151, 5.05e-4),
        // cos(299π/300), cos 0.6° = 0.999945169...: 1 − cos 0.6° = 5.48311036e-5
        (300, 1e-5 + 4.95e-4 * (1.0 - (0.6f64).to_radians().cos())),
    ] {
        for step_in_epoch in [0, steps_per_epoch as u64 - 1] {
            let step = epoch * steps_per_epoch as u64 + step_in_epoch;
            assert_close(schedule.lr_at(step), wanted, &format!("epoch {epoch}, step {step_in_epoch}"));
        }
    }
}

#[test]
fn deit_without_warmup_starts_at_the_peak() {
    let schedule = Schedule::new(&experiment(&["schedule.warmup_epochs=0", "schedule.epochs=4", "optim.lr=1e-3"]), 10);
    assert_close(schedule.lr_at(0), 1e-3, "epoch 0");
    assert_close(schedule.lr_at(10), 1e-3, "epoch 1 is lr(0)");
    // 1e-5 + ½·9.9e-4·(1 + cos 45°)
    assert_close(schedule.lr_at(20), 1e-5 + 4.95e-4 * (1.0 + 0.5f64.sqrt()), "epoch 2 is lr(1)");
}

#[test]
fn cosine_warms_up_per_step_and_ends_at_the_minimum() {
    let sets = ["schedule.kind=cosine", "schedule.epochs=2", "schedule.warmup_epochs=0.5", "schedule.min_lr=1e-5", "optim.lr=1e-3"];
    let schedule = Schedule::new(&experiment(&sets), 20);
    assert_eq!((schedule.total_steps(), schedule.warmup_steps()), (40, 10));
    assert_close(schedule.lr_at(0), 1e-6, "first step");
    assert_close(schedule.lr_at(4), 1e-6 + 0.4 * 9.99e-4, "in warm-up");
    assert_close(schedule.lr_at(10), 1e-3, "end of warm-up");
    assert_close(schedule.lr_at(20), 1e-5 + 9.9e-4 * 0.75, "a third of the way, cos 60° = ½");
    assert_close(schedule.lr_at(25), 5.05e-4, "half-way");
    assert_close(schedule.lr_at(40), 1e-5, "the end");
    assert_close(schedule.lr_at(400), 1e-5, "beyond the end");
}

#[test]
fn constant_stays_at_the_peak() {
    let sets = ["schedule.kind=constant", "schedule.epochs=3", "schedule.warmup_epochs=1", "optim.lr=2e-3"];
    let schedule = Schedule::new(&experiment(&sets), 100);
    assert_close(schedule.lr_at(50), 1e-6 + 0.5 * 1.999e-3, "in warm-up");
    for step in [100, 101, 299] {
        assert_close(schedule.lr_at(step), 2e-3, "after warm-up");
    }
}

#[test]
fn only_the_peak_is_scaled_by_the_batch() {
    let sets = ["schedule.kind=constant", "schedule.warmup_epochs=1", "optim.lr=1e-3", "optim.lr_per=256", "train.batch=64"];
    let schedule = Schedule::new(&experiment(&sets), 10);
    assert_close(schedule.lr_at(0), 1e-6, "warm-up start");
    assert_close(schedule.lr_at(10), 2.5e-4, "peak");
}

#[test]
fn a_tiny_rate_is_not_lifted_by_warmup_or_minimum() {
    for kind in ["deit", "cosine", "constant"] {
        let kind = format!("schedule.kind={kind}");
        let schedule = Schedule::new(&experiment(&[&kind, "optim.lr=1e-9"]), 10);
        for step in 0..schedule.total_steps() {
            assert_close(schedule.lr_at(step), 1e-9, &kind);
        }
    }
}

#[test]
fn huge_rates_stay_finite() {
    let schedule = Schedule::new(&experiment(&["optim.lr=1e20", "schedule.warmup_epochs=0"]), 10);
    assert_close(schedule.lr_at(0), 1e20, "as given");
}

#[test]
fn the_demo_runs_1500_steps_with_60_of_warmup() {
    let demo = load(&Sources { preset: Some("demo"), ..Sources::default() }).expect("valid").experiment;
    let schedule = Schedule::new(&demo, 10_000 / demo.train.batch);
    assert_eq!((schedule.total_steps(), schedule.warmup_steps()), (1500, 60));
}

#[test]
fn warmup_longer_than_the_run_is_only_warmup() {
    for kind in ["deit", "cosine"] {
        let schedule = Schedule::new(&experiment(&[&format!("schedule.kind={kind}"), "schedule.epochs=2"]), 10);
        assert_eq!(schedule.total_steps(), 20);
        assert!(schedule.lr_at(19) < 5e-4, "{kind}");
    }
    let short = Schedule::new(&experiment(&["schedule.epochs=0.001"]), 10);
    assert_eq!(short.total_steps(), 1);
}
