//! What must work in every browser: one page on WebGPU, one without it.

use std::sync::mpsc;

use serde_json::{Value, json};
use vitrine::config::{Sources, load};
use vitrine::platform::Wait as _;
use vitrine::run::event::Event;
use vitrine::run::{read, vitrun};
use vitrine::train::session::{DeviceChoice, Request, Start, run};

use super::chrome::until;
use super::page::{Page, TOY, events, losses};

/// The kernels that the self-test must have seen, in both tiers.
const MIN_KERNELS: usize = 40;

#[test]
fn on_webgpu() {
    let Some(mut page) = Page::open("webgpu", true, "?device=gpu") else { return };
    let device = page.state()["device"].as_str().unwrap_or_default().to_string();
    assert!(!device.contains("cpu"), "{device}");
    trains(&mut page);
    crashes(&mut page);
    loses_its_device(&mut page);
    exports(&mut page);
    resumes(&mut page, "?device=gpu");
    is_well(&mut page);
    page.assert_no_errors();
}

#[test]
fn without_webgpu() {
    let Some(mut page) = Page::open("no-webgpu", false, "") else { return };
    assert!(page.state()["device"].as_str().is_some_and(|device| device.contains("cpu")));
    trains(&mut page);
    crashes(&mut page);
    exports(&mut page);
    resumes(&mut page, "");
    restores_a_link(&mut page);
    refuses_what_is_damaged(&mut page);
    page.assert_no_errors();
}

/// The loss of the toy falls below the uniform guess.
fn trains(page: &mut Page) {
    page.train("toy", &["optim.lr=3e-3", "schedule.epochs=3"], None);
    let (_, run) = page.wait_for_run("the loss falls", |run| {
        let (first, last) = losses(run);
        run["num_steps"].as_u64() > Some(40) && last < 0.8 * first
    });
    assert!(events(&run).iter().any(|(_, name)| name == "probe"), "{run}");
    page.wait_for_run("the toy ends", |run| run["is_closed"] == true && run["failure"].is_null());
}

/// An absurd learning rate is marked at the step where the same training crashes natively.
fn crashes(page: &mut Page) {
    let sets = ["optim.lr=1e20", "schedule.epochs=1"];
    page.train("crash", &sets, None);
    let is_crash = |run: &Value| run["is_closed"] == true && events(run).iter().any(|(_, name)| name == "non_finite");
    let (_, run) = page.wait_for_run("the crash is marked", is_crash);
    let step = events(&run).into_iter().find(|(_, name)| name == "non_finite").map(|(step, _)| step);

    let folder = tempfile::tempdir().expect("a folder");
    let sets = TOY.iter().chain(&sets).map(ToString::to_string).collect();
    let request = Request {
        resolved: load(&Sources { preset: Some("demo"), sets, ..Sources::default() }).expect("a good config"),
        name: "crash".into(),
        runs_dir: folder.path().to_path_buf(),
        max_steps: None,
        start: Start::Fresh,
        device: DeviceChoice::Cpu,
        adapter: None,
    };
    let outcome = run_natively(&request);
    assert_eq!(step, outcome, "the step of the crash");
}

fn run_natively(request: &Request) -> Option<u64> {
    let (_sender, commands) = mpsc::channel();
    run(request, &commands, &mut |_| {}).wait().expect("a session").crash.map(|crash| crash.step)
}

/// A lost device is an event, and the training comes to its end.
fn loses_its_device(page: &mut Page) {
    page.train("lost", &["schedule.epochs=2", "train.checkpoint_every=5"], Some(30));
    let (id, _) = page.wait_for_run("it is under way", |run| run["step"].as_u64() >= Some(8) && run["is_closed"] == false);
    page.ask(&json!({ "Command": [id, "lose_device"] }));
    page.wait_for_run("the training ends on a new device", |run| {
        run["is_closed"] == true && run["step"] == 30 && events(run).iter().any(|(_, name)| name == "device_lost")
    });
}

