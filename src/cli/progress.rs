//! A running session on stderr: a bar on a terminal, elsewhere a line every few seconds.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use vitrine::platform::now_secs;
use vitrine::run::alarm::{Alarm, Level};
use vitrine::run::event::{Eval, Event, Started, StepStat};
use vitrine::run::number::{self, short};
use vitrine::run::report::grouped;

use super::output;

/// Seconds between two lines where there is no bar.
const LINE_SECS: f64 = 5.0;
/// Redraws of the bar a second: enough to look alive, too few to cost anything.
const REDRAWS_HZ: u8 = 5;
/// Least weight of the newest number in a running mean: it looks back some twenty steps.
const NEWEST_FRAC: f64 = 0.05;
/// Share of the time spent waiting for images from which on it is shown.
const WORTH_SAYING_FRAC: f64 = 0.02;
/// The bar above, the numbers below: together they would not fit 80 columns.
const TEMPLATE: &str = "{bar:30} {prefix}\n{wide_msg}";

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// Bar or lines, evaluations, alarms.
    Normal,
    /// Alarms only.
    Quiet,
}

/// Says things without tearing the bar. Clones share the bar.
#[derive(Clone, Debug)]
pub struct Voice {
    bar: Option<ProgressBar>,
}

impl Voice {
    /// Writes a line to stderr, above the bar if there is one.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| output::note(text)),
            None => output::note(text),
        }
    }
}

/// Shows a session's events as they come.
pub struct Progress {
    voice: Voice,
    volume: Volume,
    /// `--max-steps`.
    max_steps: Option<u64>,
    /// The step to reach, and the steps of the whole schedule.
    goal: u64,
    loss: RunningMean,
    accuracy: RunningMean,
    speed: RunningMean,
    data_wait: RunningMean,
    /// Steps skipped for gradients beyond the range of f16.
    skipped_steps: u64,
    /// Time and number of the first step shown.
    origin: Option<(f64, u64)>,
    next_line_secs: f64,
}

impl Progress {
    /// A view of a session that ends after `max_steps` at the latest.
    pub fn new(volume: Volume, max_steps: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(REDRAWS_HZ));
        let is_shown = volume == Volume::Normal && !bar.is_hidden();
        Self {
            voice: Voice { bar: is_shown.then_some(bar) },
            volume,
            max_steps,
            goal: 0,
            loss: RunningMean::default(),
            accuracy: RunningMean::default(),
            speed: RunningMean::default(),
            data_wait: RunningMean::default(),
            skipped_steps: 0,
            origin: None,
            next_line_secs: 0.0,
        }
    }

    /// For lines from elsewhere, such as the answer to Ctrl-C.
    pub fn voice(&self) -> Voice {
        self.voice.clone()
    }

    /// Takes the next event.
    pub fn show(&mut self, event: &Event) {
        if let Event::Alarm(alarm) = event {
            self.voice.say(&alarm_line(alarm));
        } else if self.volume == Volume::Normal {
            self.show_progress(event);
        }
    }

    fn show_progress(&mut self, event: &Event) {
        match event {
            Event::Started(started) => self.start(started),
            Event::Step(stat) => self.step(stat),
            Event::Eval(eval) => self.voice.say(&eval_line(eval)),
            Event::Resumed(_) | Event::LrChanged(_) | Event::DeviceLost(_) | Event::Overflow(_) => self.voice.say(&line_of(event)),
            Event::Unreadable(_) => self.voice.say(&format!("warning: {}", event.why())),
            Event::Ended(_) => self.finish(),
            Event::Probe(_) | Event::Checkpoint(_) | Event::Alarm(_) => {}
        }
    }

    /// Removes the bar; also called when the session fails.
    pub fn finish(&self) {
        if let Some(bar) = &self.voice.bar {
            bar.finish_and_clear();
        }
    }

    fn start(&mut self, started: &Started) {
        self.goal = self.max_steps.map_or(started.total_steps, |most| most.min(started.total_steps));
        let steps = if self.goal <= started.step {
            format!("{} of {} steps made, none left to make", started.step, started.total_steps)
        } else if self.goal < started.total_steps {
            format!("{} of {} steps", self.goal, started.total_steps)
        } else {
            format!("{} steps", started.total_steps)
        };
        let Started { name, params, device, steps_per_epoch, .. } = started;
        self.voice.say(&format!("{name}: {} parameters, {steps}, {steps_per_epoch} an epoch, on {device}", grouped(*params)));
        started.notes.iter().for_each(|note| self.voice.say(note));
        self.next_line_secs = now_secs() + LINE_SECS;
        if let Some(bar) = &self.voice.bar {
            bar.set_style(ProgressStyle::with_template(TEMPLATE).expect("the template is well formed"));
            bar.set_length(self.goal);
            bar.set_position(started.step);
        }
    }

    fn step(&mut self, stat: &StepStat) {
        let now = now_secs();
        let origin = *self.origin.get_or_insert((now, stat.step));
        self.loss.take(stat.loss);
        self.skipped_steps += u64::from(stat.skipped);
        self.speed.take(stat.images_per_sec);
        if let Some(data_wait) = stat.data_wait {
            self.data_wait.take(data_wait);
        }
        if let Some(accuracy) = stat.accuracy {
            self.accuracy.take(accuracy);
        }
        match &self.voice.bar {
            Some(bar) => {
                bar.set_position(stat.step);
                bar.set_prefix(self.place(stat, now, origin));
                bar.set_message(self.numbers(stat));
            }
            None if now >= self.next_line_secs => {
                self.voice.say(&format!("{}  {}", self.place(stat, now, origin), self.numbers(stat)));
                self.next_line_secs = now + LINE_SECS;
            }
            None => {}
        }
    }

    /// How far it is, and how long it will take.
    fn place(&self, stat: &StepStat, now: f64, (first_secs, first_step): (f64, u64)) -> String {
        let place = format!("step {}/{}  epoch {:.1}", stat.step, self.goal, stat.epoch);
        if stat.step == first_step {
            return place;
        }
        let secs_per_step = (now - first_secs) / (stat.step - first_step) as f64;
        let left_secs = secs_per_step * self.goal.saturating_sub(stat.step) as f64;
        format!("{place}  {} left", duration(left_secs))
    }

    fn numbers(&self, stat: &StepStat) -> String {
        let percent = |share: f64| format!("{:.1} %", 100.0 * share);
        let (speed, loss) = (self.speed.text(|speed| format!("{speed:.0}")), self.loss.text(short));
        let accuracy = self.accuracy.text(percent);
        // Where images come in time, the bar has better use for the room.
        let is_waiting = self.data_wait.value.is_some_and(|share| share >= WORTH_SAYING_FRAC);
        let wait =
            if is_waiting { self.data_wait.text(|share| format!("  waiting for images {:.0} %", 100.0 * share)) } else { String::new() };
        let skipped = if self.skipped_steps > 0 { format!("  {} skipped", self.skipped_steps) } else { String::new() };
        format!("{speed} images/s  loss {loss}  accuracy {accuracy}  lr {}{wait}{skipped}", short(stat.lr))
    }
}

