//! Everything by keyboard.

use egui::{Event, Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use vitrine::dashboard::view::Screen;
use vitrine::run::command::Command;

use super::host::Stage;
use super::sample;

#[test]
fn number_keys_show_screens() {
    let (mut harness, ..) = Stage::new(vec![sample::short()], "start").open();
    let keys = [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9, Key::Num0];
    for (key, screen) in keys.into_iter().zip(Screen::ALL) {
        harness.key_press(key);
        harness.run_steps(3);
        assert_eq!(harness.state().model.view.screen, screen);
    }
}

#[test]
fn the_playhead_moves_by_keys() {
    let crashed = sample::crashed();
    let (mut harness, ..) = Stage::new(vec![crashed.clone()], format!("train?runs={}", crashed.key())).open();
    let step = |harness: &egui_kittest::Harness<'static, vitrine::dashboard::app::Dashboard>| harness.state().model.view.step;
    harness.key_press(Key::E);
    harness.run_steps(3);
    assert_eq!(step(&harness), Some(202), "the first event is the growing gradient");
    harness.key_press(Key::E);
    harness.run_steps(3);
    assert_eq!(step(&harness), Some(214), "the next is the crash");
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(3);
    assert_eq!(step(&harness), Some(200), "the probe before");
    harness.key_press_modifiers(Modifiers::SHIFT, Key::ArrowLeft);
    harness.run_steps(3);
    assert_eq!(step(&harness), Some(100));
    harness.key_press(Key::ArrowRight);
    harness.run_steps(3);
    assert_eq!(step(&harness), Some(120), "the probe after");
    harness.key_press(Key::End);
    harness.run_steps(3);
    assert_eq!(step(&harness), None, "the newest step again");
}

#[test]
fn the_command_palette_finds_and_does() {
    let (mut harness, ..) = Stage::new(vec![sample::short()], "start").open();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(3);
    harness.get_by_label("Search every action").type_text("doctor");
    harness.run_steps(3);
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.screen, Screen::Doctor);
    assert!(harness.state().model.palette.is_none(), "the palette closes");
}

#[test]
fn arrows_choose_in_the_command_palette() {
    let (mut harness, ..) = Stage::new(vec![sample::short()], "compare").open();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(3);
    harness.get_by_label("Search every action").type_text("go to");
    harness.run_steps(3);
    for key in [Key::ArrowDown, Key::ArrowDown, Key::ArrowUp, Key::ArrowDown] {
        harness.key_press(key);
        harness.run_steps(2);
    }
    harness.key_press(Key::Enter);
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.screen, Screen::ALL[2]);
}

#[test]
fn the_timeline_in_focus_takes_the_arrows() {
    let crashed = sample::crashed();
    let (mut harness, ..) = Stage::new(vec![crashed.clone()], format!("train?runs={}&step=150", crashed.key())).open();
    harness.get_by_label("Timeline, step").focus();
    harness.run_steps(3);
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.step, Some(120));
    harness.key_press(Key::ArrowRight);
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.step, Some(160));
}

/// Where a frame takes its time, a name and Enter come in one.
#[test]
fn the_command_palette_takes_a_name_and_enter_at_once() {
    let (mut harness, ..) = Stage::new(vec![sample::short()], "compare").open();
    harness.key_press_modifiers(Modifiers::COMMAND, Key::K);
    harness.run_steps(3);
    let enter = Event::Key { key: Key::Enter, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE };
    harness.input_mut().events.extend([Event::Text("doctor".to_string()), enter]);
    harness.run_steps(3);
    assert_eq!(harness.state().model.view.screen, Screen::Doctor);
}

#[test]
fn space_pauses_a_training() {
    let mut live = sample::short();
    live.head.is_live = true;
    live.head.origin = vitrine::dashboard::host::Origin::Trained;
    live.events.pop();
    let (mut harness, log, _) = Stage::new(vec![live.clone()], format!("train?runs={}", live.key())).open();
    harness.key_press(Key::Space);
    harness.run_steps(3);
    harness.key_press(Key::Space);
    harness.run_steps(3);
    harness.key_press(Key::Period);
    harness.run_steps(3);
    let commands: Vec<Command> = log.borrow().commands.iter().map(|(_, command)| *command).collect();
    assert_eq!(commands, [Command::Pause, Command::Resume, Command::Step]);
}

#[test]
fn the_list_of_keys_opens_and_closes() {
    let (mut harness, ..) = Stage::new(Vec::new(), "start").open();
    harness.key_press(Key::Questionmark);
    harness.run_steps(3);
    harness.get_by_label("Every action by name");
    harness.key_press(Key::Escape);
    harness.run_steps(3);
    assert!(!harness.state().model.are_keys_open);
}
