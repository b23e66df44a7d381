//! Train: one training, from its config to its last event.

use egui::{DragValue, RichText, Slider, Ui};

use super::{form, needs_run};
use crate::config::Experiment;
use crate::dashboard::form::Form;
use crate::dashboard::host::{Export, Order, RunKey, Start};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::runs::{Metric, Run};
use crate::dashboard::theme;
use crate::dashboard::view::{Screen, XAxis};
use crate::dashboard::widgets::chart::{self, ChartSpec, Dot, Trace};
use crate::dashboard::widgets::{card, feed, group_strip, sign, update_strip};
use crate::dashboard::words;
use crate::run::command::Command;
use crate::run::event::Status;
use crate::run::number::{is_finite, short};
use crate::run::report::grouped;

/// Height of the large chart.
const MAIN_HEIGHT: f32 = 260.0;
/// Height of the small charts.
const SIDE_HEIGHT: f32 = 150.0;

/// Width of the smoothing's name, slider and number together.
const SMOOTHING_WIDTH: f32 = 240.0;

/// The order of a training from its initial weights.
pub fn order(name: &str, experiment: Experiment) -> Order {
    let name = if name.trim().is_empty() { "run" } else { name.trim() };
    Order { name: name.to_string(), experiment, start: Start::Fresh }
}

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Train.title(), Screen::Train.purpose());
    if model.view.runs.is_empty() {
        form::show(ui, model);
        return;
    }
    if !needs_run(ui, model, "Select one in the list, or set up a training") {
        return;
    }
    if let Some(key) = model.lead().map(|run| run.head.key.clone()) {
        summary(ui, model, &key);
        ui.add_space(theme::GAP_M);
        switches(ui, model);
        charts(ui, model);
        ui.add_space(theme::GAP_M);
        card::columns(ui, 2, 340.0, |ui, ix| match ix {
            0 => events(ui, model, &key),
            _ => inside(ui, model, &key),
        });
    }
}

/// What the run is, how it stands, and what can be done with it.
fn summary(ui: &mut Ui, model: &mut Model, key: &RunKey) {
    let mut actions = Vec::new();
    let mut changed = None;
    card::frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        let Some(run) = model.runs.get(key) else { return };
        headline(ui, run, model.runs.failure(key));
        ui.add_space(theme::GAP_XS);
        numbers(ui, run, model.step_of(run));
        for note in &run.state.standing.started.notes {
            ui.label(RichText::new(words::sentence(note)).size(theme::SIZE_SMALL).color(theme::palette(ui).muted));
        }
        ui.add_space(theme::GAP_XS);
        ui.horizontal_wrapped(|ui| {
            if run.takes_commands() {
                controls(ui, run, &mut actions);
            }
            changed = choices(ui, run, &mut actions);
        });
    });
    if let Some(form) = changed {
        model.form = form;
        actions.push(Action::Show(Vec::new(), Screen::Train));
    }
    actions.into_iter().for_each(|action| model.ask(action));
}

/// Name, state, device, and how far it is.
fn headline(ui: &mut Ui, run: &Run, failure: Option<&str>) {
    let palette = theme::palette(ui);
    let (standing, is_running) = (&run.state.standing, run.is_running());
    ui.horizontal_wrapped(|ui| {
        sign::verdict(ui, standing.verdict);
        ui.label(RichText::new(run.name()).font(theme::title_font(theme::SIZE_TITLE)));
        let state = if is_running && run.is_paused { "paused" } else { run.head.meta.status_text(run.head.is_live) };
        let crash = standing.crash.map_or(String::new(), |crash| format!(", {}", words::crash(crash)));
        ui.label(RichText::new(format!("{state}, {}{crash}", standing.verdict.name())).color(palette.verdict(standing.verdict)));
        let place = format!("{}, {} parameters", standing.started.device, grouped(standing.started.params));
        ui.label(RichText::new(place).color(palette.muted));
    });
    if let Some(reason) = failure {
        ui.label(RichText::new(words::sentence(reason)).color(palette.bad));
    }
    if is_running {
        let total = standing.started.total_steps.max(1);
        let share = standing.num_steps() as f32 / total as f32;
        let answer = ui.add(egui::ProgressBar::new(share).desired_height(6.0).fill(palette.accent));
        answer.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::ProgressIndicator, true, format!("step {} of {total}", standing.num_steps()))
        });
    }
}

/// The numbers of a step.
fn numbers(ui: &mut Ui, run: &Run, step: u64) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = theme::GAP_L;
        if let Some(stat) = run.stat_near(step) {
            card::figure(ui, &short(stat.loss), "loss");
            if let Some(accuracy) = stat.accuracy {
                card::figure(ui, &format!("{:.1} %", 100.0 * accuracy), "batch accuracy");
            }
            card::figure(ui, &short(stat.grad_norm), "gradient norm");
            card::figure(ui, &short(stat.lr), "learning rate");
            card::figure(ui, &short(stat.images_per_sec), "images a second");
        }
        if let Some(best) = run.state.standing.best {
            card::figure(ui, &format!("{:.1} %", 100.0 * best.top1), &format!("best top-1, step {}", best.step));
        }
    });
}

