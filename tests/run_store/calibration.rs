//! The crash detector on 48 recorded curves over the edge of stability, against what hindsight says of them.
//!
//! `tests/golden/crash/make.py` has the commands that recorded them. Hindsight may look ahead: it takes centred means where
//! the detector has the median of the past. A run counts as lost if for 50 steps on end it is without at least half of
//! what it had learned.

use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use serde::Deserialize;
use vitrine::config::experiment::CrashConfig;
use vitrine::run::alarm::Verdict;
use vitrine::run::crash::{Detector, Outcome};
use vitrine::run::event::StepStat;

const NUM_CLASSES: usize = 10;
const STEPS_PER_EPOCH: u64 = 156;
/// Test images behind a recorded top-1.
const NUM_TEST_IMAGES: u64 = 2000;
/// Losses in a mean of hindsight.
const MEAN_LEN: usize = 20;
/// Steps on end that make a loss of what was learned a crash.
const LOST_STEPS: usize = 50;

#[derive(Deserialize)]
struct About {
    runs: Vec<Run>,
}

#[derive(Clone, Deserialize)]
struct Run {
    stem: String,
    lr: f64,
    warmup_epochs: f64,
    seed: u64,
    verdict: Verdict,
}

/// One recorded run.
struct Curve {
    run: Run,
    stats: Vec<StepStat>,
    top1: f64,
}

/// The longest stretch without half of what was learned.
#[derive(Clone, Copy, Debug, Default)]
struct Lost {
    begin: usize,
    len: usize,
}

fn curves() -> Vec<Curve> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/crash/curves.safetensors");
    let bytes = fs::read(path).expect("the recorded curves are in the repository");
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("safetensors");
    let about: About = serde_json::from_str(&metadata.metadata().as_ref().expect("metadata")["about"]).expect("JSON");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let rows = |name: &str| {
        let tensor = tensors.tensor(name).expect(name);
        let values = tensor.data().chunks_exact(4).map(|four| f64::from(f32::from_le_bytes(four.try_into().expect("four bytes"))));
        let values: Vec<f64> = values.collect();
        values.chunks(values.len() / about.runs.len()).map(<[f64]>::to_vec).collect::<Vec<_>>()
    };
    let (losses, norms, modal_fracs, top1) = (rows("loss"), rows("grad_norm"), rows("modal_frac"), rows("top1"));
    let curve = |(ix, run): (usize, &Run)| Curve {
        run: run.clone(),
        stats: (0..losses[ix].len())
            .map(|step| StepStat {
                step: step as u64 + 1,
                lr: run.lr,
                loss: losses[ix][step],
                grad_norm: norms[ix][step],
                modal_frac: Some(modal_fracs[ix][step]),
                ..StepStat::default()
            })
            .collect(),
        top1: top1[ix][0],
    };
    about.runs.iter().enumerate().map(curve).collect()
}

impl Curve {
    fn name(&self) -> String {
        let Run { stem, lr, warmup_epochs, seed, .. } = &self.run;
        format!("{stem}, lr {lr}, warm-up {warmup_epochs}, seed {seed}")
    }

    fn judge(&self, config: &CrashConfig) -> Outcome {
        let warmup_steps = (self.run.warmup_epochs * STEPS_PER_EPOCH as f64).round() as u64;
        let mut detector = Detector::new(config, NUM_CLASSES, warmup_steps, STEPS_PER_EPOCH);
        for stat in &self.stats {
            detector.observe(stat);
        }
        detector.finish(Some((self.top1, NUM_TEST_IMAGES)))
    }

    fn means(&self) -> Vec<f64> {
        self.stats.windows(MEAN_LEN).map(|window| window.iter().map(|stat| stat.loss).sum::<f64>() / MEAN_LEN as f64).collect()
    }

