//! Runs to show: built from events, as a session would tell them.

use std::collections::BTreeMap;

use vitrine::config::{Sources, load};
use vitrine::dashboard::host::{Origin, RunHead, RunKey};
use vitrine::run::alarm::{Alarm, AlarmKind, Crash, Verdict};
use vitrine::run::event::{Checkpoint, Ended, Eval, Event, Probe, Started, Status, StepStat};
use vitrine::run::meta::{DataMark, Final, RunMeta, SCHEMA};
use vitrine::run::state::Standing;

/// A run with its list entry.
#[derive(Clone)]
pub struct Sample {
    pub head: RunHead,
    pub events: Vec<Event>,
}

impl Sample {
    pub fn key(&self) -> RunKey {
        self.head.key.clone()
    }
}

/// What a sample is made of.
struct Plan {
    id: &'static str,
    name: &'static str,
    sets: &'static [&'static str],
    num_steps: u64,
    crash_step: Option<u64>,
    probe_every: u64,
}

/// A few steps, healthy.
pub fn short() -> Sample {
    sample(&Plan { id: "20260101-000000-short", name: "short", sets: &[], num_steps: 24, crash_step: None, probe_every: 8 })
}

/// Learns, then its loss is not a number.
pub fn crashed() -> Sample {
    let sets = &["model.stem=1Proj", "optim.lr=8e-3", "train.seed=1"];
    sample(&Plan { id: "20260101-000100-crashed", name: "patchify, bold", sets, num_steps: 320, crash_step: Some(214), probe_every: 40 })
}

/// As long as a small training, with a spike it recovered from.
pub fn long() -> Sample {
    sample(&Plan {
        id: "20260101-000200-long",
        name: "conv-stem",
        sets: &["optim.lr=2e-3"],
        num_steps: 6000,
        crash_step: None,
        probe_every: 500,
    })
}

/// A run of that seed and number of steps.
pub fn seeded(seed: u64, num_steps: u64) -> Sample {
    let mut sample = sample(&Plan { id: "seeded", name: "seeded", sets: &[], num_steps, crash_step: None, probe_every: 0 });
    sample.head.key = RunKey(format!("seeded-{seed}"));
    sample.head.meta.name = format!("seed {seed}");
    sample.head.meta.seed = seed;
    sample.head.config_toml = sample.head.config_toml.replace("seed = 0", &format!("seed = {seed}"));
    for event in &mut sample.events {
        if let Event::Step(stat) = event {
            stat.loss += 0.05 * noise(stat.step + 7919 * seed);
        }
    }
    sample
}

/// A repeatable number in −1..1.
fn noise(ix: u64) -> f64 {
    let mixed = (ix.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) ^ ix;
    (mixed.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 40) as f64 / (1u64 << 23) as f64 - 1.0
}

fn loss_at(step: u64, crash_step: Option<u64>) -> f64 {
    let learned = 0.55 + 1.75 * (-(step as f64) / 90.0).exp() + 0.06 * noise(step);
    match crash_step {
        Some(crash) if step >= crash => f64::NAN,
        Some(crash) if step + 14 >= crash => learned + 0.12 * (step + 15 - crash) as f64,
        None if (2000..2012).contains(&step) => learned + 1.1,
        _ => learned,
    }
}

/// Parameter groups, from stem to head.
const GROUPS: [&str; 6] = ["patch_embed", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "head"];

fn group_norm(step: u64, group: usize, crash_step: Option<u64>) -> f64 {
    let calm = 0.4 + 0.1 * group as f64 + 0.05 * noise(step + group as u64);
    match crash_step {
        Some(crash) if step >= crash + 12 => f64::INFINITY,
        Some(crash) if step + 20 >= crash => calm * 1.4f64.powi((step + 20 - crash) as i32),
        _ => calm,
    }
}

fn step_of(step: u64, plan: &Plan, steps_per_epoch: u64) -> StepStat {
    let loss = loss_at(step, plan.crash_step);
    let norm = match plan.crash_step {
        Some(crash) if step >= crash => f64::INFINITY,
        Some(crash) if step + 20 >= crash => 1.2 * 1.5f64.powi((step + 20 - crash) as i32),
        _ => 1.2 + 0.3 * noise(step + 77),
    };
    StepStat {
        step,
        epoch: step as f64 / steps_per_epoch as f64,
        loss,
        lr: 2e-3 * (step as f64 / 100.0).min(1.0),
        grad_norm: norm,
        images_per_sec: 850.0 + 40.0 * noise(step + 5),
        non_finite: !loss.is_finite(),
        loss_scale: None,
        skipped: false,
        modal_frac: Some(0.2),
        accuracy: Some((0.9 - 0.35 * loss_at(step, None)).clamp(0.05, 0.98)),
        // The stem gives way first, the head last.
        data_wait: Some(0.0),
        wall_secs: None,
        groups: (0..GROUPS.len()).map(|group| group_norm(step + 2 * (GROUPS.len() - group) as u64, group, plan.crash_step)).collect(),
    }
}