/// A mean that forgets.
#[derive(Debug, Default)]
struct RunningMean {
    value: Option<f64>,
    count: u32,
}

impl RunningMean {
    fn take(&mut self, value: f64) {
        self.count += 1;
        let newest_frac = f64::max(1.0 / f64::from(self.count), NEWEST_FRAC);
        self.value = Some(match self.value {
            Some(mean) if number::is_finite(mean) && number::is_finite(value) => mean + newest_frac * (value - mean),
            // A number that is not finite is shown as it is, and the mean starts anew after it.
            _ => value,
        });
    }

    fn text(&self, format: impl Fn(f64) -> String) -> String {
        self.value.map_or_else(|| "–".to_string(), format)
    }
}

/// What happened, and with a step's own event at which step.
fn line_of(event: &Event) -> String {
    match event {
        Event::Overflow(overflow) => format!("step {}: {}", overflow.step, event.why()),
        _ => event.why(),
    }
}

fn eval_line(eval: &Eval) -> String {
    let percent = |share: f64| format!("{:.1} %", 100.0 * share);
    format!("step {}: test top-1 {}, top-5 {}, loss {}", eval.step, percent(eval.top1), percent(eval.top5), short(eval.loss))
}

fn alarm_line(alarm: &Alarm) -> String {
    let word = match alarm.level {
        Level::Fatal => "crash",
        Level::Warn => "warning",
        Level::Info => "note",
    };
    let Alarm { kind, step, why, .. } = alarm;
    format!("{word}: {} at step {step}: {why}", kind.name())
}

/// `1 h 05 min`, `3 min 20 s`, `12 s`.
pub fn duration(secs: f64) -> String {
    let secs = secs.round() as u64;
    match (secs / 3600, secs / 60 % 60, secs % 60) {
        (0, 0, secs) => format!("{secs} s"),
        (0, mins, secs) => format!("{mins} min {secs:02} s"),
        (hours, mins, _) => format!("{hours} h {mins:02} min"),
    }
}
