//! The keyboard: what each key does, in one list that is read and shown.

use egui::{Grid, Id, Key, KeyboardShortcut, Modifiers, RichText, Ui};

use super::timeline;
use crate::dashboard::model::{Action, Model};
use crate::dashboard::view::Screen;

/// A key with what it does.
struct Binding {
    shortcut: KeyboardShortcut,
    shown: &'static str,
    what: &'static str,
    action: Action,
}

/// Screens by number key.
const NUMBERS: [Key; 10] = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9, Key::Num0];

fn bindings() -> Vec<Binding> {
    let plain = |key, shown, what, action| Binding { shortcut: KeyboardShortcut::new(Modifiers::NONE, key), shown, what, action };
    let held = |held, key, shown, what, action| Binding { shortcut: KeyboardShortcut::new(held, key), shown, what, action };
    vec![
        held(Modifiers::COMMAND, Key::K, "Ctrl K", "Every action by name", Action::Palette),
        // With Shift first: a plain binding would take the key as well.
        held(Modifiers::SHIFT, Key::ArrowRight, "Shift →", "Playhead 100 steps on", Action::SeekBy(100)),
        held(Modifiers::SHIFT, Key::ArrowLeft, "Shift ←", "Playhead 100 steps back", Action::SeekBy(-100)),
        plain(Key::ArrowRight, "→", "Next probe", Action::SeekProbe(true)),
        plain(Key::ArrowLeft, "←", "Previous probe", Action::SeekProbe(false)),
        plain(Key::E, "E", "Next event", Action::SeekEvent),
        plain(Key::Space, "Space", "Play or pause", Action::PlayPause),
        plain(Key::Period, ".", "One step", Action::StepOnce),
        plain(Key::End, "End", "Follow the newest step", Action::Seek(None)),
        plain(Key::Home, "Home", "Playhead to the first step", Action::Seek(Some(1))),
        plain(Key::R, "R", "List of runs", Action::RunList),
        plain(Key::T, "T", "Dark or light", Action::SwitchTheme),
        plain(Key::S, "S", "Copy a link to this view", Action::Share),
        plain(Key::P, "P", "Save a picture of the window", Action::Picture),
        held(Modifiers::SHIFT, Key::Questionmark, "?", "This list", Action::Keys),
        plain(Key::Questionmark, "?", "This list", Action::Keys),
    ]
}

/// Reads the keyboard, unless a text is being typed.
pub fn read(ui: &Ui, model: &mut Model) {
    let is_typing = ui.ctx().text_edit_focused();
    let is_palette = |binding: &Binding| binding.action == Action::Palette;
    // A focused button or chart takes Space and the arrows for itself; the timeline means the playhead by them.
    let is_focused = ui.memory(|memory| memory.focused().is_some_and(|id| id != timeline::track_id()));
    let moves_focus =
        |binding: &Binding| matches!(binding.shortcut.logical_key, Key::Space | Key::ArrowLeft | Key::ArrowRight | Key::Home | Key::End);
    for binding in bindings() {
        let is_free = is_palette(&binding) || (!is_typing && model.palette.is_none() && !(is_focused && moves_focus(&binding)));
        if is_free && ui.input_mut(|input| input.consume_shortcut(&binding.shortcut)) {
            model.ask(binding.action);
        }
    }
    if is_typing || model.palette.is_some() {
        return;
    }
    for (key, screen) in NUMBERS.into_iter().zip(Screen::ALL) {
        if ui.input_mut(|input| input.consume_key(Modifiers::NONE, key)) {
            model.ask(Action::Go(screen));
        }
    }
}

/// Shows the list of keys while it is open.
pub fn show(ui: &Ui, model: &mut Model) {
    if !model.are_keys_open {
        return;
    }
    let answer = egui::Modal::new(Id::unique("keys")).show(ui.ctx(), |ui| {
        ui.heading("Keys");
        Grid::new("keys").num_columns(2).spacing([24.0, 6.0]).show(ui, |ui| {
            let mut seen = Vec::new();
            for binding in bindings() {
                if !seen.contains(&binding.shown) {
                    ui.label(RichText::new(binding.shown).monospace());
                    ui.label(binding.what);
                    ui.end_row();
                    seen.push(binding.shown);
                }
            }
            ui.label(RichText::new("1 … 9, 0").monospace());
            ui.label("The screens, from the left");
            ui.end_row();
            ui.label(RichText::new("Tab, Enter").monospace());
            ui.label("From button to button, and press it");
            ui.end_row();
        });
        ui.button("Close").clicked()
    });
    if answer.inner || answer.should_close() {
        model.are_keys_open = false;
    }
}
