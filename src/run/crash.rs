//! The crash detector: a pure state machine over a run's numbers (architecture, section 8).
//!
//! L* = ln K is the loss of the uniform guess over K classes; label smoothing and mixup raise the
//! floor of the loss, not this level. m is the median of the last losses, b the best m so far;
//! *learned* means b ≤ 0.9·L*. The same machine reads live, recorded and imported runs: to resume,
//! feed it the recorded steps again. A step costs O(window) and allocates only for an alarm.

use super::alarm::{Alarm, AlarmKind, Crash, Verdict};
use super::event::StepStat;
use super::number::{is_finite, short};
use super::onset::RecentNorms;
use super::window::Window;
use crate::config::experiment::CrashConfig;

/// A median of fewer losses than this is luck.
const MIN_MEDIAN_LEN: usize = 16;
/// A loss spike counts from the second outlier within so many steps.
const SPIKE_PAIR_STEPS: u64 = 10;
/// A loss spike is judged against at least this loss: near 0, small changes are large shares.
const SPIKE_LOSS_FLOOR: f64 = 0.2;
/// A spike also leaves the losses above the median behind, by this share of the deviations.
const MIXED_SHARE: f64 = 0.5;
/// A run that ends before the *stuck* bound is judged all the same from so many steps on.
const MIN_STUCK_STEPS: u64 = 100;

/// What to try after a fatal alarm.
const CALMER: &str = "try half the learning rate, a longer schedule.warmup_epochs, optim.clip_grad = 1, \
                      or the stem 3Conv+3BN+3ReLU+1Proj if it is another";

/// The detector of one run.
#[derive(Clone, Debug)]
pub struct Detector {
    /// First op with a non-finite result, forward before backward; set it before observing that step.
    pub first_op: Option<String>,
    /// Names of the parameter groups whose gradient norms the steps have.
    pub groups: Vec<String>,
    config: CrashConfig,
    num_classes: usize,
    chance_loss: f64,
    stuck_bound_steps: u64,
    losses: Window,
    log_norms: Window,
    recent_norms: RecentNorms,
    modal_fracs: Window,
    best: Option<BestMedian>,
    best_at_bound: Option<f64>,
    lifted_steps: usize,
    spikes: Bursts,
    explosions: Bursts,
    found: Vec<AlarmKind>,
    first_step: Option<u64>,
    last: StepStat,
    peak_lr: f64,
    verdict: Verdict,
    crash: Option<Crash>,
}

#[derive(Clone, Copy, Debug)]
struct BestMedian {
    loss: f64,
    step: u64,
}

/// Outliers that follow each other closely are one burst.
#[derive(Clone, Debug, Default)]
struct Bursts {
    last_step: Option<u64>,
    len: usize,
}

impl Bursts {
    /// Counts an outlier: its place in the burst, from 1.
    fn place(&mut self, step: u64) -> usize {
        let is_near = self.last_step.is_some_and(|last| step.saturating_sub(last) <= SPIKE_PAIR_STEPS);
        self.len = if is_near { self.len + 1 } else { 1 };
        self.last_step = Some(step);
        self.len
    }
}

/// What the detector makes of a whole run.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Crashed before stuck before unstable before healthy.
    pub verdict: Verdict,
    /// The first fatal alarm.
    pub crash: Option<Crash>,
    /// Alarms that only the end can raise.
    pub alarms: Vec<Alarm>,
}

impl Detector {
    /// A detector with the run's thresholds, for `num_classes` ≥ 2 classes.
    pub fn new(config: &CrashConfig, num_classes: usize, warmup_steps: u64, steps_per_epoch: u64) -> Self {
        Self {
            first_op: None,
            groups: Vec::new(),
            config: config.clone(),
            num_classes,
            chance_loss: (num_classes.max(2) as f64).ln(),
            stuck_bound_steps: (2 * warmup_steps).max(steps_per_epoch).max(config.stuck_steps as u64),
            losses: Window::new(config.window),
            log_norms: Window::new(config.window),
            recent_norms: RecentNorms::new(config.window),
            modal_fracs: Window::new(config.window),
            best: None,
            best_at_bound: None,
            lifted_steps: 0,
            spikes: Bursts::default(),
            explosions: Bursts::default(),
            found: Vec::new(),
            first_step: None,
            last: StepStat::default(),
            peak_lr: 0.0,
            verdict: Verdict::Healthy,
            crash: None,
        }
    }

