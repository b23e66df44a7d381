//! What must work in every browser: one page on WebGPU, one without it.

use std::path::Path;
use std::sync::mpsc;

use serde_json::{Value, json};
use vitrine::config::{Sources, load};
use vitrine::platform::Wait as _;
use vitrine::run::event::Event;
use vitrine::run::tensors::Tensors;
use vitrine::run::{number, read, vitrun};
use vitrine::train::session::{DeviceChoice, Outcome, Request, Start, run};

use super::chrome::{Graphics, until};
use super::page::{Page, TOY, events, losses, open_ids};

/// The kernels that the self-test must have seen, in both tiers.
const MIN_KERNELS: usize = 40;

#[test]
fn on_webgpu() {
    let Some(mut page) = Page::open("webgpu", Graphics::WebGpu, "?device=gpu") else { return };
    let device = page.state()["device"].as_str().unwrap_or_default().to_string();
    assert!(!device.contains("cpu"), "{device}");
    trains(&mut page);
    crashes(&mut page);
    trains_a_pair(&mut page);
    loses_its_device(&mut page);
    exports(&mut page);
    takes_a_dropped_run(&mut page);
    resumes(&mut page, "?device=gpu");
    restores_a_link(&mut page);
    is_well(&mut page);
    page.assert_no_errors();
}

#[test]
fn without_webgpu() {
    let Some(mut page) = Page::open("no-webgpu", Graphics::WebGl, "") else { return };
    assert!(page.state()["device"].as_str().is_some_and(|device| device.contains("cpu")));
    trains(&mut page);
    crashes(&mut page);
    starts_the_twin(&mut page);
    exports(&mut page);
    takes_a_dropped_run(&mut page);
    trains_on_dropped_images(&mut page);
    resumes(&mut page, "");
    restores_a_link(&mut page);
    refuses_what_is_damaged(&mut page);
    goes_on_with_a_full_disk(&mut page);
    page.assert_no_errors();
}

/// The toy learns: the loss falls, and it is right about the test images twice as often as by chance.
fn trains(page: &mut Page) {
    let id = page.train("toy", &["optim.lr=3e-3", "schedule.epochs=4"], None);
    let run = page.wait_for("the toy ends", &id, |run| run["is_closed"] == true && run["failure"].is_null());
    let (first, last) = losses(&run);
    assert!(run["num_steps"] == 124 && last < first && run["top1"].as_f64() >= Some(0.2), "{run}");
    assert!(events(&run).iter().any(|(_, name)| name == "probe"), "{run}");
}

/// An absurd learning rate is marked at the step where the same training crashes natively.
fn crashes(page: &mut Page) {
    let sets = ["optim.lr=1e20", "schedule.epochs=1"];
    let id = page.train("crash", &sets, None);
    let is_crash = |run: &Value| run["is_closed"] == true && events(run).iter().any(|(_, name)| name == "non_finite");
    let run = page.wait_for("the crash is marked", &id, is_crash);
    let step = events(&run).into_iter().find(|(_, name)| name == "non_finite").map(|(step, _)| step);

    let folder = tempfile::tempdir().expect("a folder");
    let outcome = run_natively(&native_request("crash", &sets, None, folder.path()));
    assert_eq!(step, outcome.crash.map(|crash| crash.step), "the step of the crash");
}

/// A training of the toy on this machine's processor.
pub fn native_request(name: &str, sets: &[&str], max_steps: Option<u64>, runs_dir: &Path) -> Request {
    let sets = TOY.iter().chain(sets).map(ToString::to_string).collect();
    Request {
        resolved: load(&Sources { preset: Some("demo"), sets, ..Sources::default() }).expect("a good config"),
        name: name.into(),
        runs_dir: runs_dir.to_path_buf(),
        max_steps,
        start: Start::Fresh,
        device: DeviceChoice::Cpu,
        adapter: None,
    }
}

fn run_natively(request: &Request) -> Outcome {
    let (_sender, commands) = mpsc::channel();
    run(request, &commands, &mut |_| {}).wait().expect("a session")
}

