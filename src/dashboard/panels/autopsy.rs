//! Autopsy: the steps around a fatal event, what gave way first, and what to try instead.

use std::sync::Arc;

use egui::{Grid, RichText, Ui};

use super::needs_run;
use crate::config::Experiment;
use crate::dashboard::cascade::{self, Cascade};
use crate::dashboard::host::{Order, RunKey, Start};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::runs::{Metric, Run};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::chart::{self, ChartSpec, Trace};
use crate::dashboard::widgets::{card, group_strip, sign};
use crate::dashboard::words;
use crate::run::alarm::Alarm;
use crate::run::number::short;

/// Steps shown on each side of the event.
const REACH_STEPS: u64 = 200;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Autopsy.title(), Screen::Autopsy.purpose());
    if !needs_run(ui, model, "Select a crashed run in the list, or start the twin and wait for one") {
        return;
    }
    let crashed = |run: &&Run| run.state.standing.crash.is_some();
    let Some(key) = model.selected().into_iter().find(crashed).or(model.lead()).map(|run| run.head.key.clone()) else { return };
    let Some(run) = model.runs.get(&key) else { return };
    let Some(alarm) = cause(run).cloned() else {
        let hint = format!("{} is {} so far; this screen is about runs with an alarm", run.name(), run.verdict().name());
        let runs = super::newest(model, 4, |head| head.meta.crash.is_some());
        super::offer(ui, model, "Nothing has crashed", &hint, runs);
        return;
    };
    finding(ui, model, &key, &alarm);
    ui.add_space(theme::GAP_M);
    around(ui, model, &key, &alarm);
    ui.add_space(theme::GAP_M);
    card::columns(ui, 2, 340.0, |ui, ix| match ix {
        0 => cascade_card(ui, model, &key, &alarm),
        _ => remedies(ui, model, &key, &alarm),
    });
}

/// The event to look at: the first fatal one, else the first warning.
fn cause(run: &Run) -> Option<&Alarm> {
    run.state.alarms.iter().find(|alarm| alarm.is_fatal()).or(run.state.alarms.first())
}

fn finding(ui: &mut Ui, model: &Model, key: &RunKey, alarm: &Alarm) {
    let palette = theme::palette(ui);
    let Some(run) = model.runs.get(key) else { return };
    card::frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_wrapped(|ui| {
            sign::verdict(ui, run.verdict());
            let title = format!("{}: {} at step {}", run.name(), words::alarm(alarm.kind), alarm.step);
            ui.label(RichText::new(title).font(theme::title_font(theme::SIZE_HEADING)).color(palette.level(alarm.level)));
        });
        ui.label(words::sentence(&alarm.why));
        if let Some(first) = alarm.first.as_ref().filter(|first| !alarm.why.contains(first.as_str())) {
            ui.label(RichText::new(format!("First seen in {first}")).color(palette.bad));
        }
        ui.label(RichText::new(words::sentence(&alarm.hint)).color(palette.muted));
        if let Some(parent) = &run.head.meta.parent {
            let text = format!("Forked from {}, {} at step {}", parent.run, parent.checkpoint, parent.step);
            ui.label(RichText::new(text).color(palette.muted));
        }
    });
}

fn around(ui: &mut Ui, model: &mut Model, key: &RunKey, alarm: &Alarm) {
    let Some(run) = model.runs.get(key) else { return };
    let slot = model.runs.slot(key);
    let steps = (alarm.step.saturating_sub(REACH_STEPS).max(1), (alarm.step + REACH_STEPS).min(run.last_step().max(alarm.step + 10)));
    let mut clicked = None;
    card::columns(ui, 2, 320.0, |ui, ix| {
        let (id, metric) = [("crash loss", Metric::Loss), ("crash norm", Metric::GradNorm)][ix];
        card::show(ui, &format!("{}, ±{REACH_STEPS} steps", metric.title()), |ui| {
            let spec = ChartSpec {
                id,
                metric,
                x_axis: crate::dashboard::view::XAxis::Step,
                is_log_x: false,
                is_log_y: metric == Metric::GradNorm || model.view.is_log_y,
                is_smoothed: false,
                height: 210.0,
                level: (metric == Metric::Loss).then(|| run.state.standing.chance_loss()).flatten().map(|level| (level, "chance, ln K")),
                step: Some(model.view.step.unwrap_or(alarm.step)),
                steps: Some(steps),
                corners: Vec::new(),
            };
            clicked = clicked.or(chart::show(ui, &spec, &[Trace { run, slot }], &|_| Vec::new()).clicked_step);
        });
    });
    let playhead = Some(model.view.step.unwrap_or(alarm.step));
    for (title, steps) in
        [(format!("Gradient norm by parameter group, ±{REACH_STEPS} steps"), Some(steps)), ("… over the whole run".into(), None)]
    {
        card::show(ui, &title, |ui| {
            clicked = clicked.or(group_strip::show(ui, run, 180.0, playhead, steps));
        });
    }
    if let Some(step) = clicked {
        model.ask(Action::Seek(Some(step)));
    }
}

/// The cascade of an alarm, worked out anew when there are more steps.
fn cascade_of(ui: &Ui, run: &Run, alarm: &Alarm) -> Arc<Cascade> {
    let id = egui::Id::unique(("cascade", &run.head.key.0, alarm.step));
    let kept: Option<(usize, Arc<Cascade>)> = ui.data(|data| data.get_temp(id));
    if let Some((_, known)) = kept.filter(|(num_points, _)| *num_points == run.num_points()) {
        return known;
    }
    let found = Arc::new(cascade::cascade(run, alarm));
    ui.data_mut(|data| data.insert_temp(id, (run.num_points(), found.clone())));
    found
}

