//! The built site in a browser: questions to its worker, and the summary it gives to scripts.

use std::path::PathBuf;

use serde_json::{Value, json};
use vitrine::serve::{Site, listen};

use super::chrome::{Chrome, Graphics, until};

/// Settings of a model that trains in seconds on a processor.
pub const TOY: [&str; 11] = [
    "model.dim=16",
    "model.depth=1",
    "model.stem=1Proj+1BN+1ReLU",
    "model.strides=4",
    "data.fraction=0.05",
    "train.batch=16",
    "train.eval_every=100",
    "schedule.kind=constant",
    "schedule.warmup_epochs=0",
    "probe.every=10",
    "probe.images=2",
];

/// Letters of a summary that a failure prints.
const MAX_STATE: usize = 4000;

/// A page of the site.
pub struct Page {
    /// The browser it is in.
    pub chrome: Chrome,
    address: String,
    name: String,
}

impl Page {
    /// Opens the site; `None`, said loudly, where there is no site or no browser.
    pub fn open(name: &str, graphics: Graphics, query: &str) -> Option<Self> {
        let mut page = Self::without_page(name, graphics)?;
        page.go_to(query);
        Some(page)
    }

    /// A browser beside a served site that it has not opened yet.
    pub fn without_page(name: &str, graphics: Graphics) -> Option<Self> {
        let is_required = std::env::var("REQUIRE_BROWSER").is_ok();
        let Some(root) = std::env::var_os("VITRINE_SITE").map(PathBuf::from) else {
            assert!(!is_required, "REQUIRE_BROWSER is set, and VITRINE_SITE is not");
            eprintln!("SKIPPED: VITRINE_SITE names no built site");
            return None;
        };
        let Some(chrome) = Chrome::start(graphics) else {
            assert!(!is_required, "REQUIRE_BROWSER is set, and there is no Chromium");
            eprintln!("SKIPPED: no Chromium");
            return None;
        };
        let listener = listen(0).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || Site { root, runs_dir: None }.serve(&listener));
        Some(Self { chrome, address: format!("http://localhost:{port}/"), name: name.to_string() })
    }

    /// Opens the page anew, at `?query#hash`.
    pub fn go_to(&mut self, query: &str) {
        self.load(query);
        self.wait("the page starts", |state| state["device"].as_str().is_some_and(|device| !device.is_empty()).then_some(()));
    }

    /// Opens the page anew, whatever comes of it.
    pub fn load(&mut self, query: &str) {
        let address = format!("{}{query}", self.address);
        self.chrome.open("about:blank");
        self.chrome.open(&address);
    }

    /// Has the site come from another server.
    pub fn serve_from(&mut self, address: &str) {
        self.address = address.to_string();
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

    /// Starts a training of the toy with further settings; its id, once it has one.
    pub fn train(&mut self, key: &str, sets: &[&str], max_steps: Option<u64>) -> String {
        let sets: Vec<&str> = TOY.iter().chain(sets).copied().collect();
        let known = open_ids(&self.state());
        self.ask(&json!({ "TrainPreset": { "key": key, "preset": "demo", "sets": sets, "max_steps": max_steps } }));
        self.wait("the training has its id", |state| {
            assert!(state["open"][key]["failure"].is_null(), "{}", state["open"][key]);
            open_ids(state).into_iter().find(|id| id != key && !known.contains(id))
        })
    }

    /// Waits until the run with this id satisfies `look`; its summary.
    pub fn wait_for(&mut self, what: &str, id: &str, look: impl Fn(&Value) -> bool) -> Value {
        self.wait(what, |state| Some(state["open"][id].clone()).filter(|run| look(run)))
    }

    /// Carries out an action by its name, as people without a mouse do: Ctrl-K, the name, Enter.
    pub fn by_name(&mut self, name: &str) {
        // Letters go where text is typed, once the palette has opened.
        let is_typing = "document.activeElement?.tagName === 'INPUT'";
        self.chrome.press("k", true);
        self.watched(|page| until("the palette takes letters", || (page.chrome.eval(is_typing) == true).then_some(())));
        for letter in name.chars() {
            self.chrome.press(&letter.to_string(), false);
        }
        self.chrome.press("Enter", false);
        self.watched(|page| until("the palette is closed", || (page.chrome.eval(is_typing) == false).then_some(())));
    }

    /// Waits for something in the summary; leaves a picture if it does not come.
    pub fn wait<T>(&mut self, what: &str, mut look: impl FnMut(&Value) -> Option<T>) -> T {
        self.watched(|page| until(what, || look(&page.state())))
    }

    /// Waits until the words read aloud satisfy `look`.
    pub fn wait_for_words(&mut self, what: &str, look: impl Fn(&str) -> bool) {
        self.watched(|page| {
            until(what, || page.chrome.eval("document.getElementById('status').textContent").as_str().filter(|text| look(text)).map(drop));
        });
    }

    /// Waits for a run that satisfies `look`: its id and summary.
    pub fn wait_for_run(&mut self, what: &str, look: impl Fn(&Value) -> bool) -> (String, Value) {
        self.wait(what, |state| {
            let runs = state["open"].as_object()?;
            runs.iter().find(|(_, run)| look(run)).map(|(id, run)| (id.clone(), run.clone()))
        })
    }

    /// Does something; where it fails, a picture and the summary are left to look at.
    pub fn watched<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| act(self)));
        found.unwrap_or_else(|panic| {
            // A browser that no longer answers leaves nothing to look at.
            let left = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                self.keep_picture("failed");
                without_routine(self.state()).to_string().chars().take(MAX_STATE).collect::<String>()
            }));
            eprintln!("{}: {}\nerrors: {:#?}", self.name, left.unwrap_or_default(), self.chrome.errors);
            std::panic::resume_unwind(panic)
        })
    }

    /// Puts a picture of the page where it is looked at: `VITRINE_PICTURES`, else the folder for temporary files.
    pub fn keep_picture(&mut self, word: &str) {
        let folder = std::env::var_os("VITRINE_PICTURES").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = folder.join(format!("vitrine-{}-{word}.png", self.name));
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

/// The runs that are open.
pub fn open_ids(state: &Value) -> Vec<String> {
    state["open"].as_object().map_or(Vec::new(), |open| open.keys().cloned().collect())
}

/// A summary without the events that come all the time.
fn without_routine(mut state: Value) -> Value {
    for run in state["open"].as_object_mut().into_iter().flat_map(|open| open.values_mut()) {
        let is_rare = |event: &Value| !["checkpoint", "probe", "eval"].iter().any(|name| event[1] == *name);
        if let Some(events) = run["events"].as_array_mut() {
            events.retain(is_rare);
        }
    }
    state
}

/// The events of a run's summary: step and name.
pub fn events(run: &Value) -> Vec<(u64, String)> {
    if run.is_null() { Vec::new() } else { serde_json::from_value(run["events"].clone()).expect("events") }
}

/// The losses of the first and the last step.
pub fn losses(run: &Value) -> (f64, f64) {
    let of = |ix: usize| run["losses"][ix].as_str().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
    (of(0), of(1))
}