/// Two stems side by side, same seed, in one tab.
fn trains_a_pair(page: &mut Page) {
    let ids = [("pair A", "1Proj+1BN+1ReLU"), ("pair B", "1Proj")].map(|(key, stem)| {
        let stem = format!("model.stem={stem}");
        page.train(key, &[&stem, "schedule.epochs=1"], Some(12))
    });
    for id in &ids {
        page.wait_for("both of a pair end", id, |run| run["is_closed"] == true && run["num_steps"] == 12 && run["failure"].is_null());
    }
    page.go_to(&format!("?device=gpu#twin?runs={},{}", ids[0], ids[1]));
    for id in &ids {
        page.wait_for("the pair is on the screen", id, |run| run["num_steps"] == 12);
    }
    page.wait_for_words("the pair is read aloud", |words| {
        words.starts_with("Twin A/B screen; demo: ") && words.matches("step 12").count() == 2
    });
}

/// The twin of the first card, started by the keyboard alone; both make steps, and end when they are told to.
fn starts_the_twin(page: &mut Page) {
    page.by_name("start the twin");
    page.wait("the twin's screen", |state| state["location"].as_str()?.starts_with("twin").then_some(()));
    let sides = ["twin A 1Proj+1BN+1ReLU", "twin B 1Proj"].map(|name| {
        let is_under_way = |run: &Value| run["name"] == name && run["step"].as_u64() >= Some(2);
        page.wait_for_run("both sides make steps", is_under_way)
    });
    let [(_, a), (_, b)] = &sides;
    assert_eq!((a["failure"].is_null(), b["failure"].is_null()), (true, true), "{a} {b}");
    for (id, _) in &sides {
        page.ask(&json!({ "Command": [id, "stop"] }));
        page.wait_for("it stops", id, |run| run["is_closed"] == true);
    }
}

/// A lost device is an event, and the training comes to its end.
fn loses_its_device(page: &mut Page) {
    let id = page.train("lost", &["schedule.epochs=2", "train.checkpoint_every=5"], Some(30));
    page.wait_for("it is under way", &id, |run| run["step"].as_u64() >= Some(8));
    page.ask(&json!({ "Command": [id, "lose_device"] }));
    page.wait_for("the training ends on a new device", &id, |run| {
        run["is_closed"] == true && run["step"] == 30 && events(run).iter().any(|(_, name)| name == "device_lost")
    });
}

/// A run of the tab is a run natively: the same steps and the same losses.
fn exports(page: &mut Page) {
    let id = page.train("short", &["schedule.epochs=1"], Some(12));
    let run = page.wait_for("a short run ends", &id, |run| run["is_closed"] == true && run["step"] == 12);
    page.ask(&json!({ "ExportRun": [id, "Record"] }));
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
    page.ask(&json!({ "ExportRun": [id, "Weights"] }));
    let name = page.wait("the weights are saved", |state| {
        let mut saved = state["saved"].as_array()?.iter().filter_map(|file| file[0].as_str());
        saved.find(|name| name.starts_with(&id) && name.ends_with(".safetensors")).map(str::to_string)
    });
    let weights = page.chrome.downloads.path().join(name);
    let bytes = until("the weights are downloaded", || std::fs::read(&weights).ok().filter(|bytes| !bytes.is_empty()));
    let tensors = Tensors::from_bytes(&bytes, &weights).expect("safetensors");
    assert!(tensors.by_name.contains_key("head.weight"), "{:?}", tensors.by_name.keys());
    page.ask(&json!({ "DeleteRun": id }));
    page.wait("it is gone", |state| state["open"][&id].is_null().then_some(()));
}

/// A run trained natively, packed and dropped on the page, has its steps and losses there.
fn takes_a_dropped_run(page: &mut Page) {
    let folder = tempfile::tempdir().expect("a folder");
    let outcome = run_natively(&native_request("dropped", &["schedule.epochs=1"], Some(9), folder.path()));
    let recorded = read::read_run(&outcome.run_dir).expect("readable");
    let native: Vec<f64> =
        recorded.events.iter().filter_map(|event| if let Event::Step(stat) = event { Some(stat.loss) } else { None }).collect();
    let file = folder.path().join("dropped.vitrun");
    std::fs::write(&file, vitrun::pack(&outcome.run_dir, false, Vec::new()).expect("a packed run")).expect("written");
    page.chrome.drop_file(&file);
    let (_, run) = page.wait_for_run("the dropped run is open", |run| run["name"] == "dropped" && run["num_steps"] == 9);
    let shown = [number::short(native[0]), number::short(native[8])];
    assert_eq!(run["losses"], json!(shown));
}

