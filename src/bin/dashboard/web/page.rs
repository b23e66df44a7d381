//! The page: hands the questions of the screens to the worker, and its answers to the screens.

use std::cell::RefCell;
use std::rc::Rc;

use eframe::egui;
use js_sys::{Array, Function, Uint8Array};
use vitrine::config::Experiment;
use vitrine::dashboard::app::Dashboard;
use vitrine::dashboard::host::{Abilities, Checkup, Export, Host, Notice, Order, RunKey, Saved};
use vitrine::dashboard::lettering;
use vitrine::error::Result;
use vitrine::run::command::Command;
use vitrine::run::files::RunFiles;
use vitrine::run::tensors::Tensors;
use vitrine::run::vitrun;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::spawn_local;
use web_sys::HtmlCanvasElement;

use super::state::State;
use super::wire::{Ask, Told};

#[wasm_bindgen]
extern "C" {
    /// What `web/page.js` does for the page.
    #[derive(Clone)]
    pub type Front;

    /// Sends a message to the worker.
    #[wasm_bindgen(method)]
    fn post(this: &Front, text: &str, bytes: Option<Uint8Array>);

    /// Calls back with every message of the worker, every change of the address, every dropped folder of a run (its
    /// name and [name, bytes] of its files), and the reason when the worker has come to its end.
    #[wasm_bindgen(method)]
    fn listen(this: &Front, on_message: &Function, on_hash: &Function, on_folder: &Function, on_end: &Function);

    /// Lets the person pick files; calls back with name and bytes of each.
    #[wasm_bindgen(method, js_name = pickFiles)]
    fn pick_files(this: &Front, on_file: &Function);

    /// Lets the person pick a folder, which is taken like a dropped one.
    #[wasm_bindgen(method, js_name = pickFolder)]
    fn pick_folder(this: &Front);

    /// Has the browser download a file.
    #[wasm_bindgen(method)]
    fn download(this: &Front, name: &str, bytes: Uint8Array);

    /// Puts text where it is read aloud.
    #[wasm_bindgen(method)]
    fn say(this: &Front, text: &str);

    /// The part of the address after `#`.
    #[wasm_bindgen(method)]
    fn hash(this: &Front) -> String;

    /// Changes the part of the address after `#`.
    #[wasm_bindgen(method, js_name = setHash)]
    fn set_hash(this: &Front, hash: &str);

    /// The whole address with another part after `#`.
    #[wasm_bindgen(method)]
    fn link(this: &Front, hash: &str) -> String;

    /// Keeps the screen on while something trains.
    #[wasm_bindgen(method, js_name = keepAwake)]
    fn keep_awake(this: &Front, is_training: bool);
}

/// What has come from the worker, for the screens and for scripts.
#[derive(Default)]
struct Inbox {
    notices: Vec<Notice>,
    state: State,
    ctx: Option<egui::Context>,
    /// What the doctor has told so far.
    checkup: Option<Checkup>,
    /// Why the worker no longer answers.
    end: Option<String>,
}

impl Inbox {
    fn put(&mut self, notice: Notice) {
        self.notices.push(notice);
        if let Some(ctx) = &self.ctx {
            ctx.request_repaint();
        }
    }

    /// The worker is gone: what it was about to do will not come.
    fn end(&mut self, why: &str) {
        self.end = Some(why.to_string());
        for key in self.state.trainings() {
            self.fail(Notice::Closed(key.clone()));
            self.fail(Notice::RunFailed(key, why.to_string()));
        }
        if let Some(checkup) = self.checkup.clone().filter(|checkup| !checkup.is_done) {
            self.fail(ended_checkup(checkup, why));
        }
        self.fail(Notice::Estimate(Err(why.to_string())));
        let summary = format!("The trainer has stopped: {why}.");
        let help = "Reload the page: trainings go on from their last checkpoint".to_string();
        self.fail(Notice::Abilities(Abilities { device: "stopped".to_string(), summary, help, ..Abilities::default() }));
    }

    fn fail(&mut self, notice: Notice) {
        self.state.apply(&Told::Notice(notice.clone()));
        self.put(notice);
    }

    /// Answers a question that the worker can no longer hear.
    fn answer_alone(&mut self, ask: &Ask, why: &str) {
        let why = why.to_string();
        match ask {
            Ask::OpenRun(key) | Ask::Train(key, _) => self.fail(Notice::RunFailed(key.clone(), why)),
            Ask::ReadProbe(key, step) => self.put(Notice::Probe(key.clone(), *step, Err(why))),
            Ask::Estimate(_) => self.fail(Notice::Estimate(Err(why))),
            Ask::CheckUp => self.fail(ended_checkup(Checkup::default(), &why)),
            Ask::ListRuns => {}
            _ => self.fail(Notice::Message(format!("The trainer has stopped: {why}"))),
        }
    }
}

