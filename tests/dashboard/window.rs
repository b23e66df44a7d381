//! The host of the window: folders that are dropped, followed, saved and deleted; estimates.

use std::path::Path;
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use vitrine::dashboard::app::Dashboard;
use vitrine::dashboard::host::{Export, Host as _, Notice, RunKey};
use vitrine::dashboard::theme;
use vitrine::run::event::Status;
use vitrine::run::store::RunStore;
use vitrine::run::vitrun;
use vitrine::train::device::Device;

use crate::run_store::sample::{new_run, part, started, whole};
use crate::train::outcomes::{request, train};

#[allow(dead_code, reason = "the program uses all of it")]
#[path = "../../src/bin/dashboard/checkup.rs"]
mod checkup;
#[allow(dead_code, reason = "the program uses all of it")]
#[path = "../../src/bin/dashboard/exports.rs"]
mod exports;
#[allow(dead_code, reason = "the program uses all of it")]
#[path = "../../src/bin/dashboard/native/mod.rs"]
mod native;
#[allow(dead_code, reason = "the program uses all of it")]
#[path = "../../src/bin/dashboard/pace.rs"]
mod pace;

use native::host::{Native, expanded, key_of};

/// How long something may take to come about on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("waited {} s: {what}", PATIENCE.as_secs())
}

/// A run folder in which these events are recorded; as long as the store lives, somebody writes it.
fn recorded(runs_dir: &Path, events: &[vitrine::run::event::Event]) -> RunStore {
    let mut store = RunStore::create(runs_dir, new_run("demo")).expect("a new run");
    events.iter().for_each(|event| store.record(event).expect("recorded"));
    store
}

fn window(ctx: &egui::Context, native: Native) -> Harness<'static, Dashboard> {
    let dashboard = Dashboard::new(ctx, Box::new(native), "start");
    let builder = Harness::builder().with_size([1280.0, 860.0]).with_max_steps(12).allow_missing_glyphs();
    builder.with_context_setup(theme::install).build_ui_state(|ui, app: &mut Dashboard| app.ui(ui), dashboard)
}