/// A dropped folder of pictures is what the form trains on.
fn trains_on_dropped_images(page: &mut Page) {
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = folder.path().join("pictures");
    for (class, shade) in [("dark", 40), ("light", 200)] {
        std::fs::create_dir_all(pictures.join(class)).expect("a folder");
        for ix in 0..60 {
            let pixel = |x: u32, y: u32| image::Rgb([shade, (40 + 3 * x) as u8, (40 + 3 * y + ix) as u8]);
            let picture = image::RgbImage::from_fn(48, 40, pixel);
            picture.save(pictures.join(class).join(format!("{ix}.png"))).expect("written");
        }
    }
    page.chrome.drop_file(&pictures);
    page.wait("the form", |state| (state["location"].as_str()? == "train").then_some(()));
    let known = open_ids(&page.state());
    page.by_name("start training");
    let is_new = |id: &String| id.starts_with("20") && !known.contains(id);
    let id = page.wait("a new run", |state| open_ids(state).into_iter().find(is_new));
    // Two classes that any stem tells apart.
    let run = page.wait_for("it ends", &id, |run| run["is_closed"] == true);
    let (first, last) = losses(&run);
    assert!(run["failure"].is_null() && last < first && run["top1"] == 1.0, "{run}");
}

/// A training that a reload interrupts goes on from its last checkpoint.
fn resumes(page: &mut Page, query: &str) {
    let id = page.train("long", &["schedule.epochs=50", "train.checkpoint_every=5"], None);
    let run = page.wait_for("a long run is under way", &id, |run| run["is_closed"] == false && run["step"].as_u64() >= Some(12));
    page.go_to(query);
    let step = run["step"].as_u64().unwrap_or(0);
    page.wait("it goes on", |state| {
        let run = &state["open"][&id];
        let is_resumed = events(run).iter().any(|(_, name)| name == "resumed");
        (is_resumed && run["num_steps"].as_u64() > Some(step + 3)).then_some(())
    });
    page.ask(&json!({ "Command": [id, "stop"] }));
    // Its end is told once it is kept; else the next load of the page would go on with it once more.
    page.wait("it stops", |state| (state["open"][&id]["is_closed"] == true).then_some(()));
}

/// Where the browser's space for the site is full, the page says so, and the training comes to its end; once there is
/// space again, the run is kept like any other. (Chromium enforces no quota that DevTools sets, so the worker's puts fail
/// as they would.)
fn goes_on_with_a_full_disk(page: &mut Page) {
    let put = "IDBObjectStore.prototype.put";
    page.chrome.eval_in_worker(&format!("self.usual = {put}; {put} = () => {{ throw new DOMException('', 'QuotaExceededError') }}; 0"));
    let id = page.train("full", &["schedule.epochs=1", "train.checkpoint_every=2"], Some(20));
    page.wait("a message about the space", |state| says(state, "is full"));
    page.wait_for("it ends all the same", &id, |run| run["is_closed"] == true && run["step"] == 20);
    page.chrome.eval_in_worker(&format!("{put} = self.usual; 0"));
    page.wait("it is said that runs are kept again", |state| says(state, "keeps the runs again"));
    page.go_to(&format!("#train?runs={id}"));
    page.wait_for("it was kept after all", &id, |run| run["num_steps"] == 20);
}

/// A link opens a recorded run on the screen it names, also before the list of runs is there.
fn restores_a_link(page: &mut Page) {
    let (file, step) = ("patchify-lr-8e-3", 223);
    let ends = |id: &Value| id.as_str().is_some_and(|id| id.ends_with(file));
    let id = page.wait("the recorded runs", |state| state["runs"].as_array()?.iter().find(|id| ends(id)).cloned());
    let id = id.as_str().expect("text");
    page.go_to(&format!("#autopsy?runs={id}"));
    let (_, run) = page.wait_for_run("the run of the link", |run| run["num_steps"] == step || !run["failure"].is_null());
    assert!(events(&run).iter().any(|(_, name)| name == "collapsed") && run["is_closed"] == true, "{run}");
    assert!(page.state()["location"].as_str().is_some_and(|hash| hash.starts_with("autopsy") && hash.contains(id)));
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
    page.wait("a message", |state| says(state, "holiday.vitrun"));
}

/// Whether a passing message has these words.
fn says(state: &Value, words: &str) -> Option<()> {
    state["messages"].as_array()?.iter().any(|text| text.as_str().is_some_and(|text| text.contains(words))).then_some(())
}
