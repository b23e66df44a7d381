//! The command palette: every action by name, filtered by what is typed.

use egui::{Align2, Id, Key, Modal, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use crate::config::presets;
use crate::dashboard::form::Form;
use crate::dashboard::host::Export;
use crate::dashboard::model::{Action, Model};
use crate::dashboard::panels;
use crate::dashboard::theme;
use crate::dashboard::view::Screen;
use crate::dashboard::widgets::field;
use crate::run::command::Command;

/// Rows shown at most.
const MAX_ROWS: usize = 12;

/// An action with its name.
pub struct Named {
    /// What it does.
    pub name: String,
    /// Its key, if it has one.
    pub key: &'static str,
    /// The action.
    pub action: Action,
}

/// Every action that makes sense now.
pub fn actions(model: &Model) -> Vec<Named> {
    let named = |name: String, key, action| Named { name, key, action };
    let mut all: Vec<Named> = Screen::ALL
        .into_iter()
        .map(|screen| named(format!("Go to {}: {}", screen.title(), screen.purpose()), "", Action::Go(screen)))
        .collect();
    let plain = [
        ("Play or pause", "Space", Action::PlayPause),
        ("One step", ".", Action::StepOnce),
        ("Next event", "E", Action::SeekEvent),
        ("Next probe", "→", Action::SeekProbe(true)),
        ("Previous probe", "←", Action::SeekProbe(false)),
        ("Follow the newest step", "End", Action::Seek(None)),
        ("Copy a link to this view", "S", Action::Share),
        ("Dark or light", "T", Action::SwitchTheme),
        ("Save a picture of the window (PNG)", "P", Action::Picture),
        ("Open files", "", Action::PickFiles),
        ("Open a folder of a run or of images", "", Action::PickFolder),
        ("List of runs", "R", Action::RunList),
        ("Look for new runs", "", Action::Refresh),
        ("Check the kernels of this device", "", Action::CheckUp),
        ("List of keys", "?", Action::Keys),
    ];
    all.extend(plain.into_iter().map(|(name, key, action)| named(name.to_string(), key, action)));
    if model.abilities.can_train {
        all.push(named("Watch a crash: start the twin".to_string(), "", panels::twin::start_action(model)));
        let is_on_form = model.view.screen == Screen::Train && model.view.runs.is_empty();
        all.extend(panels::form::start_action(model).filter(|_| is_on_form).map(|action| named("Start training".to_string(), "", action)));
        for preset in presets::all() {
            let form = Form::from_preset(preset.name);
            if let Ok(resolved) = form.resolved {
                let order = panels::train::order(&form.name, resolved.experiment);
                all.push(named(format!("Train {}", preset.name), "", Action::Train(vec![order], Screen::Train)));
            }
        }
    }
    for run in model.selected().into_iter().filter(|run| run.takes_commands()) {
        let key = &run.head.key;
        all.push(named(format!("Stop {}", run.name()), "", Action::Command(key.clone(), Command::Stop)));
        all.push(named(format!("Write a checkpoint of {}", run.name()), "", Action::Command(key.clone(), Command::Checkpoint)));
    }
    for run in model.selected() {
        let key = &run.head.key;
        all.push(named(format!("Save {} as a .vitrun file", run.name()), "", Action::Export(key.clone(), Export::Record)));
        if run.is_kept_here() {
            all.push(named(format!("Save {} with its weights", run.name()), "", Action::Export(key.clone(), Export::WithWeights)));
            all.push(named(format!("Save the weights of {}", run.name()), "", Action::Export(key.clone(), Export::Weights)));
        }
        if run.is_kept_here() && !run.head.is_live {
            all.push(named(format!("Delete {}", run.name()), "", Action::AskToDelete(Some(key.clone()))));
        }
    }
    for head in model.runs.all_heads() {
        let verb = if model.view.runs.contains(&head.key) { "Take out" } else { "Select" };
        all.push(named(format!("{verb} run {}", head.key), "", Action::Toggle(head.key.clone())));
    }
    all
}

/// Whether all letters of `typed` come in `name`, in order; words that begin with them rank first.
fn rank(name: &str, typed: &str) -> Option<usize> {
    let name = name.to_lowercase();
    let typed = typed.to_lowercase();
    if let Some(place) = name.find(typed.trim()) {
        return Some(place);
    }
    let mut letters = name.chars();
    let is_hit = typed.chars().filter(|letter| !letter.is_whitespace()).all(|letter| letters.any(|found| found == letter));
    is_hit.then_some(1000)
}

/// Shows the palette while it is open.
pub fn show(ui: &Ui, model: &mut Model) {
    let Some(mut typed) = model.palette.clone() else { return };
    let all = actions(model);
    let mut chosen = None;
    let area = Modal::default_area(Id::unique("palette")).anchor(Align2::CENTER_TOP, [0.0, 72.0]);
    let answer = Modal::new(Id::unique("palette")).area(area).show(ui.ctx(), |ui| {
        ui.set_width(520f32.min(ui.ctx().content_rect().width() - 48.0));
        let edit = TextEdit::singleline(&mut typed)
            .hint_text("What to do …")
            .desired_width(f32::INFINITY)
            .font(egui::FontId::proportional(theme::SIZE_TITLE));
        let answer = ui.add(edit);
        field::name(&answer, &typed, "Search every action");
        answer.request_focus();
        let is_entered = ui.input(|input| input.key_pressed(Key::Enter));
        let moves = |key| ui.input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key)) as isize;
        let moved = moves(Key::ArrowDown) - moves(Key::ArrowUp);
        // After the letters of this frame: where frames are slow, a name and Enter come in one.
        let mut hits: Vec<(usize, &Named)> = all.iter().filter_map(|named| Some((rank(&named.name, &typed)?, named))).collect();
        hits.sort_by_key(|(rank, _)| *rank);
        hits.truncate(MAX_ROWS);
        let row_id = Id::unique("palette row");
        let row: usize = if answer.changed() { 0 } else { ui.data(|data| data.get_temp(row_id)).unwrap_or(0) };
        let row = row.saturating_add_signed(moved).min(hits.len().saturating_sub(1));
        ui.data_mut(|data| data.insert_temp(row_id, row));
        ui.add_space(theme::GAP_XS);
        if hits.is_empty() {
            ui.label(RichText::new("Nothing of that name").color(theme::palette(ui).muted));
        }
        ScrollArea::vertical().max_height(380.0).show(ui, |ui| {
            for (ix, (_, named)) in hits.iter().enumerate() {
                let key = RichText::new(named.key).monospace().color(theme::palette(ui).muted);
                let button = egui::Button::new(RichText::new(&named.name))
                    .right_text(key)
                    .truncate()
                    .selected(ix == row)
                    .min_size([ui.available_width(), 28.0].into());
                // All begin at the same place; the one that Enter takes has a ground.
                let button = if ix == row { button } else { button.fill(theme::palette(ui).surface) };
                let answer = ui.add(button);
                if ix == row && moved != 0 {
                    answer.scroll_to_me(None);
                }
                if answer.clicked() || (ix == row && is_entered) {
                    chosen = Some(named.action.clone());
                }
            }
        });
    });
    model.palette = Some(typed);
    if chosen.is_some() || answer.should_close() {
        model.palette = None;
        ui.data_mut(|data| data.remove::<usize>(Id::unique("palette row")));
    }
    chosen.into_iter().for_each(|action| model.ask(action));
}

