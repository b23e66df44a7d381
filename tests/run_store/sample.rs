//! A small run to record: 8 steps, 3 an epoch, an evaluation after each epoch.

use std::collections::BTreeMap;

use vitrine::run::alarm::{Alarm, AlarmKind, Crash, Verdict};
use vitrine::run::event::{Checkpoint, Ended, Eval, Event, LrChanged, Probe, Started, Status, StepStat};
use vitrine::run::meta::DataMark;
use vitrine::run::store::NewRun;

pub fn new_run(name: &str) -> NewRun {
    NewRun {
        name: name.to_string(),
        config_toml: "[model]\nstem = \"1Proj\"\ndim = 64\n\n[optim]\nlr = 0.001\n".to_string(),
        params: 1234,
        device: "cpu".to_string(),
        versions: BTreeMap::from([("wgpu".to_string(), "30.0.1".to_string())]),
        seed: 7,
        data: DataMark { kind: "fashion-mnist".to_string(), hash: "abc".to_string() },
    }
}

pub fn started(step: u64) -> Event {
    Event::Started(Started {
        step,
        name: "demo".to_string(),
        params: 1234,
        device: "cpu".to_string(),
        num_classes: 10,
        total_steps: 8,
        steps_per_epoch: 3,
        warmup_steps: 1,
        groups: vec!["patch_embed".to_string(), "head".to_string()],
        notes: Vec::new(),
    })
}

/// Numbers a step may have; one of the losses is not finite.
pub fn step(step: u64) -> Event {
    Event::Step(StepStat {
        step,
        epoch: (step - 1) as f64 / 3.0,
        loss: if step == 5 { f64::NAN } else { 10.0_f64.ln() / (step as f64).sqrt() },
        lr: 1e-3 / step as f64,
        grad_norm: if step == 5 { f64::INFINITY } else { 1.0 + 1.0 / step as f64 },
        images_per_sec: 390.625,
        wall_secs: None,
        data_wait: (step > 2).then_some(0.5),
        non_finite: step == 5,
        loss_scale: None,
        skipped: false,
        modal_frac: Some(0.25),
        accuracy: Some(step as f64 / 16.0),
        groups: if step == 5 { vec![f64::NAN, 0.5] } else { vec![0.25, 0.5] },
    })
}

pub fn spike(step: u64) -> Event {
    Event::Alarm(alarm(step, AlarmKind::LossSpike))
}

pub fn alarm(step: u64, kind: AlarmKind) -> Alarm {
    Alarm {
        step,
        kind,
        level: kind.level(),
        why: format!("seen at step {step}"),
        hint: "nothing to do".to_string(),
        loss: f64::NAN,
        grad_norm: 2.0,
        first: None,
    }
}

pub fn eval(step: u64, top1: f64) -> Event {
    Event::Eval(Eval { step, loss: 1.5, top1, top5: 0.875 })
}

pub fn checkpoint(step: u64) -> Event {
    Event::Checkpoint(Checkpoint { step, path: "checkpoints/last.safetensors".to_string(), state_step: None })
}

pub fn ended(step: u64, status: Status) -> Event {
    let crash = Crash { kind: AlarmKind::NonFinite, step: 5 };
    let is_crash = status == Status::Crashed;
    Event::Ended(Ended {
        step,
        status,
        verdict: if is_crash { Verdict::Crashed } else { Verdict::Unstable },
        crash: is_crash.then_some(crash),
        error: None,
    })
}

/// Steps `from..=to` with what belongs to them, in the order a session says it: the numbers of
/// steps come late, after the evaluation of a later step.
pub fn part(from: u64, to: u64) -> Vec<Event> {
    let mut events = Vec::new();
    let mut late = Vec::new();
    for step_ix in from..=to {
        late.push(step(step_ix));
        match step_ix {
            2 => events.push(Event::Probe(Probe { step: 2, cossim: vec![0.25, f64::NAN], updates: vec![2e-3] })),
            3 => events.extend([eval(3, 0.5), checkpoint(3)]),
            4 => events.push(Event::LrChanged(LrChanged { step: 4, lr: 0.5 })),
            6 => events.push(eval(6, 0.25)),
            _ => {}
        }
        if step_ix % 3 == 0 || step_ix == to {
            events.append(&mut late);
        }
        if step_ix == 4 {
            events.push(spike(4));
        }
    }
    events
}

/// The whole run as a session says it.
pub fn whole(status: Status) -> Vec<Event> {
    let mut events = vec![started(0)];
    events.extend(part(1, 8));
    events.push(ended(8, status));
    events
}