#[test]
fn a_dropped_folder_of_a_live_run_is_shown_and_followed_once() {
    let (runs, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut store = recorded(elsewhere.path(), &[vec![started(0)], part(1, 3)].concat());
    let ctx = egui::Context::default();
    let mut native = Native::new(&ctx, runs.path().to_path_buf());
    let key = key_of(store.path(), runs.path());
    native.import_path(store.path());
    native.import_path(store.path());
    let mut harness = window(&ctx, native);
    // Deselected and selected again before it is open.
    harness.run_steps(1);
    assert_eq!(harness.state().model.view.runs, std::slice::from_ref(&key));
    for _ in 0..3 {
        let model = &mut harness.state_mut().model;
        model.view.toggle_run(&key);
        harness.run_steps(1);
    }
    harness.state_mut().model.view.runs = vec![key.clone()];
    let steps = |harness: &mut Harness<Dashboard>| {
        harness.run_steps(1);
        harness.state().model.runs.get(&key).map(|run| run.num_points())
    };
    until("it is open", || steps(&mut harness).filter(|&num| num == 3));
    part(4, 8).iter().for_each(|event| store.record(event).expect("recorded"));
    until("its steps arrive", || steps(&mut harness).filter(|&num| num >= 8));
    // A second follower would tell them once more.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(steps(&mut harness), Some(8));
    drop(store);
    until("its end is seen", || {
        harness.run_steps(1);
        harness.state().model.runs.get(&key).filter(|run| !run.head.is_live).map(drop)
    });
}

#[test]
fn a_copy_of_a_run_that_is_here_does_not_take_its_place() {
    let runs = tempfile::tempdir().expect("a folder");
    let store = recorded(runs.path(), &[vec![started(0)], part(1, 3)].concat());
    let file = runs.path().join("copy.vitrun");
    std::fs::write(&file, vitrun::pack(store.path(), false, Vec::new()).expect("packed")).expect("written");
    let mut native = Native::new(&egui::Context::default(), runs.path().to_path_buf());
    native.import_path(&file);
    let notices = native.poll();
    let id = store.meta().id.clone();
    assert!(notices.iter().any(|notice| matches!(notice, Notice::Select(RunKey(key)) if *key == id)), "{notices:?}");
    assert!(!notices.iter().any(|notice| matches!(notice, Notice::Opened(..))), "{notices:?}");
}

#[test]
fn an_ended_run_is_deleted_and_a_live_one_is_not() {
    let runs = tempfile::tempdir().expect("a folder");
    let store = recorded(runs.path(), &whole(Status::Finished));
    let (path, key) = (store.path().to_path_buf(), key_of(store.path(), runs.path()));
    let mut native = Native::new(&egui::Context::default(), runs.path().to_path_buf());
    let answer = |native: &mut Native, is_it: fn(&Notice) -> bool| {
        native.delete_run(&key);
        until("an answer", || native.poll().into_iter().find(is_it));
    };
    answer(&mut native, |notice| matches!(notice, Notice::Message(text) if text.contains("being trained")));
    assert!(path.join("run.json").is_file());
    drop(store);
    answer(&mut native, |notice| matches!(notice, Notice::Deleted(_)));
    assert!(!path.exists());
}

#[test]
fn a_run_is_saved_with_its_weights_and_without_and_they_alone() {
    let runs = tempfile::tempdir().expect("a folder");
    let store = recorded(runs.path(), &whole(Status::Finished));
    let key = key_of(store.path(), runs.path());
    let of = |export| exports::of_folder(store.path(), &key, export);
    assert!(of(Export::Weights).expect_err("there are none").to_string().contains("no checkpoint yet"));
    for (name, bytes) in [("last", "later"), ("best", "weights")] {
        std::fs::write(store.checkpoint_path(name), bytes).expect("a checkpoint");
    }
    let (name, bytes) = of(Export::Weights).expect("weights");
    assert_eq!((name, bytes.as_slice()), (format!("{key}-best.safetensors"), b"weights".as_slice()));
    for (export, has_weights) in [(Export::Record, false), (Export::WithWeights, true)] {
        let (name, bytes) = of(export).expect("a file");
        let files = vitrun::read(&bytes, name.as_ref()).expect("a run");
        assert_eq!(files.by_name.contains_key("checkpoints/last.safetensors"), has_weights, "{export:?}");
        assert_eq!(exports::of_files(&files, &key, Export::Weights).is_ok(), has_weights, "{export:?}");
    }
}

#[test]
fn the_time_of_a_training_comes_from_the_newest_run_on_the_same_device() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut pace = pace::Pace::default();
    assert_eq!(pace.flops_per_sec(runs.path(), &Device::Cpu), None, "nothing is known");
    pace.timed = Some(5e9);
    assert_eq!(pace.flops_per_sec(runs.path(), &Device::Cpu), Some(5e9), "the doctor has timed it");
    let mut toy = request(runs.path(), &["schedule.epochs=1"]);
    toy.max_steps = Some(12);
    let began = Instant::now();
    train(&toy, |_, _| {});
    let took_secs = began.elapsed().as_secs_f64();
    let flops = pace.flops_per_sec(runs.path(), &Device::Cpu).expect("a run has shown it");
    let estimate = pace::estimate(&toy.resolved.experiment, &Device::Cpu, Some(flops)).expect("it can be trained");
    let twelve_secs = estimate.secs.expect("its speed is known") * 12.0 / estimate.total_steps as f64;
    assert!(twelve_secs > 0.01 * took_secs && twelve_secs < 2.0 * took_secs, "{twelve_secs} s, and it took {took_secs} s");
}

#[test]
fn only_the_latest_question_is_answered() {
    let runs = tempfile::tempdir().expect("a folder");
    let mut native = Native::new(&egui::Context::default(), runs.path().to_path_buf());
    let widths = [16, 32, 48, 64].map(|dim| request(runs.path(), &[&format!("model.dim={dim}")]).resolved.experiment);
    widths.iter().for_each(|experiment| native.estimate(experiment));
    let expected = pace::estimate(&widths[3], &Device::Cpu, None).expect("it can be trained").params;
    let mut estimates = Vec::new();
    until("an answer", || {
        let told = native.poll().into_iter();
        estimates.extend(told.filter_map(|notice| if let Notice::Estimate(estimate) = notice { Some(estimate) } else { None }));
        (!estimates.is_empty()).then_some(())
    });
    std::thread::sleep(Duration::from_millis(500));
    estimates
        .extend(native.poll().into_iter().filter_map(|notice| if let Notice::Estimate(estimate) = notice { Some(estimate) } else { None }));
    assert_eq!(estimates.len(), 1);
    assert_eq!(estimates[0].as_ref().expect("it can be trained").params, expected);
}

#[test]
fn a_typed_path_may_begin_at_home() {
    let home = Path::new("/home/ada");
    for (typed, meant) in [("~", "/home/ada"), ("~/runs/a", "/home/ada/runs/a"), ("~bob/runs", "~bob/runs"), ("/runs/~", "/runs/~")] {
        assert_eq!(expanded(typed, Some(home)), Path::new(meant), "{typed}");
    }
    assert_eq!(expanded("~/runs", None), Path::new("~/runs"));
}