/// A run of the tab is a run natively: the same steps and the same losses.
fn exports(page: &mut Page) {
    page.train("short", &["schedule.epochs=1"], Some(12));
    let (id, run) = page.wait_for_run("a short run ends", |run| run["is_closed"] == true && run["step"] == 12);
    page.ask(&json!({ "ExportRun": id }));
    let file = page.chrome.downloads.path().join(format!("{id}.vitrun"));
    let bytes = until("the file is downloaded", || std::fs::read(&file).ok().filter(|bytes| !bytes.is_empty()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = vitrun::import(bytes.as_slice(), &file, folder.path()).expect("a run");
    let recorded = read::read_run(&path).expect("readable");
    let steps: Vec<f64> =
        recorded.events.iter().filter_map(|event| if let Event::Step(stat) = event { Some(stat.loss) } else { None }).collect();
    assert_eq!(steps.len(), 12);
    let (first, last) = losses(&run);
    assert!((steps[0] - first).abs() < 1e-2 && (steps[11] - last).abs() < 1e-2, "{steps:?} and {run}");
}

/// A training that a reload interrupts goes on from its last checkpoint.
fn resumes(page: &mut Page, query: &str) {
    page.train("long", &["schedule.epochs=50", "train.checkpoint_every=5"], None);
    let (id, run) = page.wait_for_run("a long run is under way", |run| run["is_closed"] == false && run["step"].as_u64() >= Some(12));
    // What is kept is written once a second.
    std::thread::sleep(std::time::Duration::from_secs(3));
    page.go_to(query);
    let step = run["step"].as_u64().unwrap_or(0);
    page.wait("it goes on", |state| {
        let run = &state["open"][&id];
        let is_resumed = events_of(run).iter().any(|(_, name)| name == "resumed");
        (is_resumed && run["num_steps"].as_u64() > Some(step + 3)).then_some(())
    });
    page.ask(&json!({ "Command": [id, "stop"] }));
    page.wait("it stops", |state| (state["open"][&id]["is_closed"] == true).then_some(()));
}

/// A link opens a recorded run on the screen it names, also before the list of runs is there.
fn restores_a_link(page: &mut Page) {
    let (file, step) = ("patchify-lr-8e-3", 223);
    let ends = |id: &Value| id.as_str().is_some_and(|id| id.ends_with(file));
    let id = page.wait("the recorded runs", |state| state["runs"].as_array()?.iter().find(|id| ends(id)).cloned());
    let id = id.as_str().expect("text");
    page.go_to(&format!("#autopsy?runs={id}"));
    let (_, run) = page.wait_for_run("the run of the link", |run| run["num_steps"] == step || !run["failure"].is_null());
    assert!(events(&run).iter().any(|(_, name)| name == "collapsed"), "{run}");
    assert!(page.state()["location"].as_str().is_some_and(|hash| hash.starts_with("autopsy") && hash.contains(id)));
}

fn events_of(run: &Value) -> Vec<(u64, String)> {
    if run.is_null() { Vec::new() } else { events(run) }
}

/// Every kernel passes the self-test in this browser's compiler.
fn is_well(page: &mut Page) {
    page.ask(&json!("CheckUp"));
    let kernels = page.wait("the doctor is done", |state| (state["kernels"][2] == true).then(|| state["kernels"].clone()));
    assert_eq!(kernels[1], json!([]), "kernels with trouble");
    assert!(kernels[0].as_u64() >= Some(MIN_KERNELS as u64), "{kernels}");
}

/// Damaged and foreign files are messages, and the app goes on.
fn refuses_what_is_damaged(page: &mut Page) {
    page.chrome.eval("window.vitrine.ask('{\"Import\":\"holiday.vitrun\"}', new Uint8Array([1, 2, 3]))");
    page.wait("a message", |state| {
        state["messages"].as_array()?.iter().any(|text| text.as_str().is_some_and(|text| text.contains("holiday.vitrun"))).then_some(())
    });
}