fn ended_checkup(mut checkup: Checkup, why: &str) -> Notice {
    checkup.facts.push(("trouble".to_string(), format!("the trainer has stopped: {why}")));
    checkup.is_done = true;
    Notice::Checkup(Box::new(checkup))
}

/// The host of the page.
struct Web {
    front: Front,
    inbox: Rc<RefCell<Inbox>>,
    num_trainings: u32,
}

/// What scripts can do with the page.
#[wasm_bindgen]
pub struct Handle {
    front: Front,
    inbox: Rc<RefCell<Inbox>>,
}

#[wasm_bindgen]
impl Handle {
    /// A summary of everything the page knows, as JSON.
    pub fn state(&self) -> String {
        let mut inbox = self.inbox.borrow_mut();
        inbox.state.location = self.front.hash();
        inbox.state.sum_up();
        serde_json::to_string(&inbox.state).expect("the state is plain data with text keys")
    }

    /// Asks something of the worker, as JSON of an `Ask`, with the bytes of a file where it takes one.
    pub fn ask(&self, text: &str, bytes: Option<Vec<u8>>) {
        self.front.post(text, bytes.map(|bytes| Uint8Array::from(bytes.as_slice())));
    }
}

/// The sample of letters as this page draws them: [`Lettering::coverage`].
///
/// [`Lettering::coverage`]: vitrine::dashboard::lettering::Lettering::coverage
#[wasm_bindgen]
pub fn letters() -> Vec<u8> {
    lettering::sample().coverage
}

/// Shows the screens on a canvas; the worker is running.
#[wasm_bindgen]
pub async fn show(front: Front, canvas: HtmlCanvasElement) -> std::result::Result<Handle, JsValue> {
    super::show_panics();
    let inbox: Rc<RefCell<Inbox>> = Rc::default();
    listen(&front, &inbox);
    let host = Web { front: front.clone(), inbox: inbox.clone(), num_trainings: 0 };
    let handle = Handle { front: front.clone(), inbox: inbox.clone() };
    let create =
        move |context: &eframe::CreationContext| -> std::result::Result<Box<dyn eframe::App>, Box<dyn std::error::Error + Send + Sync>> {
            inbox.borrow_mut().ctx = Some(context.egui_ctx.clone());
            let hash = front.hash();
            Ok(Box::new(Canvas { dashboard: Dashboard::new(&context.egui_ctx, Box::new(host), &hash), inbox }))
        };
    eframe::WebRunner::new().start(canvas, eframe::WebOptions::default(), Box::new(create)).await?;
    Ok(handle)
}

struct Canvas {
    dashboard: Dashboard,
    inbox: Rc<RefCell<Inbox>>,
}

impl eframe::App for Canvas {
    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        if let Some(secs) = frame.info().cpu_usage {
            self.inbox.borrow_mut().state.frame(1e3 * f64::from(secs));
        }
        self.dashboard.ui(ui);
    }
}

fn listen(front: &Front, inbox: &Rc<RefCell<Inbox>>) {
    let (to, own_front) = (inbox.clone(), front.clone());
    let on_message = Closure::<dyn FnMut(String, Option<Vec<u8>>)>::new(move |text: String, bytes: Option<Vec<u8>>| {
        take(&own_front, &to, &text, bytes.unwrap_or_default());
    });
    let to = inbox.clone();
    let on_hash = Closure::<dyn FnMut(String)>::new(move |hash: String| to.borrow_mut().put(Notice::Location(hash)));
    let (to, own_front) = (inbox.clone(), front.clone());
    let on_folder = Closure::<dyn FnMut(String, Array)>::new(move |name: String, files: Array| match packed(&files) {
        Ok(bytes) => ask_with(&own_front, &Ask::Import(format!("{name}.{}", vitrun::EXTENSION)), Some(&bytes)),
        Err(error) => to.borrow_mut().put(Notice::Message(format!("{name}: {error}"))),
    });
    let (to, own_front) = (inbox.clone(), front.clone());
    let on_end = Closure::<dyn FnMut(String)>::new(move |why: String| {
        to.borrow_mut().end(&why);
        own_front.keep_awake(false);
    });
    front.listen(
        on_message.into_js_value().unchecked_ref(),
        on_hash.into_js_value().unchecked_ref(),
        on_folder.into_js_value().unchecked_ref(),
        on_end.into_js_value().unchecked_ref(),
    );
}

/// [name, bytes] of a run folder's files as one file.
fn packed(files: &Array) -> Result<Vec<u8>> {
    let of = |pair: JsValue| {
        let pair = Array::from(&pair);
        (pair.get(0).as_string().unwrap_or_default(), Uint8Array::new(&pair.get(1)).to_vec())
    };
    vitrun::to_bytes(&RunFiles { by_name: files.iter().map(of).collect() })
}

