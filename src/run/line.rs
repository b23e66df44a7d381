//! Events as lines of the run files (architecture, section 7).
//!
//! `metrics.jsonl` has `{"kind":"step"|"eval"|"probe","step",…}`, `events.jsonl` everything else as
//! `{"step","type","level","why",…}`. A step line has its optional fields only where they were measured.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::alarm::Level;
use super::event::{Eval, Event, Probe, StepStat};

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Metric {
    Step(StepStat),
    Eval(Eval),
    Probe(Probe),
}

#[derive(Serialize)]
struct Note {
    step: u64,
    #[serde(rename = "type")]
    kind: Value,
    level: Level,
    why: String,
    #[serde(flatten)]
    details: Map<String, Value>,
}

/// The line of `metrics.jsonl` for a measurement; none for other events.
pub fn metric_from_event(event: &Event) -> Option<String> {
    let metric = match event {
        Event::Step(stat) => Metric::Step(stat.clone()),
        Event::Eval(eval) => Metric::Eval(eval.clone()),
        Event::Probe(probe) => Metric::Probe(probe.clone()),
        _ => return None,
    };
    Some(serde_json::to_string(&metric).expect("metrics are plain data with text keys"))
}

/// The event of a line of `metrics.jsonl`.
pub fn event_from_metric(line: &str) -> serde_json::Result<Event> {
    Ok(match serde_json::from_str(line)? {
        Metric::Step(stat) => Event::Step(stat),
        Metric::Eval(eval) => Event::Eval(eval),
        Metric::Probe(probe) => Event::Probe(probe),
    })
}

/// The line of `events.jsonl` for an event that is no measurement.
pub fn note_from_event(event: &Event) -> String {
    let value = serde_json::to_value(event).expect("events are plain data with text keys");
    let Value::Object(mut details) = value else {
        unreachable!("every event is a struct and serialises as an object");
    };
    let kind = details.remove("type").unwrap_or_default();
    for column in ["step", "level", "why"] {
        details.remove(column);
    }
    let note = Note { step: event.step(), kind, level: event.level(), why: event.why(), details };
    serde_json::to_string(&note).expect("notes are plain data with text keys")
}

/// The event of a line of `events.jsonl`.
pub fn event_from_note(line: &str) -> serde_json::Result<Event> {
    serde_json::from_str(line)
}

/// Puts events of both files into one order that replays to the live state: by step, and within a
/// step measurements before what was concluded from them.
pub fn sort_for_replay(events: &mut [Event]) {
    events.sort_by_key(|event| {
        let rank = match event {
            Event::Started(started) if started.step == 0 => 0,
            Event::Step(_) => 1,
            Event::Eval(_) => 2,
            Event::Probe(_) => 3,
            Event::Checkpoint(_)
            | Event::LrChanged(_)
            | Event::DeviceLost(_)
            | Event::Unreadable(_)
            | Event::Overflow(_)
            | Event::Alarm(_) => 4,
            Event::Resumed(_) => 5,
            Event::Started(_) => 6,
            // Whatever goes on from an end cuts it off.
            Event::Ended(_) => 7,
        };
        (event.step(), rank)
    });
}