/// What a training under way can be asked.
fn controls(ui: &mut Ui, run: &Run, actions: &mut Vec<Action>) {
    let key = &run.head.key;
    if let Some(stat) = run.state.standing.step.as_ref().filter(|stat| is_finite(stat.lr)) {
        live_lr(ui, key, stat.lr, actions);
    }
    if ui.button("Checkpoint").on_hover_text("Write the weights now").clicked() {
        actions.push(Action::Command(key.clone(), Command::Checkpoint));
    }
    if ui.button("Stop").on_hover_text("Write a checkpoint and end").clicked() {
        actions.push(Action::Command(key.clone(), Command::Stop));
    }
}

/// What can be done with any run; the form to train it again changed, if that is wanted.
fn choices(ui: &mut Ui, run: &Run, actions: &mut Vec<Action>) -> Option<Form> {
    let mut changed = None;
    if ui.button("New training").clicked() {
        actions.push(Action::Show(Vec::new(), Screen::Train));
    }
    if let Some(experiment) = &run.experiment {
        let is_unfinished = matches!(run.head.meta.status, Status::Interrupted | Status::Running) && !run.head.is_live;
        if is_unfinished && run.is_kept_here() && ui.button("Go on").on_hover_text("From its last checkpoint to its planned end").clicked()
        {
            let start = Start::Resume(run.head.key.clone());
            let order = Order { name: run.name().to_string(), experiment: experiment.clone(), start };
            actions.push(Action::Train(vec![order], Screen::Train));
        }
        if ui.button("Change and train again").on_hover_text("The form with this run's config").clicked() {
            changed = Some(Form::from_experiment(run.name(), experiment));
        }
    }
    if run.state.standing.crash.is_some() && ui.button("Autopsy").clicked() {
        actions.push(Action::Go(Screen::Autopsy));
    }
    files(ui, run, actions);
    changed
}

/// What is saved of a run, and whether it stays.
fn files(ui: &mut Ui, run: &Run, actions: &mut Vec<Action>) {
    let mut export = |ui: &mut Ui, name: &str, help: &str, export: Export| {
        if ui.button(name).on_hover_text(help).clicked() {
            actions.push(Action::Export(run.head.key.clone(), export));
        }
    };
    export(ui, "Save .vitrun", "What was recorded, as one file", Export::Record);
    if !run.is_kept_here() {
        return;
    }
    export(ui, "Save with weights", "The same with its checkpoints, to go on elsewhere", Export::WithWeights);
    export(ui, "Save weights", "The best ones, as safetensors that timm and PyTorch load", Export::Weights);
    if !run.head.is_live && ui.button("Delete …").on_hover_text("The run and its checkpoints, for good").clicked() {
        actions.push(Action::AskToDelete(Some(run.head.key.clone())));
    }
}

/// The learning rate as a slider and a number; letting go, or leaving the number, sends it, as an event that is recorded.
///
/// While it is held, the schedule moves on below it: the number shown is the one held.
fn live_lr(ui: &mut Ui, key: &RunKey, current_lr: f64, actions: &mut Vec<Action>) {
    const RANGE: std::ops::RangeInclusive<f64> = 1e-7..=1.0;
    let id = ui.scope_id().with(("lr", &key.0));
    let held: Option<[f64; 2]> = ui.data(|data| data.get_temp(id));
    // The widgets bring what lies outside their range into it, which is nobody's wish.
    let [mut lr, before] = held.unwrap_or([current_lr.clamp(*RANGE.start(), *RANGE.end()); 2]);
    let label = ui.label("Learning rate");
    let slider = Slider::new(&mut lr, RANGE).logarithmic(true).show_value(false);
    let slider = ui.add(slider).labelled_by(label.id).on_hover_text("Replaces the schedule from the next step on");
    let speed = 0.01 * lr;
    let number = DragValue::new(&mut lr)
        .range(RANGE)
        .speed(speed)
        .update_while_editing(false)
        .custom_formatter(|lr, _| short(lr))
        .custom_parser(|text| text.trim().parse().ok());
    let number = ui.add(number).labelled_by(label.id);
    if slider.dragged() || number.dragged() || number.has_focus() {
        ui.data_mut(|data| data.insert_temp(id, [lr, before]));
        return;
    }
    ui.data_mut(|data| data.remove::<[f64; 2]>(id));
    if lr != before {
        actions.push(Action::Command(key.clone(), Command::SetLr(lr)));
    }
}

/// Axes and smoothing, the same on every screen with charts.
pub fn switches(ui: &mut Ui, model: &mut Model) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        for axis in XAxis::ALL {
            if sign::pill(ui, axis.name(), model.view.x_axis == axis).clicked() {
                model.view.x_axis = axis;
            }
        }
        ui.add_space(theme::GAP_S);
        if sign::pill(ui, "log x", model.view.is_log_x).clicked() {
            model.view.is_log_x = !model.view.is_log_x;
        }
        if sign::pill(ui, "log y", model.view.is_log_y).clicked() {
            model.view.is_log_y = !model.view.is_log_y;
        }
        ui.add_space(theme::GAP_S);
        card::keep_together(ui, SMOOTHING_WIDTH);
        let label = ui.label(RichText::new("smoothing").size(theme::SIZE_SMALL).color(theme::palette(ui).muted));
        ui.spacing_mut().slider_width = 90.0;
        let slider = Slider::new(&mut model.view.smoothing, 0.0..=0.99).fixed_decimals(2);
        ui.add(slider).labelled_by(label.id).on_hover_text("Weight of the past in the bold curve, without the bias of its start");
    });
    ui.add_space(theme::GAP_S);
}