fn started(plan: &Plan, steps_per_epoch: u64) -> Event {
    Event::Started(Started {
        step: 0,
        name: plan.name.to_string(),
        params: 213_322,
        device: "cpu (2 threads)".to_string(),
        num_classes: 10,
        total_steps: plan.num_steps,
        steps_per_epoch,
        warmup_steps: (plan.num_steps / 12).max(4),
        groups: GROUPS.map(str::to_string).to_vec(),
        ..Started::default()
    })
}

fn cossim_at(step: u64, layers: usize) -> Vec<f64> {
    let age = (step as f64 / 400.0).min(1.0);
    (0..layers).map(|layer| (0.25 + 0.09 * layer as f64 * age + 0.03 * noise(step + layer as u64)).clamp(0.0, 1.0)).collect()
}

fn alarms(plan: &Plan) -> Vec<Event> {
    let alarm = |step, kind: AlarmKind, why: &str, first: Option<&str>| {
        Event::Alarm(Alarm {
            step,
            kind,
            level: kind.level(),
            why: why.to_string(),
            hint: "try half the learning rate, a longer schedule.warmup_epochs, or the stem 3Conv+3BN+3ReLU+1Proj".to_string(),
            loss: loss_at(step, plan.crash_step),
            grad_norm: f64::INFINITY,
            first: first.map(str::to_string),
        })
    };
    match plan.crash_step {
        Some(step) => vec![
            alarm(
                step - 12,
                AlarmKind::GradExplosion,
                "the gradient norm is 14.2, 12 times its median 1.2, most of it in patch_embed",
                Some("patch_embed"),
            ),
            alarm(
                step,
                AlarmKind::NonFinite,
                "the loss is NaN at step 214, first seen in blocks.3.attn.softmax, forward",
                Some("blocks.3.attn.softmax, forward"),
            ),
        ],
        None if plan.num_steps > 2000 => {
            vec![alarm(2001, AlarmKind::LossSpike, "the loss is 1.7, the second jump within 10 steps above the median 0.55", None)]
        }
        None => Vec::new(),
    }
}

fn sample(plan: &Plan) -> Sample {
    let steps_per_epoch = 156;
    let sets = plan.sets.iter().map(|set| set.to_string()).collect();
    let experiment = load(&Sources { preset: Some("demo"), sets, ..Sources::default() }).expect("the sample's config is right").experiment;
    let mut events = vec![started(plan, steps_per_epoch)];
    let mut others = alarms(plan);
    let last_step = plan.crash_step.map_or(plan.num_steps, |crash| crash + 6);
    for step in 1..=last_step {
        events.push(Event::Step(step_of(step, plan, steps_per_epoch)));
        if plan.probe_every > 0 && step % plan.probe_every == 0 {
            let updates = (0..GROUPS.len()).map(|group| 2e-3 * group_norm(step, group, plan.crash_step)).collect();
            events.push(Event::Probe(Probe { step, cossim: cossim_at(step, experiment.model.depth + 2), updates }));
        }
        if step % steps_per_epoch == 0 && plan.crash_step.is_none_or(|crash| step < crash) {
            let top1 = 0.85 - 0.6 * (-(step as f64) / 300.0).exp();
            events.push(Event::Eval(Eval { step, loss: loss_at(step, None), top1, top5: 0.98 }));
            events.push(Event::Checkpoint(Checkpoint { step, path: "checkpoints/last.safetensors".to_string(), state_step: None }));
        }
        let (now, later): (Vec<Event>, Vec<Event>) = others.drain(..).partition(|event| event.step() == step);
        events.extend(now);
        others = later;
    }
    let verdict = match plan.crash_step {
        Some(_) => Verdict::Crashed,
        None if plan.num_steps > 2000 => Verdict::Unstable,
        None => Verdict::Healthy,
    };
    let crash = plan.crash_step.map(|step| Crash { kind: AlarmKind::NonFinite, step });
    let status = if crash.is_some() { Status::Crashed } else { Status::Finished };
    events.push(Event::Ended(Ended { step: last_step, status, verdict, crash, error: None }));
    let head = RunHead {
        key: RunKey(plan.id.to_string()),
        origin: Origin::Kept,
        is_live: false,
        meta: meta(plan, &events),
        config_toml: experiment.to_toml(),
        tags: Vec::new(),
        has_pre_crash: false,
    };
    Sample { head, events }
}

fn meta(plan: &Plan, events: &[Event]) -> RunMeta {
    let mut standing = Standing::default();
    events.iter().for_each(|event| standing.apply(event));
    let mut meta = RunMeta {
        schema: SCHEMA,
        id: plan.id.to_string(),
        name: plan.name.to_string(),
        status: Status::Running,
        verdict: Verdict::Healthy,
        crash: None,
        best: None,
        last: Final::default(),
        params: standing.started.params,
        device: standing.started.device.clone(),
        versions: BTreeMap::from([("vitrine".to_string(), "0.1.0".to_string())]),
        seed: 0,
        data: DataMark { kind: "fashion-mnist".to_string(), hash: "5f1c".to_string() },
        parent: None,
    };
    meta.update(&standing);
    meta
}