/// Asks for a path while one is wanted.
pub fn show_path_entry(ui: &Ui, model: &mut Model) {
    let Some(mut path) = model.path_entry.clone() else { return };
    let mut is_entered = false;
    let trouble = &model.abilities.drop_trouble;
    let dropping = if trouble.is_empty() { "Files can also be dropped on the window." } else { trouble };
    let answer = Modal::new(Id::unique("path entry")).show(ui.ctx(), |ui| {
        ui.set_width(460f32.min(ui.ctx().content_rect().width() - 48.0));
        ui.heading("Open");
        ui.label(
            RichText::new(format!("A .vitrun file, the folder of a run or of images, tfevents or safetensors. {dropping}"))
                .color(theme::palette(ui).muted),
        );
        let answer = ui.add(TextEdit::singleline(&mut path).hint_text("Path").desired_width(f32::INFINITY));
        field::name(&answer, &path, "Path of the file to open");
        answer.request_focus();
        is_entered = ui.input(|input| input.key_pressed(Key::Enter));
        ui.horizontal(|ui| {
            is_entered |= ui.button("Open this path").clicked();
            ui.button("Cancel").clicked()
        })
        .inner
    });
    model.path_entry = if answer.inner || answer.should_close() { None } else { Some(path.clone()) };
    if is_entered && !path.trim().is_empty() {
        model.path_entry = None;
        model.ask(Action::OpenPath(path.trim().to_string()));
    }
}
