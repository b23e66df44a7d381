//! The crash detector on synthetic curves shaped like the pilots of the paper notes, section 15.

use vitrine::config::experiment::CrashConfig;
use vitrine::rng::{Draws, Stream};
use vitrine::run::alarm::{Alarm, AlarmKind, Verdict};
use vitrine::run::crash::{Detector, Outcome};
use vitrine::run::event::StepStat;

/// A run of 10 classes with batch noise: `loss` and `grad_norm` are functions of the step.
struct Curve<'a> {
    num_steps: u64,
    lr: f64,
    loss: &'a dyn Fn(f64) -> f64,
    grad_norm: &'a dyn Fn(u64) -> f64,
    modal_frac: f64,
    last_eval: Option<(f64, u64)>,
}

impl Default for Curve<'_> {
    fn default() -> Self {
        Curve { num_steps: 600, lr: 1e-3, loss: &healthy, grad_norm: &|_| 1.0, modal_frac: 0.2, last_eval: Some((0.85, 2000)) }
    }
}

/// From 2.5 down to 0.7, mostly within 100 steps.
fn healthy(step: f64) -> f64 {
    0.7 + 1.8 * (-step / 60.0).exp()
}

/// Up from `low` to `high` around `step_at`, over about 12 steps.
fn rise(step: f64, step_at: f64, low: f64, high: f64) -> f64 {
    low + (high - low) / (1.0 + (-(step - step_at) / 3.0).exp())
}

fn judge(curve: &Curve) -> (Vec<Alarm>, Outcome) {
    let mut detector = Detector::new(&CrashConfig::default(), 10, 100, 157);
    let mut noise = Draws::new(7, Stream::Synthetic, 0, 0);
    let mut alarms = Vec::new();
    for step in 1..=curve.num_steps {
        let scale = 1.0 + 0.08 * f64::from(noise.next_normal());
        alarms.extend(detector.observe(&StepStat {
            step,
            lr: curve.lr,
            loss: (curve.loss)(step as f64) * scale,
            grad_norm: (curve.grad_norm)(step) * (0.3 * f64::from(noise.next_normal())).exp(),
            modal_frac: Some(curve.modal_frac),
            ..StepStat::default()
        }));
    }
    let outcome = detector.finish(curve.last_eval);
    (alarms, outcome)
}

fn kinds(alarms: &[Alarm]) -> Vec<AlarmKind> {
    alarms.iter().map(|alarm| alarm.kind).collect()
}

#[test]
fn a_noisy_healthy_run_raises_nothing() {
    let (alarms, outcome) = judge(&Curve { num_steps: 5000, ..Curve::default() });
    assert_eq!(kinds(&alarms), [], "{alarms:#?}");
    assert_eq!((outcome.verdict, outcome.crash), (Verdict::Healthy, None));
}

#[test]
fn learned_then_back_to_chance_is_collapsed() {
    let loss = |step| if step < 150.0 { healthy(step) } else { rise(step, 170.0, 0.85, 2.30) };
    let (alarms, outcome) = judge(&Curve { num_steps: 400, loss: &loss, ..Curve::default() });
    let fatal: Vec<&Alarm> = alarms.iter().filter(|alarm| alarm.is_fatal()).collect();
    assert_eq!(fatal.len(), 1, "{alarms:#?}");
    assert_eq!(fatal[0].kind, AlarmKind::Collapsed);
    assert!((220..=270).contains(&fatal[0].step), "50 steps after the rise: {}", fatal[0].step);
    assert!(fatal[0].why.contains("2.303"), "chance is named: {}", fatal[0].why);
    let crash = outcome.crash.expect("a fatal alarm is a crash");
    assert_eq!((outcome.verdict, crash.kind), (Verdict::Crashed, AlarmKind::Collapsed));
    assert_eq!(crash.step, fatal[0].step);
}

#[test]
fn learned_then_half_lost_is_diverged() {
    // 3Conv+1Proj at 8e-3 without warm-up: 1.05, then 1.94.
    let loss = |step| if step < 150.0 { healthy(step) + 0.3 } else { rise(step, 160.0, 1.1, 1.94) };
    let (alarms, outcome) = judge(&Curve { num_steps: 400, loss: &loss, ..Curve::default() });
    let fatal: Vec<&Alarm> = alarms.iter().filter(|alarm| alarm.is_fatal()).collect();
    assert_eq!(fatal.len(), 1, "{alarms:#?}");
    assert_eq!(fatal[0].kind, AlarmKind::Diverged);
    assert_eq!(outcome.verdict, Verdict::Crashed);

    let one_class = Curve { num_steps: 400, loss: &loss, modal_frac: 0.95, ..Curve::default() };
    let (alarms, _) = judge(&one_class);
    let fatal: Vec<&Alarm> = alarms.iter().filter(|alarm| alarm.is_fatal()).collect();
    assert_eq!(kinds(&[fatal[0].clone()]), [AlarmKind::Collapsed], "one class takes all");
    assert!(fatal[0].why.contains("95 %"), "{}", fatal[0].why);
}