    /// Takes the next step's numbers; returns what they reveal.
    pub fn observe(&mut self, stat: &StepStat) -> Vec<Alarm> {
        self.first_step.get_or_insert(stat.step);
        self.peak_lr = self.peak_lr.max(stat.lr);
        self.last = stat.clone();
        let mut alarms = Vec::new();
        if stat.skipped && is_finite(stat.loss) {
            // The norm of gradients that overflowed says nothing, and they changed nothing.
            self.losses.push(stat.loss);
            alarms.extend(self.divergence());
        } else if stat.non_finite || !is_finite(stat.loss) || !is_finite(stat.grad_norm) {
            // Such a step says nothing about the medians.
            alarms.extend(self.non_finite());
        } else {
            alarms.extend(self.loss_spike());
            alarms.extend(self.grad_explosion());
            self.losses.push(stat.loss);
            if let Some(modal_frac) = stat.modal_frac.filter(|&frac| is_finite(frac)) {
                self.modal_fracs.push(modal_frac);
            }
            alarms.extend(self.divergence());
        }
        for alarm in &alarms {
            self.note(alarm);
        }
        alarms
    }

    /// Judges the whole run. `last_eval` is the last top-1 (0..1) and the number of images behind it.
    pub fn finish(&mut self, last_eval: Option<(f64, u64)>) -> Outcome {
        let alarms: Vec<Alarm> = self.stuck(last_eval).into_iter().collect();
        for alarm in &alarms {
            self.note(alarm);
        }
        Outcome { verdict: self.verdict, crash: self.crash, alarms }
    }

    /// The verdict so far.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The first fatal alarm so far.
    pub fn crash(&self) -> Option<Crash> {
        self.crash
    }

    fn note(&mut self, alarm: &Alarm) {
        self.found.push(alarm.kind);
        self.verdict = self.verdict.with(alarm.kind);
        if alarm.is_fatal() {
            self.crash.get_or_insert(Crash { kind: alarm.kind, step: alarm.step });
        }
    }

    fn alarm(&self, kind: AlarmKind, why: String, hint: &str, first: Option<&String>) -> Alarm {
        Alarm {
            step: self.last.step,
            kind,
            level: kind.level(),
            why,
            hint: hint.to_string(),
            loss: self.last.loss,
            grad_norm: self.last.grad_norm,
            first: first.cloned(),
        }
    }

    fn non_finite(&self) -> Option<Alarm> {
        if self.found.contains(&AlarmKind::NonFinite) {
            return None;
        }
        let stat = &self.last;
        let what = match (is_finite(stat.loss), is_finite(stat.grad_norm)) {
            (false, _) => format!("the loss is {}", short(stat.loss)),
            (true, false) => format!("the gradient norm is {}", short(stat.grad_norm)),
            (true, true) => "a gradient or parameter is not finite".to_string(),
        };
        let place = self.first_op.as_ref().map_or(String::new(), |op| format!(", first seen in {op}"));
        let why = format!("{what} at step {}{place} (learning rate {})", stat.step, short(stat.lr));
        Some(self.alarm(AlarmKind::NonFinite, why, CALMER, self.first_op.as_ref()))
    }

    fn divergence(&mut self) -> Option<Alarm> {
        let median = self.losses.median(MIN_MEDIAN_LEN)?;
        let step = self.last.step;
        let best = match self.best {
            Some(best) if best.loss <= median => best,
            _ => BestMedian { loss: median, step },
        };
        self.best = Some(best);
        if step >= self.stuck_bound_steps {
            self.best_at_bound.get_or_insert(best.loss);
        }

        let config = &self.config;
        let won = self.chance_loss - best.loss;
        let lift = (config.diverged_frac * won).max(config.diverged_margin);
        let has_learned = best.loss <= config.learned_frac * self.chance_loss;
        let is_lifted = has_learned && median >= best.loss + lift;
        self.lifted_steps = if is_lifted { self.lifted_steps + 1 } else { 0 };
        if self.lifted_steps < config.diverged_steps.max(1) {
            return None;
        }

        let kind = if self.is_collapsed(median) { AlarmKind::Collapsed } else { AlarmKind::Diverged };
        let is_known = self.found.contains(&kind) || self.found.contains(&AlarmKind::Collapsed);
        (!is_known).then(|| self.lost(kind, median, best))
    }

    fn is_collapsed(&mut self, median: f64) -> bool {
        let config = &self.config;
        let at_chance = config.collapsed_low * self.chance_loss..=config.collapsed_high * self.chance_loss;
        let modal_frac = self.modal_fracs.median(MIN_MEDIAN_LEN).unwrap_or(0.0);
        at_chance.contains(&median) || modal_frac > config.collapsed_class_frac
    }

