//! A host without a place: it has the samples, and remembers what it was asked.

use std::cell::RefCell;
use std::rc::Rc;

use egui_kittest::Harness;
use vitrine::config::Experiment;
use vitrine::dashboard::app::Dashboard;
use vitrine::dashboard::host::{Abilities, Checkup, Estimate, Export, Host, KernelFinding, Notice, Order, RunKey, Saved};
use vitrine::dashboard::theme;
use vitrine::run::command::Command;
use vitrine::run::probe::ProbeFile;

use super::sample::Sample;

/// What a host was asked.
#[derive(Default)]
pub struct Log {
    pub orders: Vec<Order>,
    pub commands: Vec<(RunKey, Command)>,
    pub saved: Vec<Saved>,
    pub locations: Vec<String>,
    pub announced: Vec<String>,
    pub opened: Vec<RunKey>,
    pub paths: Vec<String>,
    pub probes: Vec<(RunKey, u64)>,
    pub exports: Vec<(RunKey, Export)>,
}

/// The host.
pub struct Memory {
    pub samples: Vec<Sample>,
    pub log: Rc<RefCell<Log>>,
    pub notices: Rc<RefCell<Vec<Notice>>>,
    pub probe: Option<Vec<u8>>,
    pub bare_steps: Vec<u64>,
}

impl Memory {
    fn tell(&self, notice: Notice) {
        self.notices.borrow_mut().push(notice);
    }
}

impl Host for Memory {
    fn poll(&mut self) -> Vec<Notice> {
        self.notices.borrow_mut().drain(..).collect()
    }

    fn list_runs(&mut self) {
        self.tell(Notice::Runs(self.samples.iter().map(|sample| sample.head.clone()).collect(), Vec::new()));
    }

    fn open_run(&mut self, run: &RunKey) {
        self.log.borrow_mut().opened.push(run.clone());
        match self.samples.iter().find(|sample| sample.head.key == *run) {
            Some(sample) => self.tell(Notice::Opened(Box::new(sample.head.clone()), sample.events.clone())),
            None => self.tell(Notice::RunFailed(run.clone(), "there is no such run".to_string())),
        }
    }

    fn read_probe(&mut self, run: &RunKey, step: u64) {
        self.log.borrow_mut().probes.push((run.clone(), step));
        let bytes = self.probe.clone().ok_or_else(|| "the run has no probe files".to_string());
        let bare = || ProbeFile { cossim: vec![0.5; 6], maps: None }.to_tensors().to_bytes();
        let bytes = if self.bare_steps.contains(&step) { Ok(bare()) } else { bytes };
        self.tell(Notice::Probe(run.clone(), step, bytes));
    }

    fn estimate(&mut self, experiment: &Experiment) {
        let estimate = Estimate {
            params: 213_322,
            total_steps: 1500,
            memory_bytes: 48_000_000,
            step_flops: 3.1e9,
            secs: Some(experiment.schedule.epochs * 10.0),
        };
        self.tell(Notice::Estimate(Ok(estimate)));
    }

    fn train(&mut self, order: Order) -> RunKey {
        let mut log = self.log.borrow_mut();
        log.orders.push(order);
        RunKey(format!("training-{}", log.orders.len()))
    }

    fn command(&mut self, run: &RunKey, command: Command) {
        self.log.borrow_mut().commands.push((run.clone(), command));
    }

    fn import(&mut self, _file: egui::DroppedFileHandle) {}

    fn pick_files(&mut self) -> bool {
        false
    }

    fn open_path(&mut self, path: &str) {
        self.log.borrow_mut().paths.push(path.to_string());
    }

    fn pick_folder(&mut self) -> bool {
        false
    }

    fn delete_run(&mut self, run: &RunKey) {
        self.samples.retain(|sample| sample.head.key != *run);
        self.tell(Notice::Deleted(run.clone()));
    }

    fn export_run(&mut self, run: &RunKey, export: Export) {
        self.log.borrow_mut().exports.push((run.clone(), export));
        self.tell(Notice::Message(format!("Saved {run}.vitrun")));
    }

    fn save(&mut self, file: Saved) {
        self.log.borrow_mut().saved.push(file);
    }

    fn check_up(&mut self) {
        let kernel = |name: &str, trouble: &str| KernelFinding {
            kernel: name.to_string(),
            tier: "T0".to_string(),
            error: 3e-7,
            trouble: trouble.to_string(),
        };
        let kernels = vec![kernel("attention.forward", ""), kernel("layernorm.forward", "element 3 is 2.0, expected 1.0")];
        let op_millis = vec![("matmul".to_string(), 4.2), ("attention".to_string(), 1.1)];
        let facts = vec![("adapter".to_string(), "llvmpipe".to_string())];
        self.tell(Notice::Checkup(Box::new(Checkup { facts, kernels, op_millis, is_done: true })));
    }

    fn set_location(&mut self, hash: &str) {
        self.log.borrow_mut().locations.push(hash.to_string());
    }

    fn link(&self, hash: &str) -> String {
        format!("https://vitrine.example/#{hash}")
    }

    fn announce(&mut self, status: &str) {
        self.log.borrow_mut().announced.push(status.to_string());
    }
}

/// The app in its harness, what its host was asked, and what its host is about to tell.
pub type Opened = (Harness<'static, Dashboard>, Rc<RefCell<Log>>, Rc<RefCell<Vec<Notice>>>);

/// A stage for the app: size, theme, samples, view.
pub struct Stage {
    pub samples: Vec<Sample>,
    pub hash: String,
    pub size: [f32; 2],
    pub theme: egui::Theme,
    pub probe: Option<Vec<u8>>,
    /// Steps whose probes hold the similarity per layer only.
    pub bare_steps: Vec<u64>,
    pub is_drawn: bool,
}

impl Stage {
    /// The view `hash` on these samples, in a window of usual size.
    pub fn new(samples: Vec<Sample>, hash: impl Into<String>) -> Self {
        Self {
            samples,
            hash: hash.into(),
            size: [1280.0, 860.0],
            theme: egui::Theme::Dark,
            probe: None,
            bare_steps: Vec::new(),
            is_drawn: false,
        }
    }

    /// The app on this stage, after its first frames, with what its host was asked.
    pub fn open(self) -> Opened {
        let log: Rc<RefCell<Log>> = Rc::default();
        let notices: Rc<RefCell<Vec<Notice>>> = Rc::default();
        notices.borrow_mut().push(Notice::Abilities(Abilities {
            device: "cpu (2 threads)".to_string(),
            summary: "This machine trains on its processor.".to_string(),
            help: String::new(),
            drop_trouble: String::new(),
            can_train: true,
        }));
        let host =
            Memory { samples: self.samples, log: log.clone(), notices: notices.clone(), probe: self.probe, bare_steps: self.bare_steps };
        let ctx = egui::Context::default();
        let dashboard = Dashboard::new(&ctx, Box::new(host), &self.hash);
        let chosen = self.theme;
        let mut builder = Harness::builder().with_size(self.size).with_theme(chosen).with_max_steps(12).allow_missing_glyphs();
        builder = builder.with_context_setup(theme::install);
        if self.is_drawn {
            builder = builder.wgpu();
        }
        // Over the whole window: the harness would leave a margin.
        let whole = |ui: &mut egui::Ui, app: &mut Dashboard| {
            let rect = ui.ctx().content_rect();
            let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(rect));
            ui.set_clip_rect(rect);
            app.ui(&mut ui);
        };
        let mut harness = builder.build_ui_state(whole, dashboard);
        harness.run_steps(6);
        (harness, log, notices)
    }
}
