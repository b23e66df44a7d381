//! Whole sessions: how they end, what they leave, and that they go on exactly.

use std::path::Path;
use std::sync::mpsc::{Sender, channel};

use vitrine::config::{Sources, load};
use vitrine::platform::Wait as _;
use vitrine::run::alarm::{AlarmKind, Verdict};
use vitrine::run::command::Command;
use vitrine::run::event::{Event, Status};
use vitrine::run::probe::ProbeFile;
use vitrine::run::read::read_run;
use vitrine::train::session::{DeviceChoice, Outcome, Request, Start, run};

use crate::support::adapter::adapter;

/// A session on 500 embedded images, 31 steps an epoch.
pub fn request(runs_dir: &Path, sets: &[&str]) -> Request {
    let fixed = [
        "model.dim=16",
        "model.depth=1",
        "model.stem_width=4",
        "data.fraction=0.05",
        "train.batch=16",
        "train.eval_every=100",
        "schedule.kind=constant",
        "schedule.warmup_epochs=0",
        "probe.every=0",
        "probe.images=2",
    ];
    let sets = fixed.iter().chain(sets).map(|set| set.to_string()).collect();
    let resolved = load(&Sources { preset: Some("demo"), sets, ..Sources::default() }).expect("a good config");
    Request {
        resolved,
        name: "test".into(),
        runs_dir: runs_dir.to_path_buf(),
        max_steps: None,
        start: Start::Fresh,
        device: DeviceChoice::Cpu,
        adapter: None,
    }
}

pub fn train(request: &Request, mut on_event: impl FnMut(&Event, &Sender<Command>)) -> Outcome {
    let (sender, commands) = channel();
    run(request, &commands, &mut |event| on_event(event, &sender)).wait().expect("a session")
}

#[test]
fn an_absurd_learning_rate_crashes_at_its_step_and_names_the_first_op() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = train(&request(folder.path(), &["optim.lr=1e20", "schedule.epochs=2"]), |_, _| {});
    assert_eq!((outcome.status, outcome.verdict), (Status::Crashed, Verdict::Crashed));
    let crash = outcome.crash.expect("a crash");
    assert_eq!(crash.kind, AlarmKind::NonFinite);

    let recorded = read_run(&outcome.run_dir).expect("the run");
    let alarm = recorded.events.iter().find_map(|event| match event {
        Event::Alarm(alarm) if alarm.kind == AlarmKind::NonFinite => Some(alarm),
        _ => None,
    });
    let alarm = alarm.expect("an alarm");
    assert_eq!(alarm.step, crash.step);
    let first = alarm.first.clone().expect("the first op");
    assert!(first.contains("forward") || first.contains("matmul") || first.contains("conv2d"), "{first}");
    let metrics = std::fs::read_to_string(outcome.run_dir.join("metrics.jsonl")).expect("metrics");
    assert!(metrics.contains("\"NaN\"") || metrics.contains("\"Infinity\""), "{metrics}");
    assert!(outcome.run_dir.join("checkpoints/pre-crash.safetensors").is_file());
}

#[test]
fn a_vanishing_learning_rate_ends_as_stuck() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = train(&request(folder.path(), &["optim.lr=1e-9", "schedule.epochs=5"]), |_, _| {});
    assert_eq!((outcome.status, outcome.verdict), (Status::Finished, Verdict::Stuck));
}

#[test]
fn a_run_that_has_learned_and_is_driven_off_crashes() {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = train(&request(folder.path(), &["optim.lr=2e-3", "schedule.epochs=24"]), |event, commands| {
        if let Event::Step(stat) = event
            && stat.step == 300
        {
            commands.send(Command::SetLr(1.0)).expect("the session listens");
        }
    });
    assert_eq!((outcome.status, outcome.verdict), (Status::Crashed, Verdict::Crashed), "{outcome:?}");
    let kind = outcome.crash.expect("a crash").kind;
    assert!(matches!(kind, AlarmKind::Diverged | AlarmKind::Collapsed), "{kind:?}");
}

