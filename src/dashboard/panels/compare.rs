//! Compare: several runs in one chart and one table.

use egui::{ComboBox, RichText, Ui};

use super::compare_table;
use super::train;
use crate::dashboard::compare::{self, groups_by_all_but_seed};
use crate::dashboard::export::{self, tables};
use crate::dashboard::host::{RunHead, Saved};
use crate::dashboard::model::{Action, Model};
use crate::dashboard::parsed;
use crate::dashboard::runs::{Metric, Run};
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::sampled::{self, Group};
use crate::dashboard::widgets::{card, sign};

/// Height of the overlay.
const HEIGHT: f32 = 320.0;

/// Shows the screen.
pub fn show(ui: &mut Ui, model: &mut Model) {
    card::heading(ui, Screen::Compare.title(), Screen::Compare.purpose());
    if model.view.runs.is_empty() {
        let runs = super::newest(model, 4, |_| true);
        super::offer(ui, model, "No runs selected", "Select two or more in the list; their curves and configs appear here", runs);
        return;
    }
    if model.selected().is_empty() && !super::needs_run(ui, model, "") {
        return;
    }
    train::switches(ui, model);
    choices(ui, model);
    overlay(ui, model);
    ui.add_space(theme::GAP_M);
    table_card(ui, model);
    ui.add_space(theme::GAP_M);
    difference(ui, model);
}

fn choices(ui: &mut Ui, model: &mut Model) {
    ui.horizontal_wrapped(|ui| {
        for one in Metric::ALL {
            if sign::pill(ui, one.title(), model.view.metric == one).clicked() {
                model.view.metric = one;
            }
        }
        ui.add_space(theme::GAP_S);
        if sign::pill(ui, "group seeds", model.view.is_grouped)
            .on_hover_text("Runs that differ in the seed alone become one line: mean, and least to greatest")
            .clicked()
        {
            model.view.is_grouped = !model.view.is_grouped;
        }
        card::keep_together(ui, 220.0);
        let label = ui.label(RichText::new("baseline").size(theme::SIZE_SMALL).color(theme::palette(ui).muted));
        let shown =
            model.view.baseline.as_ref().and_then(|key| model.runs.head(key)).map_or("none", |head| head.meta.name.as_str()).to_string();
        let names: Vec<_> = model
            .view
            .runs
            .iter()
            .map(|key| (key.clone(), model.runs.head(key).map_or(key.0.clone(), |head| head.meta.name.clone())))
            .collect();
        let combo = ComboBox::from_id_salt("baseline").selected_text(shown).width(130.0).show_ui(ui, |ui| {
            ui.selectable_value(&mut model.view.baseline, None, "none");
            for (key, name) in &names {
                ui.selectable_value(&mut model.view.baseline, Some(key.clone()), name).on_hover_text(&key.0);
            }
        });
        combo.response.labelled_by(label.id);
    });
    ui.add_space(theme::GAP_S);
}

/// The run to compare to, as soon as it is open.
fn baseline(model: &Model) -> Option<&Run> {
    model.view.baseline.as_ref().and_then(|key| model.runs.get(key))
}

fn overlay(ui: &mut Ui, model: &mut Model) {
    let chart = ("overlay", model.view.metric, HEIGHT);
    if !model.view.is_grouped && model.view.baseline.is_none() {
        train::metric_card_of(ui, model, &model.view.runs.clone(), chart);
        let spec = train::chart_spec(model, chart);
        let selected = model.selected();
        let (csv, svg) = (|| export::series_csv(&selected, spec.metric), || export::chart_svg(&selected, &spec));
        let saved = save_buttons(ui, spec.metric.name(), &csv, &svg);
        saved.into_iter().for_each(|action| model.ask(action));
        return;
    }
    let baseline = baseline(model);
    let mut spec = train::chart_spec(model, chart);
    let title = match (baseline, &model.view.baseline) {
        (Some(run), _) => {
            // A difference has both signs, and chance is no level of it.
            (spec.is_log_y, spec.level) = (false, None);
            format!("{}, difference to {}", spec.metric.title(), run.name())
        }
        (None, Some(key)) => format!("{} (the baseline {key} is not open)", spec.metric.title()),
        (None, None) => spec.metric.title().to_string(),
    };
    let groups = groups(model);
    let answer = card::show(ui, &title, |ui| sampled::show(ui, &spec, &groups, baseline)).inner;
    let sampled = || sampled::sample(&groups, baseline, &spec);
    let (csv, svg) = (|| export::groups_csv(&groups, &sampled(), &spec), || export::groups_svg(title.clone(), &groups, &sampled(), &spec));
    let saved = save_buttons(ui, spec.metric.name(), &csv, &svg);
    let sought = answer.clicked_step.map(|step| Action::Seek(Some(step)));
    saved.into_iter().chain(sought).for_each(|action| model.ask(action));
}