#[test]
fn a_run_that_goes_on_is_first_diverged_then_collapsed() {
    let loss = |step: f64| match step {
        ..150.0 => healthy(step),
        ..350.0 => rise(step, 160.0, 0.85, 1.9),
        _ => rise(step, 360.0, 1.9, 2.3),
    };
    let (alarms, outcome) = judge(&Curve { loss: &loss, ..Curve::default() });
    let fatal: Vec<AlarmKind> = alarms.iter().filter(|alarm| alarm.is_fatal()).map(|alarm| alarm.kind).collect();
    assert_eq!(fatal, [AlarmKind::Diverged, AlarmKind::Collapsed]);
    assert_eq!(outcome.crash.map(|crash| crash.kind), Some(AlarmKind::Diverged), "the first one");
}

#[test]
fn nan_is_reported_once_at_its_step() {
    let mut detector = Detector::new(&CrashConfig::default(), 10, 0, 100);
    let mut alarms = Vec::new();
    for step in 1..=200 {
        let loss = if step >= 123 { f64::NAN } else { 2.0 };
        detector.first_op = (step == 123).then(|| "blocks.2.attn".to_string());
        alarms.extend(detector.observe(&StepStat { step, loss, grad_norm: 1.0, ..StepStat::default() }));
    }
    assert_eq!(kinds(&alarms), [AlarmKind::NonFinite]);
    assert_eq!(alarms[0].step, 123);
    assert_eq!(alarms[0].first.as_deref(), Some("blocks.2.attn"));
    assert!(alarms[0].why.contains("NaN at step 123"), "{}", alarms[0].why);
    assert!(alarms[0].why.contains("blocks.2.attn"), "{}", alarms[0].why);
    assert!(!alarms[0].hint.is_empty());
    let outcome = detector.finish(Some((0.1, 2000)));
    assert_eq!(outcome.verdict, Verdict::Crashed);
    assert_eq!(outcome.alarms, [], "a crashed run is not called stuck as well");
}

#[test]
fn each_source_of_non_finite_numbers_counts() {
    let sources = [
        StepStat { loss: f64::INFINITY, ..StepStat::default() },
        StepStat { grad_norm: f64::NAN, ..StepStat::default() },
        StepStat { non_finite: true, ..StepStat::default() },
    ];
    for stat in sources {
        let mut detector = Detector::new(&CrashConfig::default(), 10, 0, 100);
        assert_eq!(kinds(&detector.observe(&stat)), [AlarmKind::NonFinite], "{stat:?}");
    }
}

#[test]
fn a_tiny_learning_rate_is_stuck_and_not_a_crash() {
    for num_steps in [150, 800] {
        let tiny = Curve {
            num_steps,
            lr: 1e-9,
            loss: &|_| 2.36,
            // An untrained network's luck: more than three deviations over 1/K, and no learning.
            last_eval: Some((0.131, 2000)),
            ..Curve::default()
        };
        let (alarms, outcome) = judge(&tiny);
        assert_eq!(kinds(&alarms), []);
        assert_eq!(kinds(&outcome.alarms), [AlarmKind::Stuck], "{num_steps} steps");
        assert_eq!((outcome.verdict, outcome.crash), (Verdict::Stuck, None));
        assert!(outcome.alarms[0].why.contains("1e-9"), "{}", outcome.alarms[0].why);
        assert!(outcome.alarms[0].hint.contains("raise optim.lr"), "{}", outcome.alarms[0].hint);
    }
}

#[test]
fn stuck_needs_low_accuracy_and_enough_steps() {
    let flat = |num_steps, last_eval| {
        let curve = Curve { num_steps, loss: &|_| 2.33, last_eval, ..Curve::default() };
        judge(&curve).1.verdict
    };
    assert_eq!(flat(600, Some((0.30, 2000))), Verdict::Healthy, "30 % is no luck");
    assert_eq!(flat(60, Some((0.10, 2000))), Verdict::Healthy, "too early to say");
    assert_eq!(flat(600, None), Verdict::Stuck, "the loss alone decides");
    let late = |step: f64| if step < 450.0 { 2.33 } else { rise(step, 480.0, 2.33, 0.9) };
    let learned_late = Curve { loss: &late, last_eval: None, ..Curve::default() };
    assert_eq!(judge(&learned_late).1.verdict, Verdict::Healthy, "it learned after all");
}

