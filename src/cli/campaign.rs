//! What `sweep` and `edge` share: Ctrl-C that stops every run, and how far all of them are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vitrine::error::{Error, Result};
use vitrine::platform::now_secs;
use vitrine::run::alarm::Verdict;
use vitrine::run::event::{Event, Started, StepStat};
use vitrine::run::number::short;
use vitrine::run::report::glyph;
use vitrine::run::sweep::{Slot, SlotState};

use super::output;
use super::progress::duration;

/// Exit code after Ctrl-C.
pub const INTERRUPTED: u8 = 130;
/// Seconds between two lines about runs under way.
const LINE_SECS: f64 = 15.0;

/// Set by the first Ctrl-C; the second leaves at once.
pub fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let on_signal = move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(INTERRUPTED));
        }
        output::note("stopping every run with a checkpoint; Ctrl-C again leaves at once");
    };
    ctrlc::set_handler(on_signal).map_err(|error| Error::Internal(format!("Ctrl-C cannot be caught: {error}")))?;
    Ok(stop)
}

/// One ended run in a line.
pub fn end_text(slot: &Slot) -> String {
    let verdict = slot.verdict.unwrap_or_default();
    match (&slot.why, slot.crash, slot.top1) {
        (Some(why), ..) if slot.state == SlotState::Failed => format!("failed: {why}"),
        (_, Some(crash), _) if verdict == Verdict::Crashed => {
            format!("{} {} at step {}", glyph(verdict), crash.kind.name(), crash.step)
        }
        (_, _, Some(top1)) => format!("{} {}, top-1 {:.1} %", glyph(verdict), verdict.name(), 100.0 * top1),
        _ => format!("{} {}", glyph(verdict), verdict.name()),
    }
}

/// How far runs are that go on side by side: a line now and then.
#[derive(Debug, Default)]
pub struct Pace {
    max_steps: Option<u64>,
    /// Steps to make and last numbers of each run under way.
    under_way: BTreeMap<String, (u64, StepStat)>,
    steps_made: u64,
    began_secs: Option<f64>,
    next_line_secs: f64,
}

impl Pace {
    /// A pace of runs that stop after `max_steps`.
    pub fn new(max_steps: Option<u64>) -> Self {
        Self { max_steps, ..Self::default() }
    }

    /// Takes an event of a run; a line if it is time for one. `runs_left` are those not begun.
    pub fn line(&mut self, label: &str, event: &Event, runs_left: usize) -> Option<String> {
        let now = now_secs();
        let began_secs = *self.began_secs.get_or_insert(now);
        match event {
            Event::Started(Started { total_steps, .. }) => {
                let goal = self.max_steps.map_or(*total_steps, |most| most.min(*total_steps));
                self.under_way.insert(label.to_string(), (goal, StepStat::default()));
                self.next_line_secs = self.next_line_secs.max(now + LINE_SECS);
            }
            Event::Step(stat) => {
                self.steps_made += 1;
                if let Some((_, last)) = self.under_way.get_mut(label) {
                    *last = stat.clone();
                }
            }
            Event::Ended(_) => {
                self.under_way.remove(label);
            }
            _ => {}
        }
        if now < self.next_line_secs || self.under_way.is_empty() {
            return None;
        }
        self.next_line_secs = now + LINE_SECS;
        let goal = self.under_way.values().map(|(goal, _)| *goal).max().unwrap_or(0);
        let steps_left: u64 =
            self.under_way.values().map(|(goal, stat)| goal.saturating_sub(stat.step)).sum::<u64>() + goal * runs_left as u64;
        let left_secs = (now - began_secs) / self.steps_made.max(1) as f64 * steps_left as f64;
        let runs =
            self.under_way.iter().map(|(label, (goal, stat))| format!("{label}: step {}/{goal}, loss {}", stat.step, short(stat.loss)));
        Some(format!("at most {} left  {}", duration(left_secs), runs.collect::<Vec<_>>().join("; ")))
    }
}