#[test]
fn ten_steps_and_ten_resumed_are_twenty() {
    let folder = tempfile::tempdir().expect("a folder");
    for sets in [&["optim.lr=1e-3", "schedule.epochs=2"][..], &["optim.sam_rho=0.05", "train.ema=0.9", "schedule.epochs=2"]] {
        let whole = Request { max_steps: Some(20), ..request(folder.path(), sets) };
        let unbroken = train(&whole, |_, _| {});
        let half = train(&Request { max_steps: Some(10), ..whole.clone() }, |_, _| {});
        let resumed = train(&Request { start: Start::Resume(half.run_dir.clone()), ..whole }, |_, _| {});
        assert_eq!(resumed.run_dir, half.run_dir);
        for file in ["checkpoints/last.safetensors", "checkpoints/optimizer-000020.safetensors"] {
            let read = |outcome: &Outcome| std::fs::read(outcome.run_dir.join(file)).expect("a checkpoint");
            assert!(read(&unbroken) == read(&resumed), "{sets:?}: {file} differs");
        }
        let averaged = |outcome: &Outcome| std::fs::read(outcome.run_dir.join("checkpoints/ema.safetensors")).ok();
        assert_eq!(averaged(&unbroken).is_some(), sets.contains(&"train.ema=0.9"));
        assert!(averaged(&unbroken) == averaged(&resumed), "{sets:?}: the averaged weights differ");
        let losses = |outcome: &Outcome| -> Vec<(u64, u64)> {
            let events = read_run(&outcome.run_dir).expect("the run").events;
            events
                .iter()
                .filter_map(|event| if let Event::Step(stat) = event { Some((stat.step, stat.loss.to_bits())) } else { None })
                .collect()
        };
        assert_eq!(losses(&unbroken), losses(&resumed), "{sets:?}");
        assert_eq!(losses(&resumed).len(), 20);
    }
}

#[test]
fn a_stop_leaves_a_checkpoint_that_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let request = request(folder.path(), &["optim.lr=1e-3", "schedule.epochs=1"]);
    let stopped = train(&request, |event, commands| {
        if matches!(event, Event::Step(stat) if stat.step == 5) {
            commands.send(Command::Stop).expect("the session listens");
        }
    });
    assert_eq!(stopped.status, Status::Interrupted);
    let resumed = train(&Request { start: Start::Resume(stopped.run_dir), ..request }, |_, _| {});
    assert_eq!(resumed.status, Status::Finished);
}

#[test]
fn a_device_that_was_not_asked_for_is_explained() {
    let folder = tempfile::tempdir().expect("a folder");
    for (device, is_explained) in [(DeviceChoice::Auto, true), (DeviceChoice::Cpu, false)] {
        let request = Request { device, max_steps: Some(1), ..request(folder.path(), &["optim.lr=1e-3", "schedule.epochs=1"]) };
        let mut notes = None;
        train(&request, |event, _| {
            if let Event::Started(started) = event {
                notes = Some(started.notes.clone());
            }
        });
        assert_eq!(!notes.expect("the session begins").is_empty(), is_explained, "{device:?}");
    }
}