#[test]
fn a_recovered_spike_is_unstable() {
    let loss = |step: f64| if (300.0..306.0).contains(&step) { 3.0 } else { healthy(step) };
    let (alarms, outcome) = judge(&Curve { loss: &loss, ..Curve::default() });
    assert_eq!(kinds(&alarms), [AlarmKind::LossSpike], "one burst, one alarm");
    assert_eq!(alarms[0].step, 301, "the second outlier");
    assert_eq!((outcome.verdict, outcome.crash), (Verdict::Unstable, None));

    let single = |step: f64| if step == 300.0 { 3.0 } else { healthy(step) };
    assert_eq!(judge(&Curve { loss: &single, ..Curve::default() }).1.verdict, Verdict::Healthy);
}

#[test]
fn batches_of_mixed_images_are_no_spikes() {
    // Three of ten batches are mixed, by little or by much.
    let mixed = |step: u64| [1.70, 1.71, 1.72, 1.73, 1.74, 1.75, 1.76, 1.9, 2.1, 2.25][step as usize * 7 % 10];
    let found = |loss: &dyn Fn(u64) -> f64| {
        let mut detector = Detector::new(&CrashConfig::default(), 10, 0, 100);
        let alarms =
            (1..=400).flat_map(|step| detector.observe(&StepStat { step, loss: loss(step), grad_norm: 1.0, ..StepStat::default() }));
        kinds(&alarms.collect::<Vec<_>>())
    };
    assert_eq!(found(&mixed), []);
    let jump = |step| if (300..306).contains(&step) { 4.0 } else { mixed(step) };
    assert_eq!(found(&jump), [AlarmKind::LossSpike], "they hide no real one");
}

#[test]
fn a_gradient_explosion_warns() {
    let grad_norm = |step| if (300..303).contains(&step) { 300.0 } else { 1.0 };
    let (alarms, outcome) = judge(&Curve { grad_norm: &grad_norm, ..Curve::default() });
    assert_eq!(kinds(&alarms), [AlarmKind::GradExplosion]);
    assert_eq!(alarms[0].step, 300);
    assert_eq!(outcome.verdict, Verdict::Unstable);

    let large = |step| if step == 300 { 6.0 } else { 1.0 };
    assert_eq!(kinds(&judge(&Curve { grad_norm: &large, ..Curve::default() }).0), []);
}

#[test]
fn an_explosion_names_the_group_that_left_its_usual_size_first() {
    let mut detector = Detector::new(&CrashConfig::default(), 10, 0, 100);
    detector.groups = ["patch_embed", "blocks.0.mlp", "head"].map(str::to_string).to_vec();
    let mut alarms = Vec::new();
    for step in 1..=300u64 {
        let noise = 1.0 + 0.05 * (step % 7) as f64;
        // The MLP rises early and stays small beside the head, which is always the largest; the stem follows late.
        let mlp = if step >= 290 { 0.9 } else { 0.1 };
        let stem = if step >= 300 { 30.0 } else { 0.2 };
        let groups = vec![stem * noise, mlp * noise, if step >= 300 { 40.0 } else { 1.0 } * noise];
        let grad_norm = groups.iter().map(|norm| norm * norm).sum::<f64>().sqrt();
        alarms.extend(detector.observe(&StepStat { step, loss: 1.0, grad_norm, groups, ..StepStat::default() }));
    }
    assert_eq!(kinds(&alarms), [AlarmKind::GradExplosion]);
    assert_eq!((alarms[0].step, alarms[0].first.as_deref()), (300, Some("blocks.0.mlp")));
    assert!(alarms[0].why.ends_with("first in blocks.0.mlp"), "{}", alarms[0].why);
}

#[test]
fn two_classes_do_not_trip_the_margins() {
    let mut detector = Detector::new(&CrashConfig::default(), 2, 0, 100);
    for step in 1..=600 {
        let loss = if step % 2 == 0 { 0.5 } else { 0.6 };
        let stat = StepStat { step, loss, grad_norm: 1.0, ..StepStat::default() };
        assert_eq!(detector.observe(&stat), []);
    }
    assert_eq!(detector.finish(Some((0.7, 500))).verdict, Verdict::Healthy);
}
