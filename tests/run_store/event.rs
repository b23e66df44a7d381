//! Events and commands as JSON; numbers that are not finite.

use vitrine::rng::{Draws, Stream};
use vitrine::run::alarm::{Alarm, AlarmKind, Crash, Level, Verdict};
use vitrine::run::command::Command;
use vitrine::run::event::{Checkpoint, DeviceLost, Ended, Eval, Event, LrChanged, Probe, Resumed, Started, Status, StepStat, Unreadable};
use vitrine::run::number;

/// One event of each type, with every non-finite value somewhere.
pub fn one_of_each() -> Vec<Event> {
    vec![
        Event::Started(Started {
            name: "demo".to_string(),
            device: "cpu".to_string(),
            num_classes: 10,
            total_steps: 4,
            steps_per_epoch: 2,
            notes: vec!["cpu: no GPU adapter found".to_string()],
            ..Started::default()
        }),
        Event::Resumed(Resumed { step: 0, cut_steps: 3 }),
        Event::Step(StepStat {
            step: 1,
            loss: f64::NAN,
            grad_norm: f64::INFINITY,
            lr: 0.5,
            non_finite: true,
            modal_frac: Some(f64::NEG_INFINITY),
            accuracy: Some(0.25),
            data_wait: Some(0.125),
            wall_secs: Some(2.5),
            groups: vec![1.5, f64::NAN],
            ..StepStat::default()
        }),
        Event::Eval(Eval { step: 1, loss: f64::NEG_INFINITY, top1: 0.5, top5: 1.0 }),
        Event::Probe(Probe { step: 1, cossim: vec![0.25, f64::NAN, f64::INFINITY], updates: vec![1e-3, f64::INFINITY] }),
        Event::Checkpoint(Checkpoint { step: 1, path: "checkpoints/last.safetensors".to_string(), state_step: None }),
        Event::LrChanged(LrChanged { step: 1, lr: 0.125 }),
        Event::Unreadable(Unreadable { step: 1, what: "cat/7.jpg: cut off".to_string() }),
        Event::DeviceLost(DeviceLost { step: 0, lost_at_step: 1, what: "llvmpipe was lost".to_string() }),
        Event::Alarm(Alarm {
            step: 1,
            kind: AlarmKind::NonFinite,
            level: Level::Fatal,
            why: "the loss is NaN".to_string(),
            hint: "try less".to_string(),
            loss: f64::NAN,
            grad_norm: f64::INFINITY,
            first: Some("blocks.3.attn".to_string()),
        }),
        Event::Ended(Ended {
            step: 1,
            status: Status::Crashed,
            verdict: Verdict::Crashed,
            crash: Some(Crash { kind: AlarmKind::NonFinite, step: 1 }),
            error: Some("the disk is full".to_string()),
        }),
    ]
}

#[test]
fn every_event_survives_json() {
    for event in one_of_each() {
        let text = serde_json::to_string(&event).expect("events are plain data");
        assert!(!text.contains("null"), "a number was lost in {text}");
        let back: Event = serde_json::from_str(&text).expect(&text);
        // Debug, because NaN differs from itself.
        assert_eq!(format!("{back:?}"), format!("{event:?}"), "through {text}");
    }
}

#[test]
fn an_alarm_is_typed_by_its_kind() {
    let alarm = one_of_each().swap_remove(9);
    let line: serde_json::Value = serde_json::to_value(alarm).expect("plain data");
    assert_eq!(line["type"], "non_finite");
    assert_eq!(line["level"], "fatal");
    assert_eq!(line["loss"], "NaN");
    assert_eq!(line["grad_norm"], "Infinity");
}

#[test]
fn unknown_words_are_no_numbers() {
    let text = r#"{"type":"eval","step":1,"loss":"nan","top1":0.5,"top5":1}"#;
    assert!(serde_json::from_str::<Event>(text).is_err(), "only the three words are numbers");
    let text = r#"{"type":"eval","step":1,"loss":"-Infinity","top1":0,"top5":-1}"#;
    let Event::Eval(eval) = serde_json::from_str(text).expect(text) else {
        panic!("{text} is an evaluation");
    };
    assert_eq!((eval.loss, eval.top1, eval.top5), (f64::NEG_INFINITY, 0.0, -1.0));
}

#[test]
fn non_finite_is_found_by_bits() {
    for value in [f64::NAN, -f64::NAN, f64::from_bits(0x7ff0_0000_0000_0001)] {
        assert_eq!(number::word(value), Some("NaN"), "{:x}", value.to_bits());
    }
    assert_eq!(number::word(f64::INFINITY), Some("Infinity"));
    assert_eq!(number::word(f64::NEG_INFINITY), Some("-Infinity"));
    for value in [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, f64::from_bits(1), -1.5] {
        assert_eq!(number::word(value), None, "{value:e}");
        assert_eq!(number::text(value).parse(), Ok(value));
    }
}

#[test]
fn short_numbers_keep_four_digits() {
    let cases = [
        (2.302_111, "2.302"),
        (0.0, "0"),
        (1e-9, "1e-9"),
        (1.23456e20, "1.235e20"),
        (1234.5678, "1235"),
        (0.05, "0.05"),
        (-0.123456, "-0.1235"),
        (f64::NAN, "NaN"),
    ];
    for (value, text) in cases {
        assert_eq!(number::short(value), text);
    }
}

#[test]
fn commands_are_json_too() {
    for command in [Command::Pause, Command::Stop, Command::SetLr(0.25)] {
        let text = serde_json::to_string(&command).expect("commands are plain data");
        assert_eq!(serde_json::from_str::<Command>(&text).expect(&text), command);
    }
}

#[test]
fn numbers_survive_to_the_last_bits() {
    let mut draws = Draws::new(3, Stream::Synthetic, 0, 0);
    for _ in 0..20_000 {
        let bits = (u64::from(draws.next_u32()) << 32) | u64::from(draws.next_u32());
        let value = f64::from_bits(bits);
        let text = serde_json::to_string(&Command::SetLr(value)).expect("plain data");
        let Command::SetLr(back) = serde_json::from_str(&text).expect(&text) else {
            panic!("{text} sets the learning rate");
        };
        match number::word(value) {
            Some(word) => assert_eq!(number::word(back), Some(word)),
            None => assert_eq!(bits, back.to_bits(), "{text} became {back:e}"),
        }
    }
}