/// Buttons that save what the chart shows.
fn save_buttons(ui: &mut Ui, name: &str, csv: &dyn Fn() -> String, svg: &dyn Fn() -> String) -> Option<Action> {
    let saved = |ending: &str, text: String| Action::Save(Saved::text(format!("{name}.{ending}"), text));
    let buttons = |ui: &mut Ui| {
        let is_csv = ui.button("Series as CSV").clicked();
        let is_svg = ui.button("Chart as SVG").clicked();
        let is_png = ui.button("Picture as PNG").on_hover_text("What the window shows now").clicked();
        match (is_csv, is_svg, is_png) {
            (true, ..) => Some(saved("csv", csv())),
            (_, true, _) => Some(saved("svg", svg())),
            (.., true) => Some(Action::Picture),
            _ => None,
        }
    };
    ui.horizontal_wrapped(buttons).inner
}

/// The selected runs, each alone or with those that differ in the seed.
fn groups(model: &Model) -> Vec<Group<'_>> {
    let selected = model.selected();
    let alone = |run: &&Run| vec![run.head.key.clone()];
    let keys = if model.view.is_grouped {
        let heads: Vec<&RunHead> = selected.iter().map(|run| &run.head).collect();
        groups_by_all_but_seed(&heads).into_iter().map(|group| group.into_iter().map(|head| head.key.clone()).collect()).collect()
    } else {
        selected.iter().map(alone).collect::<Vec<Vec<_>>>()
    };
    let group = |keys: Vec<crate::dashboard::host::RunKey>| {
        let runs: Vec<&Run> = keys.iter().filter_map(|key| model.runs.get(key)).collect();
        let name = runs.first().map_or(String::new(), |run| run.name().to_string());
        let name = if runs.len() > 1 { format!("{name} ×{}", runs.len()) } else { name };
        Group { name, slot: keys.first().map_or(0, |key| model.runs.slot(key)), runs }
    };
    keys.into_iter().map(group).collect()
}

fn table_card(ui: &mut Ui, model: &mut Model) {
    let heads: Vec<RunHead> = model.view.runs.iter().filter_map(|key| model.runs.head(key)).cloned().collect();
    let heads: Vec<&RunHead> = heads.iter().collect();
    let table = compare::table(&heads, model.view.is_grouped, model.view.baseline.as_ref());
    card::show(ui, "Runs", |ui| {
        compare_table::show(ui, model, &table);
        ui.add_space(theme::GAP_XS);
        ui.horizontal_wrapped(|ui| {
            if ui.button("Table as CSV").clicked() {
                model.ask(Action::Save(Saved::text("runs.csv", tables::table_csv(&table))));
            }
            if ui.button("Table as Markdown").clicked() {
                model.ask(Action::Save(Saved::text("runs.md", tables::table_markdown(&table))));
            }
        });
    });
}

/// The config keys that are not the same in all selected runs, value beside value.
fn difference(ui: &mut Ui, model: &Model) {
    let palette = theme::palette(ui);
    let heads: Vec<&RunHead> = model.view.runs.iter().filter_map(|key| model.runs.head(key)).collect();
    card::show(ui, "Config, where it differs", |ui| {
        let keys = compare::differing_keys(&heads);
        if keys.is_empty() {
            let text = if heads.len() < 2 { "Select a second run to see what differs" } else { "The configs are the same, key by key" };
            ui.label(RichText::new(text).color(palette.muted));
            return;
        }
        egui::ScrollArea::horizontal().id_salt("difference").show(ui, |ui| {
            egui::Grid::new("difference").striped(true).spacing([theme::GAP_L, 6.0]).show(ui, |ui| {
                ui.label("");
                for head in &heads {
                    ui.horizontal(|ui| {
                        sign::run_line(ui, model.runs.slot(&head.key));
                        ui.label(RichText::new(&head.meta.name).font(theme::title_font(theme::SIZE_BODY)));
                    });
                }
                ui.end_row();
                for key in &keys {
                    ui.label(RichText::new(key).monospace().color(palette.muted));
                    for head in &heads {
                        let parsed = parsed::config(&head.config_toml);
                        ui.label(RichText::new(parsed.values.get(key).map_or("–", String::as_str)).monospace());
                    }
                    ui.end_row();
                }
            });
        });
    });
}