fn cascade_card(ui: &mut Ui, model: &mut Model, key: &RunKey, alarm: &Alarm) {
    let palette = theme::palette(ui);
    let mut clicked = None;
    card::show(ui, "What gave way first", |ui| {
        let Some(run) = model.runs.get(key) else { return };
        let cascade = cascade_of(ui, run, alarm);
        ui.spacing_mut().interact_size.y = 18.0;
        Grid::new("cascade").num_columns(2).spacing([theme::GAP_M, 6.0]).show(ui, |ui| {
            for stage in &cascade.stages {
                let when = if stage.steps_before == 0 { "t₀".to_string() } else { format!("t−{}", stage.steps_before) };
                let ink = if stage.steps_before == 0 { palette.bad } else { palette.accent };
                if ui
                    .add(egui::Button::new(RichText::new(when).monospace().color(ink)).frame(false))
                    .on_hover_text("Move the playhead here")
                    .clicked()
                {
                    clicked = Some(alarm.step - stage.steps_before);
                }
                ui.add(egui::Label::new(&stage.what).wrap());
                ui.end_row();
            }
        });
        for note in &cascade.notes {
            ui.label(RichText::new(note).size(theme::SIZE_SMALL).color(palette.muted));
        }
    });
    if let Some(step) = clicked {
        model.ask(Action::Seek(Some(step)));
    }
}

/// A change worth a try after a crash.
#[derive(Clone, Debug, PartialEq)]
pub struct Remedy {
    /// What it is called.
    pub title: &'static str,
    /// What it changes.
    pub detail: String,
    /// The changed experiment.
    pub experiment: Experiment,
    /// Whether the weights before the crash still fit.
    pub keeps_weights: bool,
}

/// What to try instead of `experiment`.
pub fn remedies_of(experiment: &Experiment) -> Vec<Remedy> {
    let mut halved = experiment.clone();
    halved.optim.lr *= 0.5;
    let mut warmer = experiment.clone();
    warmer.schedule.warmup_epochs = (2.0 * warmer.schedule.warmup_epochs).max(1.0).min(warmer.schedule.epochs);
    let mut clipped = experiment.clone();
    clipped.optim.clip_grad = 1.0;
    let mut remedies = vec![
        Remedy {
            title: "Half the learning rate",
            detail: format!("optim.lr {} → {}", short(experiment.optim.lr), short(halved.optim.lr)),
            experiment: halved,
            keeps_weights: true,
        },
        Remedy {
            title: "A longer warm-up",
            detail: format!(
                "schedule.warmup_epochs {} → {}",
                short(experiment.schedule.warmup_epochs),
                short(warmer.schedule.warmup_epochs)
            ),
            experiment: warmer,
            keeps_weights: false,
        },
        Remedy {
            title: "Clip gradients",
            detail: format!("optim.clip_grad {} → 1", short(experiment.optim.clip_grad)),
            experiment: clipped,
            keeps_weights: true,
        },
    ];
    let scaled = match experiment.model.stem.as_str() {
        stem if stem.contains("BN") && stem.contains("ReLU") => None,
        stem if stem.starts_with("3Conv") => Some("3Conv+3BN+3ReLU+1Proj"),
        _ => Some("1Proj+1BN+1ReLU"),
    };
    if let Some(stem) = scaled {
        let mut stable = experiment.clone();
        stable.model.stem = stem.to_string();
        let detail = format!("model.stem {} → {stem}", experiment.model.stem);
        remedies.push(Remedy { title: "Add BatchNorm and ReLU", detail, experiment: stable, keeps_weights: false });
    }
    remedies
}

fn remedies(ui: &mut Ui, model: &mut Model, key: &RunKey, alarm: &Alarm) {
    let palette = theme::palette(ui);
    let mut actions = Vec::new();
    card::show(ui, "Try instead", |ui| {
        let Some(run) = model.runs.get(key) else { return };
        let Some(experiment) = &run.experiment else {
            ui.label("This version cannot read the run's config");
            return;
        };
        let snapshot = cascade_of(ui, run, alarm).snapshot_steps_before;
        for remedy in remedies_of(experiment) {
            let (start, place) = match snapshot.filter(|_| remedy.keeps_weights) {
                Some(steps) if run.has_pre_crash() => (Start::PreCrash(key.clone()), format!("from {steps} steps before the crash")),
                Some(_) => (Start::Fresh, "from the beginning: the state before the crash is not here".to_string()),
                None => (Start::Fresh, "from the beginning".to_string()),
            };
            if ui.add_enabled(model.abilities.can_train, egui::Button::new(remedy.title)).clicked() {
                let name = format!("{} {}", run.name(), remedy.title.to_lowercase());
                actions.push((Order { name, experiment: remedy.experiment.clone(), start }, key.clone()));
            }
            let words = format!("{}, {place}", remedy.detail);
            ui.add(egui::Label::new(RichText::new(words).size(theme::SIZE_SMALL).color(palette.muted)).wrap());
            ui.add_space(theme::GAP_XS);
        }
        if !model.abilities.can_train {
            ui.label(RichText::new("This page cannot train; see Doctor").color(palette.warn));
        }
    });
    for (order, crashed) in actions {
        model.ask(Action::Train(vec![order], Screen::Train));
        // The crashed run stays beside the new one.
        model.ask(Action::Toggle(crashed));
    }
}
