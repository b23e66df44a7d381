//! Twin A/B: two stems trained side by side, same seed, same batches, mirrored charts.

use std::collections::BTreeMap;

use egui::{ComboBox, RichText, TextEdit, Ui};

use crate::config::load::load_for_training;
use crate::config::{Experiment, Sources};
use crate::dashboard::form::STEMS;
use crate::dashboard::host::{Order, RunKey, Start};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::panels::train;
use crate::dashboard::runs::{Metric, Run};
use crate::dashboard::theme;
use crate::dashboard::view::{Screen, XAxis};
use crate::dashboard::widgets::chart::{self, ChartSpec, Trace};
use crate::dashboard::widgets::{card, feed, sign, state};
use crate::dashboard::words;
use crate::run::command::Command;
use crate::run::number::short;

/// Height of a chart.
const HEIGHT: f32 = 200.0;

/// A setting at which the effect of the stem shows within a minute: 10 000 embedded images, 320 steps
/// of 64, constant learning rate after 100 steps of warm-up. In a PyTorch pilot of one seed, 1Proj
/// collapsed at learning rate 8e-3 (13 % right) and 1Proj+1BN+1ReLU did not (65 %).
const SETTING: [(&str, &str); 10] = [
    ("model.depth", "6"),
    ("augment.hflip", "0"),
    ("augment.label_smoothing", "0"),
    ("schedule.kind", "constant"),
    // 156 steps an epoch.
    ("schedule.epochs", "2.052"),
    ("schedule.warmup_epochs", "0.6411"),
    ("train.batch", "64"),
    ("probe.every", "40"),
    ("optim.lr", "8e-3"),
    ("train.seed", "0"),
];

/// What the twin is trained with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwinForm {
    /// Stems of A and B.
    pub stems: [String; 2],
    /// Keys of both, as text.
    pub texts: BTreeMap<&'static str, String>,
}

impl Default for TwinForm {
    fn default() -> Self {
        let texts = SETTING.iter().map(|(key, text)| (*key, (*text).to_string())).collect();
        Self { stems: ["1Proj+1BN+1ReLU".to_string(), "1Proj".to_string()], texts }
    }
}

impl TwinForm {
    /// The experiment of A (0) or B (1), or what is wrong with it.
    pub fn experiment(&self, side: usize) -> Result<Experiment, String> {
        let mut sets: Vec<String> = self.texts.iter().map(|(key, text)| format!("{key}={text}")).collect();
        sets.push(format!("model.stem={}", self.stems[side]));
        let sources = Sources { preset: Some("demo"), sets, ..Sources::default() };
        load_for_training(&sources).map(|resolved| resolved.experiment).map_err(|error| error.to_string().replace("--set ", ""))
    }

    fn orders(&self) -> Result<Vec<Order>, String> {
        let order = |side: usize| {
            let name = format!("twin {} {}", ["A", "B"][side], self.stems[side]);
            Ok(Order { name, experiment: self.experiment(side)?, start: Start::Fresh })
        };
        (0..2).map(order).collect()
    }
}

/// Starts both trainings; shows what is wrong where they cannot be.
pub fn start_action(model: &Model) -> Action {
    match model.twin.orders() {
        Ok(orders) => Action::Train(orders, Screen::Twin),
        Err(_) => Action::Show(Vec::new(), Screen::Twin),
    }
}

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Twin.title(), Screen::Twin.purpose());
    setting(ui, model);
    ui.add_space(theme::GAP_M);
    let keys: Vec<RunKey> = model.view.runs.iter().take(2).cloned().collect();
    if keys.len() < 2 {
        let runs = super::newest(model, 2, |_| true);
        super::offer(ui, model, "No twin yet", "Start one above, or select two runs in the list to see them mirrored", runs);
        return;
    }
    train::switches(ui, model);
    card::columns(ui, 2, 320.0, |ui, side| half(ui, model, &keys[side], side));
    verdict(ui, model, &keys);
}

fn setting(ui: &mut Ui, model: &mut Model) {
    let palette = theme::palette(ui);
    let mut is_started = false;
    let orders = model.twin.orders();
    let is_possible = orders.is_ok() && model.abilities.can_train;
    let running = model.trainings();
    let mut is_stopped = false;
    let start = |ui: &mut Ui| {
        let label = RichText::new("Start both").font(theme::title_font(theme::SIZE_BODY)).color(palette.on_accent);
        is_started = ui.add_enabled(is_possible, egui::Button::new(label).fill(palette.accent)).clicked();
        is_stopped = !running.is_empty() && ui.button("Stop both").on_hover_text("Write checkpoints and end").clicked();
    };
    card::show_with(ui, "Setting", start, |ui| {
        ui.horizontal_wrapped(|ui| {
            ui.set_row_height(ui.spacing().interact_size.y);
            for side in 0..2 {
                card::keep_together(ui, 240.0);
                let label = ui.label(["Stem A", "Stem B"][side]);
                let combo = ComboBox::from_id_salt(("stem", side)).selected_text(model.twin.stems[side].clone()).width(165.0);
                let answer = combo.show_ui(ui, |ui| {
                    for stem in STEMS {
                        ui.selectable_value(&mut model.twin.stems[side], (*stem).to_string(), *stem);
                    }
                });
                answer.response.labelled_by(label.id);
            }
            let fields =
                [("optim.lr", "Learning rate", 150.0), ("schedule.warmup_epochs", "Warm-up epochs", 165.0), ("train.seed", "Seed", 95.0)];
            for (key, name, width) in fields {
                card::keep_together(ui, width);
                let label = ui.label(name);
                if let Some(text) = model.twin.texts.get_mut(key) {
                    ui.add(TextEdit::singleline(text).desired_width(56.0)).labelled_by(label.id);
                }
            }
        });
        if let Err(error) = orders {
            ui.label(RichText::new(error).color(palette.bad));
        }
        let mut note = "Both begin from the same seed and see the same batches".to_string();
        if model.twin.texts == TwinForm::default().texts {
            note += "; learning rate 8e-3 after 100 warm-up steps is bold on purpose";
        }
        ui.label(RichText::new(note).size(theme::SIZE_SMALL).color(palette.muted));
    });
    if is_started {
        let action = start_action(model);
        model.ask(action);
    }
    if is_stopped {
        running.into_iter().for_each(|key| model.ask(Action::Command(key, Command::Stop)));
    }
}