/// A message of the worker.
fn take(front: &Front, inbox: &RefCell<Inbox>, text: &str, bytes: Vec<u8>) {
    let told = match serde_json::from_str::<Told>(text) {
        Ok(told) => told,
        Err(error) => Told::Notice(Notice::Message(format!("the trainer said something that makes no sense: {error}"))),
    };
    let mut inbox = inbox.borrow_mut();
    inbox.state.apply(&told);
    match told {
        Told::Notice(notice) => {
            if matches!(notice, Notice::Opened(..) | Notice::Closed(_) | Notice::RunFailed(..)) {
                front.keep_awake(inbox.state.is_training());
            }
            if let Notice::Checkup(checkup) = &notice {
                inbox.checkup = Some((**checkup).clone());
            }
            inbox.put(notice);
        }
        Told::Probe(key, step, trouble) => inbox.put(Notice::Probe(key, step, trouble.map_or(Ok(bytes), Err))),
        Told::Weights(name) => match Tensors::from_bytes(&bytes, name.as_ref()) {
            Ok(tensors) => inbox.put(Notice::Weights(name, Box::new(tensors))),
            Err(error) => inbox.put(Notice::Message(error.to_string())),
        },
        Told::Saved(name) => {
            inbox.state.saved.push((name.clone(), bytes.len()));
            front.download(&name, Uint8Array::from(bytes.as_slice()));
            inbox.put(Notice::Message(format!("{name} is among your downloads")));
        }
        Told::Speed { .. } => {}
    }
}

impl Web {
    fn ask(&self, ask: &Ask) {
        let mut inbox = self.inbox.borrow_mut();
        match inbox.end.clone() {
            Some(why) => inbox.answer_alone(ask, &why),
            None => ask_with(&self.front, ask, None),
        }
    }
}

fn ask_with(front: &Front, ask: &Ask, bytes: Option<&[u8]>) {
    let text = serde_json::to_string(ask).expect("questions are plain data with text keys");
    front.post(&text, bytes.map(Uint8Array::from));
}

impl Host for Web {
    fn poll(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.inbox.borrow_mut().notices)
    }

    fn list_runs(&mut self) {
        self.ask(&Ask::ListRuns);
    }

    fn open_run(&mut self, run: &RunKey) {
        self.ask(&Ask::OpenRun(run.clone()));
    }

    fn read_probe(&mut self, run: &RunKey, step: u64) {
        self.ask(&Ask::ReadProbe(run.clone(), step));
    }

    fn estimate(&mut self, experiment: &Experiment) {
        self.ask(&Ask::Estimate(Box::new(experiment.clone())));
    }

    fn train(&mut self, order: Order) -> RunKey {
        self.num_trainings += 1;
        let key = RunKey(format!("training {}", self.num_trainings));
        self.ask(&Ask::Train(key.clone(), Box::new(order)));
        key
    }

    fn command(&mut self, run: &RunKey, command: Command) {
        self.ask(&Ask::Command(run.clone(), command));
    }

    fn import(&mut self, file: egui::DroppedFileHandle) {
        let (front, inbox) = (self.front.clone(), self.inbox.clone());
        spawn_local(async move {
            let name = file.path().display().to_string();
            match file.bytes_async().await {
                Ok(bytes) => ask_with(&front, &Ask::Import(name), Some(&bytes)),
                Err(error) => inbox.borrow_mut().put(Notice::Message(format!("{name}: {error}"))),
            }
        });
    }

    fn pick_files(&mut self) -> bool {
        let front = self.front.clone();
        let on_file = Closure::<dyn FnMut(String, Vec<u8>)>::new(move |name: String, bytes: Vec<u8>| {
            ask_with(&front, &Ask::Import(name), Some(&bytes));
        });
        self.front.pick_files(on_file.into_js_value().unchecked_ref());
        true
    }

    fn pick_folder(&mut self) -> bool {
        self.front.pick_folder();
        true
    }

    fn open_path(&mut self, path: &str) {
        self.ask(&Ask::ImportFrom(path.to_string()));
    }

    fn export_run(&mut self, run: &RunKey, export: Export) {
        self.ask(&Ask::ExportRun(run.clone(), export));
    }

    fn delete_run(&mut self, run: &RunKey) {
        self.ask(&Ask::DeleteRun(run.clone()));
    }

    fn save(&mut self, file: Saved) {
        let mut inbox = self.inbox.borrow_mut();
        inbox.state.saved.push((file.name.clone(), file.bytes.len()));
        self.front.download(&file.name, Uint8Array::from(file.bytes.as_slice()));
        inbox.put(Notice::Message(format!("{} is among your downloads", file.name)));
    }

    fn check_up(&mut self) {
        self.ask(&Ask::CheckUp);
    }

    fn set_location(&mut self, hash: &str) {
        self.front.set_hash(hash);
    }

    fn link(&self, hash: &str) -> String {
        self.front.link(hash)
    }

    fn announce(&mut self, status: &str) {
        self.front.say(status);
    }
}