    fn lost(&mut self, kind: AlarmKind, median: f64, best: BestMedian) -> Alarm {
        let class = match self.modal_fracs.median(MIN_MEDIAN_LEN) {
            Some(frac) if kind == AlarmKind::Collapsed => {
                format!("; the most frequent class takes {:.0} % of the predictions", 100.0 * frac)
            }
            _ => String::new(),
        };
        let why = format!(
            "the median of the last {} losses is {}, after {} at step {}; chance is {}{class}",
            self.losses.len(),
            short(median),
            short(best.loss),
            best.step,
            short(self.chance_loss),
        );
        self.alarm(kind, why, CALMER, None)
    }

    fn loss_spike(&mut self) -> Option<Alarm> {
        let loss = self.last.loss;
        let median = self.losses.median(self.config.window / 2)?;
        // Batches of mixed images lie above the others, often and by much: they are no outliers.
        let sigma = self.losses.sigma(median).max(MIXED_SHARE * self.losses.sigma_above(median));
        let limit = (self.config.spike_mads * sigma).max(self.config.spike_frac * median.max(SPIKE_LOSS_FLOOR));
        if loss - median <= limit || self.spikes.place(self.last.step) != 2 {
            return None;
        }
        let why = format!(
            "the loss is {}, the second jump within {SPIKE_PAIR_STEPS} steps above the median {} \
             by more than {}",
            short(loss),
            short(median),
            short(limit),
        );
        let hint = "one that passes is harmless; if they come again, lower the learning rate \
                    or set optim.clip_grad = 1";
        Some(self.alarm(AlarmKind::LossSpike, why, hint, None))
    }

    fn grad_explosion(&mut self) -> Option<Alarm> {
        let norm = self.last.grad_norm;
        if norm <= 0.0 {
            return None;
        }
        let centre = self.log_norms.median(self.config.window / 2);
        let jump = centre.map(|centre| (norm.ln() - centre, self.log_norms.sigma(centre), centre));
        self.log_norms.push(norm.ln());
        self.recent_norms.push(&self.last.groups);
        let (rise, sigma, centre) = jump?;
        let is_outlier = rise > self.config.explosion_ratio.ln() && rise > self.config.explosion_z * sigma;
        if !is_outlier || self.explosions.place(self.last.step) != 1 {
            return None;
        }
        let first = self.recent_norms.first().and_then(|ix| self.groups.get(ix)).cloned();
        let group = first.as_ref().map_or(String::new(), |name| format!(", first in {name}"));
        let why = format!("the gradient norm is {}, {:.0} times its median {}{group}", short(norm), rise.exp(), short(centre.exp()),);
        let hint = "set optim.clip_grad = 1, or lower the learning rate";
        Some(self.alarm(AlarmKind::GradExplosion, why, hint, first.as_ref()))
    }

    fn stuck(&mut self, last_eval: Option<(f64, u64)>) -> Option<Alarm> {
        let best = self.best?;
        let level = self.config.stuck_frac * self.chance_loss;
        let has_learned = best.loss <= self.config.learned_frac * self.chance_loss;
        let num_steps = self.last.step + 1 - self.first_step?;
        let best_when_judged = self.best_at_bound.unwrap_or(best.loss);
        let is_low = match last_eval {
            Some((top1, num_images)) => top1 <= self.lucky_top1(num_images),
            None => best.loss >= level,
        };
        let is_judged = num_steps >= MIN_STUCK_STEPS && self.crash.is_none() && !self.found.contains(&AlarmKind::Stuck);
        if !is_judged || has_learned || best_when_judged < level || !is_low {
            return None;
        }
        let accuracy = last_eval
            .map_or(String::new(), |(top1, _)| format!(" and top-1 is {:.1} % (chance {:.1} %)", 100.0 * top1, 100.0 * self.chance_top1()));
        let why = format!(
            "in {num_steps} steps the median loss never fell below {} (best {}, chance {}){accuracy}; \
             the largest learning rate was {}",
            short(level),
            short(best_when_judged),
            short(self.chance_loss),
            short(self.peak_lr),
        );
        let hint = if self.peak_lr < 1e-5 {
            "such a learning rate hardly moves the weights: raise optim.lr"
        } else {
            "try a tenth and ten times optim.lr, a longer schedule.warmup_epochs, and check the labels"
        };
        Some(self.alarm(AlarmKind::Stuck, why, hint, None))
    }

    fn chance_top1(&self) -> f64 {
        1.0 / self.num_classes.max(2) as f64
    }

    /// The largest top-1 that needs no learning: three binomial deviations above 1/K for random
    /// guesses, and a margin because fixed random features favour some classes by luck.
    fn lucky_top1(&self, num_images: u64) -> f64 {
        let chance = self.chance_top1();
        let deviation = (chance * (1.0 - chance) / num_images.max(1) as f64).sqrt();
        let margin = chance.min(0.1 * (1.0 - chance));
        chance + margin.max(3.0 * deviation)
    }
}