    fn lost(&self) -> Lost {
        let chance = (NUM_CLASSES as f64).ln();
        let (mut best, mut longest, mut current) = (f64::INFINITY, Lost::default(), Lost::default());
        for (ix, mean) in self.means().into_iter().enumerate() {
            best = best.min(mean);
            let is_lost = best <= 0.9 * chance && mean >= 0.5 * (best + chance);
            current = if is_lost { Lost { len: current.len + 1, ..current } } else { Lost { begin: ix + 1, len: 0 } };
            longest = if current.len > longest.len { current } else { longest };
        }
        longest
    }

    /// Whether the loss comes below its best of before `step` again.
    fn comes_back(&self, step: u64) -> bool {
        let means = self.means();
        let least = |range: &[f64]| range.iter().copied().fold(f64::INFINITY, f64::min);
        let (before, after) = means.split_at((step as usize).min(means.len()));
        least(after) <= least(before)
    }
}

/// False alarms and misses of a detector.
fn wrong(curves: &[Curve], config: &CrashConfig) -> (Vec<String>, Vec<String>) {
    let of = |is_lost: bool| {
        let is_wrong = |curve: &&Curve| (curve.lost().len >= LOST_STEPS) == is_lost && curve.judge(config).crash.is_some() != is_lost;
        curves.iter().filter(is_wrong).map(Curve::name).collect()
    };
    (of(false), of(true))
}

#[test]
fn recorded_verdicts_are_found_again() {
    for curve in curves() {
        assert_eq!(curve.judge(&CrashConfig::default()).verdict, curve.run.verdict, "{}", curve.name());
    }
}

/// Eight of the 48 are lost; six are found, and nothing else is.
#[test]
fn no_run_is_called_lost_that_is_not() {
    let curves = curves();
    assert_eq!(curves.len(), 48);
    assert_eq!(curves.iter().filter(|curve| curve.lost().len >= LOST_STEPS).count(), 8);
    let (false_alarms, misses) = wrong(&curves, &CrashConfig::default());
    assert_eq!(false_alarms, Vec::<String>::new());
    // Both had hardly learned: their mean losses had come to 1.95 and 1.98, and the median's rise stays below the least lift.
    assert_eq!(misses, ["1Proj, lr 0.024, warm-up 0.64, seed 1", "3Conv+1Proj, lr 0.024, warm-up 0, seed 0"]);
}

/// The alarm comes after half a window and the 50 steps; half of these runs find back within the recording.
#[test]
fn an_alarm_comes_within_a_hundred_steps_and_a_few() {
    let mut num_back = 0;
    for curve in curves() {
        let Some(crash) = curve.judge(&CrashConfig::default()).crash else { continue };
        let delay = crash.step as usize - curve.lost().begin;
        println!("{}: {} at step {}, {delay} steps late, {:?}", curve.name(), crash.kind.name(), crash.step, curve.lost());
        assert!((80..=110).contains(&delay), "{}: {delay}", curve.name());
        num_back += usize::from(curve.comes_back(crash.step));
    }
    assert_eq!(num_back, 3);
}

/// What other thresholds would do: a shorter stretch finds no more, a longer one misses more.
#[test]
fn the_thresholds_stand_where_errors_are_few() {
    let curves = curves();
    let errors = |diverged_steps: usize, diverged_margin: f64| {
        let (false_alarms, misses) = wrong(&curves, &CrashConfig { diverged_steps, diverged_margin, ..CrashConfig::default() });
        println!("{diverged_steps} steps, margin {diverged_margin}: {} false alarms, {} misses", false_alarms.len(), misses.len());
        (false_alarms.len(), misses.len())
    };
    let usual = errors(50, 0.25);
    for (steps, margin) in [(25, 0.15), (25, 0.25), (40, 0.15), (40, 0.25), (50, 0.15), (75, 0.25), (100, 0.25)] {
        let (false_alarms, misses) = errors(steps, margin);
        assert!(false_alarms + misses + 1 >= usual.0 + usual.1, "{steps} steps, margin {margin}: better by more than one run");
    }
    let longer = errors(100, 0.25);
    assert!(longer.1 > usual.1 + 2, "{longer:?}");
}