#[test]
fn nothing_is_recorded_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    // 31 steps an epoch: evaluations, checkpoints and probes all fall on the last step, 4.
    let sets = ["optim.lr=1e-3", "schedule.epochs=1", "probe.every=2", "train.eval_every=0.129", "train.checkpoint_every=2"];
    let request = Request { max_steps: Some(4), ..request(folder.path(), &sets) };
    let outcome = train(&request, |_, _| {});
    let recorded = |outcome: &Outcome| {
        let events = read_run(&outcome.run_dir).expect("the run").events;
        let mut told: Vec<String> = events
            .iter()
            .filter_map(|event| match event {
                Event::Probe(probe) => Some(format!("probe {}", probe.step)),
                Event::Eval(eval) => Some(format!("eval {}", eval.step)),
                Event::Checkpoint(checkpoint) if checkpoint.path.ends_with("last.safetensors") => Some(format!("last {}", checkpoint.step)),
                _ => None,
            })
            .collect();
        told.sort();
        told
    };
    let once = ["eval 4", "last 2", "last 4", "probe 0", "probe 2", "probe 4"];
    assert_eq!(recorded(&outcome), once);
    let bytes = std::fs::read(outcome.run_dir.join("probes/step-000004.safetensors")).expect("the last probe");
    let maps = ProbeFile::from_bytes(&bytes, Path::new("step-000004")).expect("a probe").maps;
    assert!(maps.is_some(), "the end of a run is looked at in full");
    // At the goal, and past it.
    for max_steps in [4, 3] {
        let again = Request { max_steps: Some(max_steps), start: Start::Resume(outcome.run_dir.clone()), ..request.clone() };
        let resumed = train(&again, |_, _| {});
        assert_eq!(recorded(&resumed), once, "{max_steps}");
        assert_eq!((resumed.status, resumed.evaluated, &resumed.similarity), (Status::Finished, outcome.evaluated, &outcome.similarity));
    }
}

#[test]
fn a_training_that_cannot_go_on_says_why_in_its_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let images = folder.path().join("images");
    for (half, class, red) in [("train", "a", 10), ("train", "b", 200), ("val", "a", 20), ("val", "b", 210)] {
        let class_dir = images.join(half).join(class);
        std::fs::create_dir_all(&class_dir).expect("a folder");
        for ix in 0..10 {
            image::RgbImage::from_pixel(28, 28, image::Rgb([red + ix, 0, 0])).save(class_dir.join(format!("{ix}.png"))).expect("an image");
        }
    }
    // Right at its beginning, so that only decoding it shows the damage.
    let damaged = images.join("train/a/7.png");
    let bytes = std::fs::read(&damaged).expect("the image");
    std::fs::write(&damaged, &bytes[..40]).expect("it is written");
    let path = format!("data.path={}", images.display());
    let sets = ["data.kind=folder", "data.fraction=1.0", &path, "model.num_classes=2", "train.batch=4", "schedule.epochs=5"];
    let request = request(&folder.path().join("runs"), &sets);
    let (_sender, commands) = channel();
    let error = run(&request, &commands, &mut |_| {}).wait().expect_err("1 of 20 images is too many").to_string();
    assert!(error.contains("7.png"), "{error}");

    let run_dir = std::fs::read_dir(folder.path().join("runs")).expect("runs").next().expect("one").expect("a folder").path();
    let recorded = read_run(&run_dir).expect("the run");
    assert_eq!(recorded.header.meta.status, Status::Interrupted);
    let Some(Event::Ended(ended)) = recorded.events.last() else { panic!("{:?}", recorded.events.last()) };
    assert_eq!((ended.status, ended.error.as_ref()), (Status::Interrupted, Some(&error)));
    let notes = std::fs::read_to_string(run_dir.join("events.jsonl")).expect("events");
    assert!(notes.contains("interrupted by an error") && notes.contains("\"level\":\"warn\""), "{notes}");
}

#[test]
fn run_json_names_what_computed_the_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let on = |device, start| {
        let request = Request { device, start, max_steps: Some(1), ..request(folder.path(), &["optim.lr=1e-3", "schedule.epochs=1"]) };
        let outcome = train(&request, |_, _| {});
        (outcome.run_dir.clone(), read_run(&outcome.run_dir).expect("the run").header.meta.versions)
    };
    let (run_dir, versions) = on(DeviceChoice::Cpu, Start::Fresh);
    let names: Vec<&str> = versions.keys().map(String::as_str).collect();
    assert_eq!(names, ["system", "vitrine"]);
    assert!(versions["system"].contains(std::env::consts::OS), "{versions:?}");
    if adapter().is_some() {
        let (_, versions) = on(DeviceChoice::Gpu, Start::Resume(run_dir));
        let names: Vec<&str> = versions.keys().map(String::as_str).collect();
        assert_eq!(names, ["driver", "system", "vitrine", "wgpu"]);
        assert!(!versions["driver"].is_empty(), "{versions:?}");
    }
}