/// The chart of a metric over the selected runs; moves the playhead on a click.
pub fn metric_card(ui: &mut Ui, model: &mut Model, id: &'static str, metric: Metric, height: f32) {
    let runs = model.view.runs.clone();
    metric_card_of(ui, model, &runs, (id, metric, height));
}

/// A chart of a metric, with the axes of the screen and the line of chance.
pub fn chart_spec(model: &Model, (id, metric, height): (&'static str, Metric, f32)) -> ChartSpec {
    let chance = model.lead().filter(|_| metric == Metric::Loss).and_then(|run| run.state.standing.chance_loss());
    ChartSpec {
        id,
        metric,
        x_axis: model.view.x_axis,
        is_log_x: model.view.is_log_x,
        is_log_y: (model.view.is_log_y && metric.may_be_log()) || metric.is_norm(),
        is_smoothed: metric != Metric::Lr,
        height,
        level: chance.map(|level| (level, "chance, ln K")),
        step: model.view.step,
        steps: None,
        corners: Vec::new(),
    }
}

/// The same over these runs.
pub fn metric_card_of(ui: &mut Ui, model: &mut Model, runs: &[RunKey], chart: (&'static str, Metric, f32)) {
    let spec = chart_spec(model, chart);
    let mut answer = Default::default();
    card::show(ui, spec.metric.title(), |ui| {
        let open = runs.iter().filter_map(|key| model.runs.get(key)).filter(|run| run.has_axis(spec.x_axis));
        let traces: Vec<Trace> = open.map(|run| Trace { run, slot: model.runs.slot(&run.head.key) }).collect();
        let num_left = runs.iter().filter(|key| model.runs.get(key).is_some_and(|run| !run.has_axis(spec.x_axis))).count();
        if num_left > 0 {
            let text = format!("Left out: {num_left} selected, without a record of {}", spec.x_axis.label());
            ui.label(RichText::new(text).size(theme::SIZE_SMALL).color(theme::palette(ui).muted));
        }
        answer = chart::show(ui, &spec, &traces, &|run| dots(run, spec.metric));
    });
    if let Some(step) = answer.clicked_step {
        model.ask(Action::Seek(Some(step)));
    }
}

fn dots(run: &Run, metric: Metric) -> Vec<Dot> {
    let value = |eval: &crate::run::event::Eval| match metric {
        Metric::Loss => Some(eval.loss),
        Metric::Accuracy => Some(100.0 * eval.top1),
        _ => None,
    };
    run.state.evals.iter().filter_map(|eval| Some(Dot { step: eval.step, value: value(eval)? })).collect()
}

fn charts(ui: &mut Ui, model: &mut Model) {
    metric_card(ui, model, "loss", Metric::Loss, MAIN_HEIGHT);
    ui.add_space(theme::GAP_M);
    let side = [("accuracy", Metric::Accuracy), ("lr", Metric::Lr), ("grad norm", Metric::GradNorm), ("stem norm", Metric::StemNorm)];
    card::columns(ui, side.len(), 210.0, |ui, ix| metric_card(ui, model, side[ix].0, side[ix].1, SIDE_HEIGHT));
}

fn events(ui: &mut Ui, model: &mut Model, key: &RunKey) {
    let mut clicked = None;
    card::show(ui, "Events", |ui| {
        if let Some(run) = model.runs.get(key) {
            clicked = feed::show(ui, run, 260.0);
        }
    });
    if let Some(step) = clicked {
        model.ask(Action::Seek(Some(step)));
    }
}

/// Gradients by group and tokens by layer, over the steps: where a network gives way.
fn inside(ui: &mut Ui, model: &mut Model, key: &RunKey) {
    let mut clicked = None;
    card::show(ui, "Gradient norm, group × step", |ui| {
        if let Some(run) = model.runs.get(key) {
            clicked = group_strip::show(ui, run, 200.0, model.view.step, None);
        }
    });
    ui.add_space(theme::GAP_M);
    card::show(ui, "Update over weights, group × probe", |ui| {
        if let Some(run) = model.runs.get(key) {
            clicked = clicked.or(update_strip::show(ui, run, 200.0, model.view.step));
        }
    });
    ui.add_space(theme::GAP_M);
    card::show(ui, "Token similarity, layer × probe", |ui| {
        if let Some(run) = model.runs.get(key) {
            clicked = clicked.or(super::tokens::history(ui, run, 110.0, model.view.step));
        }
    });
    if let Some(step) = clicked {
        model.ask(Action::Seek(Some(step)));
    }
}
