//! The built site in a browser: questions to its worker, and the summary it gives to scripts.

use std::path::PathBuf;

use serde_json::{Value, json};
use vitrine::serve::{Site, listen};

use super::chrome::{Chrome, until};

/// Settings of a model that trains in seconds on a processor.
pub const TOY: [&str; 10] = [
    "model.dim=16",
    "model.depth=1",
    "model.stem_width=4",
    "data.fraction=0.05",
    "train.batch=16",
    "train.eval_every=100",
    "schedule.kind=constant",
    "schedule.warmup_epochs=0",
    "probe.every=10",
    "probe.images=2",
];

/// A page of the site.
pub struct Page {
    /// The browser it is in.
    pub chrome: Chrome,
    address: String,
    name: String,
}

impl Page {
    /// Opens the site; `None`, said loudly, where there is no site or no browser.
    pub fn open(name: &str, has_webgpu: bool, query: &str) -> Option<Self> {
        let is_required = std::env::var("REQUIRE_BROWSER").is_ok();
        let Some(root) = std::env::var_os("VITRINE_SITE").map(PathBuf::from) else {
            assert!(!is_required, "REQUIRE_BROWSER is set, and VITRINE_SITE is not");
            eprintln!("SKIPPED: VITRINE_SITE names no built site");
            return None;
        };
        let Some(chrome) = Chrome::start(has_webgpu) else {
            assert!(!is_required, "REQUIRE_BROWSER is set, and there is no Chromium");
            eprintln!("SKIPPED: no Chromium");
            return None;
        };
        let listener = listen(0).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || Site { root, runs_dir: None }.serve(&listener));
        let mut page = Self { chrome, address: format!("http://localhost:{port}/"), name: name.to_string() };
        page.go_to(query);
        Some(page)
    }

    /// Opens the page anew, at `?query#hash`.
    pub fn go_to(&mut self, query: &str) {
        let address = format!("{}{query}", self.address);
        self.chrome.open("about:blank");
        self.chrome.open(&address);
        self.wait("the page starts", |state| state["device"].as_str().is_some_and(|device| !device.is_empty()).then_some(()));
    }

    /// The page's summary; null before it runs.
    pub fn state(&mut self) -> Value {
        let text = self.chrome.eval("window.vitrine ? window.vitrine.state() : null");
        text.as_str().map_or(Value::Null, |text| serde_json::from_str(text).expect("JSON"))
    }

    /// Asks the worker something.
    pub fn ask(&mut self, ask: &Value) {
        let text = serde_json::to_string(&ask.to_string()).expect("a string");
        self.chrome.eval(&format!("window.vitrine.ask({text})"));
    }

    /// Starts a training of the toy with further settings.
    pub fn train(&mut self, key: &str, sets: &[&str], max_steps: Option<u64>) {
        let sets: Vec<&str> = TOY.iter().chain(sets).copied().collect();
        self.ask(&json!({ "TrainPreset": { "key": key, "preset": "demo", "sets": sets, "max_steps": max_steps } }));
    }

    /// Waits for something in the summary; leaves a picture if it does not come.
    pub fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&Value) -> Option<T>) -> T {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| until(what, || look(&self.state()))));
        found.unwrap_or_else(|panic| {
            self.keep_picture();
            let state = self.state();
            eprintln!("{}: {state:#}\nerrors: {:#?}", self.name, self.chrome.errors);
            std::panic::resume_unwind(panic)
        })
    }

    /// Waits for a run that satisfies `look`: its id and summary.
    pub fn wait_for_run(&mut self, what: &str, look: impl Fn(&Value) -> bool) -> (String, Value) {
        self.wait(what, |state| {
            let runs = state["open"].as_object()?;
            runs.iter().find(|(_, run)| look(run)).map(|(id, run)| (id.clone(), run.clone()))
        })
    }

    /// Puts a picture of the page where failures are looked at.
    fn keep_picture(&mut self) {
        let folder = std::env::var_os("VITRINE_PICTURES").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = folder.join(format!("vitrine-{}.png", self.name));
        if std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, self.chrome.picture())).is_ok() {
            eprintln!("picture: {}", path.display());
        }
    }

    /// Nothing may have gone wrong unseen.
    pub fn assert_no_errors(&mut self) {
        // A question lets what was told before arrive.
        self.chrome.eval("1");
        assert!(self.chrome.errors.is_empty(), "{}: {:#?}", self.name, self.chrome.errors);
    }
}

/// The events of a run's summary: step and name.
pub fn events(run: &Value) -> Vec<(u64, String)> {
    serde_json::from_value(run["events"].clone()).expect("events")
}

/// The losses of the first and the last step.
pub fn losses(run: &Value) -> (f64, f64) {
    let of = |ix: usize| run["losses"][ix].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
    (of(0), of(1))
}