fn half(ui: &mut Ui, model: &mut Model, key: &RunKey, side: usize) {
    let mut actions = Vec::new();
    let palette = theme::palette(ui);
    card::frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let Some(run) = model.runs.get(key) else {
            match model.runs.failure(key) {
                Some(reason) => {
                    ui.label(RichText::new(reason).color(palette.bad));
                }
                None => state::loading(ui, &format!("Opening {key}")),
            }
            return;
        };
        let slot = model.runs.slot(key);
        ui.horizontal(|ui| {
            ui.label(RichText::new(["A", "B"][side]).font(theme::title_font(theme::SIZE_HEADING)).color(palette.run(slot)));
            sign::run_line(ui, slot);
            ui.label(RichText::new(super::stem_of(run)).font(theme::title_font(theme::SIZE_TITLE)));
            sign::verdict(ui, run.verdict());
        });
        numbers(ui, run, model.step_of(run));
        let traces = [Trace { run, slot }];
        let [loss, norm] = [["loss a", "norm a"], ["loss b", "norm b"]][side];
        for (id, metric, height) in [(loss, Metric::Loss, HEIGHT), (norm, Metric::GradNorm, HEIGHT * 0.6)] {
            ui.label(RichText::new(metric.title()).size(theme::SIZE_SMALL).color(palette.muted));
            let spec = ChartSpec {
                id,
                metric,
                x_axis: model.view.x_axis,
                is_log_x: model.view.is_log_x,
                is_log_y: model.view.is_log_y || metric == Metric::GradNorm,
                is_smoothed: true,
                height,
                level: (metric == Metric::Loss).then(|| run.state.standing.chance_loss()).flatten().map(|level| (level, "chance, ln K")),
                step: model.view.step,
                steps: None,
                corners: corners(model, metric),
            };
            let answer = chart::show(ui, &spec, &traces, &|_| Vec::new());
            actions.extend(answer.clicked_step.map(|step| Action::Seek(Some(step))));
        }
        ui.label(RichText::new("Token similarity, layer × probe").size(theme::SIZE_SMALL).color(palette.muted));
        super::tokens::history(ui, run, 90.0, model.view.step);
        actions.extend(feed::show(ui, run, 150.0).map(|step| Action::Seek(Some(step))));
    });
    actions.into_iter().for_each(|action| model.ask(action));
}

/// What both charts of a metric show at least: all steps of both runs, also those planned, and all numbers.
fn corners(model: &Model, metric: Metric) -> Vec<[f64; 2]> {
    let axis = model.view.x_axis;
    let of = |run: &&Run| {
        let extent = run.curve(metric).raw.extent(0..run.num_points());
        let planned = if run.is_running() && axis != XAxis::Wall { run.state.standing.started.total_steps } else { run.last_step() };
        let x = run.x_of_step(axis, planned);
        (!extent.is_empty()).then(|| [[run.x_at(axis, 0), f64::from(extent.low)], [x, f64::from(extent.high)]])
    };
    model.view.runs.iter().take(2).filter_map(|key| model.runs.get(key)).collect::<Vec<_>>().iter().filter_map(of).flatten().collect()
}

fn numbers(ui: &mut Ui, run: &Run, step: u64) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GAP_L;
        card::figure(ui, &step.to_string(), "step");
        if let Some(stat) = run.stat_near(step) {
            card::figure(ui, &short(stat.loss), "loss");
            if let Some(accuracy) = stat.accuracy {
                card::figure(ui, &format!("{:.0} %", 100.0 * accuracy), "batch accuracy");
            }
        }
        if let Some(best) = run.state.standing.best {
            card::figure(ui, &format!("{:.1} %", 100.0 * best.top1), "best top-1");
        }
    });
}

/// What the pair shows, in a sentence.
fn verdict(ui: &mut Ui, model: &Model, keys: &[RunKey]) {
    let runs: Vec<&Run> = keys.iter().filter_map(|key| model.runs.get(key)).collect();
    let [a, b] = runs[..] else { return };
    let say = |run: &Run| {
        let ending = match run.state.standing.crash {
            Some(crash) => format!("crashed at step {} ({})", crash.step, words::alarm(crash.kind)),
            None => format!("is {} at step {}", run.verdict().name(), run.last_step()),
        };
        format!("{} {ending}", super::stem_of(run))
    };
    ui.add_space(theme::GAP_S);
    ui.label(RichText::new(format!("{}; {}.", say(a), say(b))).color(theme::palette(ui).muted));
}
