//! A training of this machine, followed by a browser while it goes on.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command as Process, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;
use vitrine::platform::Wait as _;
use vitrine::run::command::Command;
use vitrine::run::files::probe_name;
use vitrine::run::store::RunStore;
use vitrine::run::vitrun;
use vitrine::train::session::Session;

use super::chrome::{Graphics, until};
use super::page::Page;
use super::scenes::native_request;
use crate::run_store::sample::{new_run, part, started};

/// Steps of the training.
const NUM_STEPS: u64 = 24;
/// Between two steps while somebody looks.
const PACE: Duration = Duration::from_millis(300);

/// A process that ends with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // It may have gone by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `vitrine dashboard --serve` on a free port; the process and its address.
fn serve(runs_dir: &std::path::Path) -> Option<(Served, String)> {
    let site = std::env::var_os("VITRINE_SITE")?;
    let mut command = Process::new(env!("CARGO_BIN_EXE_vitrine"));
    command.args(["dashboard", "--serve", "--port", "0", "--site"]).arg(site).arg("--runs-dir").arg(runs_dir);
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the server starts");
    let said = BufReader::new(process.stderr.take().expect("it is piped"));
    let served = Served(process);
    let address = said.lines().map_while(Result::ok).find_map(|line| {
        let (_, address) = line.split_once("http://")?;
        Some(format!("http://{}", address.split_whitespace().next()?))
    });
    Some((served, address.expect("it says where it listens")))
}

#[test]
fn a_native_training_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut page) = Page::without_page("live", Graphics::WebGl) else { return };
    let (_served, address) = serve(folder.path()).expect("there is a site, or the page had not opened");
    let request = native_request("followed", &["schedule.epochs=2"], Some(NUM_STEPS), folder.path());
    let (sender, commands) = mpsc::channel();
    let (told, id) = mpsc::channel();
    let training = std::thread::spawn(move || {
        let mut ignore = |_: &vitrine::run::event::Event| {};
        let session = Session::open(&request, &mut ignore).wait().expect("a session");
        told.send(session.run_dir().file_name().expect("a name").to_string_lossy().into_owned()).expect("somebody listens");
        session.finish(&commands).wait().expect("it ends")
    });
    sender.send(Command::Step).expect("it listens");
    let id = id.recv().expect("it began");
    page.serve_from(&address);
    page.go_to(&format!("#train?runs={id}"));
    let mut seen = 0;
    for least in [2, 6] {
        let run = page.wait_for("steps arrive while they are made", &id, |run| {
            std::thread::sleep(PACE);
            // A training that has ended no longer listens, and the test fails below.
            let _ = sender.send(Command::Step);
            run["num_steps"].as_u64() >= Some(seen + least)
        });
        assert_eq!(run["is_closed"], false, "it is followed live: {run}");
        seen = run["num_steps"].as_u64().unwrap_or(0);
    }
    sender.send(Command::Resume).expect("it listens");
    let run = page.wait_for("its end is seen", &id, |run| run["is_closed"] == true);
    assert_eq!((run["num_steps"].as_u64(), run["failure"].is_null()), (Some(NUM_STEPS), true), "{run}");
    training.join().expect("no panic");
    page.assert_no_errors();
}

/// A run whose process was killed calls itself running for ever; the page knows from the server that nobody writes it. It
/// takes no commands, and is saved with its probes.
#[test]
fn a_killed_run_has_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(mut page) = Page::without_page("killed", Graphics::WebGl) else { return };
    let (_served, address) = serve(folder.path()).expect("there is a site, or the page had not opened");
    let mut store = RunStore::create(folder.path(), new_run("killed")).expect("a new run");
    [vec![started(0)], part(1, 3)].concat().iter().for_each(|event| store.record(event).expect("recorded"));
    std::fs::write(store.probe_path(2), "arrays").expect("a probe");
    let id = store.meta().id.clone();
    drop(store);
    page.serve_from(&address);
    page.go_to(&format!("#train?runs={id}"));
    let run = page.wait_for("it is open", &id, |run| run["num_steps"] == 3);
    assert_eq!(run["is_closed"], true, "{run}");
    page.ask(&json!({ "Command": [id, "stop"] }));
    page.wait("the command is answered", |state| {
        state["messages"].as_array()?.iter().any(|text| text.as_str().is_some_and(|text| text.contains("another process"))).then_some(())
    });
    page.ask(&json!({ "ExportRun": [id, "Record"] }));
    let file = page.chrome.downloads.path().join(format!("{id}.vitrun"));
    let files = until("the file is downloaded", || vitrun::read(&std::fs::read(&file).ok()?, &file).ok());
    assert_eq!(files.by_name.get(&probe_name(2)).map(Vec::as_slice), Some(b"arrays".as_slice()), "its probes are in the file");
    page.assert_no_errors();
}
