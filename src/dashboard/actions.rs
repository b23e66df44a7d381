//! What a person asked for, carried out between two frames.

use std::sync::Arc;

use egui::{ColorImage, Context, ScreenshotCallback, Theme, ViewportCommand};

use super::app::Dashboard;
use super::host::{Order, RunKey, Saved};
use super::model::{Action, Model};
use super::runs::ProbeState;
use super::view::{Screen, View};
use crate::run::command::Command;
use crate::run::event::Event;

/// Carries out everything that was put down, and saves pictures that have arrived.
pub fn carry_out(app: &mut Dashboard, ctx: &Context) {
    for action in app.model.take_actions() {
        one(app, ctx, action);
        ctx.request_repaint();
    }
    let pictures: Vec<Arc<ColorImage>> = std::mem::take(&mut *app.pictures.lock().expect("no holder of the lock panics"));
    for picture in pictures {
        let name = format!("vitrine-{}.png", app.model.view.screen.slug());
        match super::export::png(&picture) {
            Ok(bytes) => app.host.save(Saved { name, bytes }),
            Err(error) => app.model.say(error),
        }
    }
}

fn one(app: &mut Dashboard, ctx: &Context, action: Action) {
    let Some(action) = change_view(&mut app.model, action) else { return };
    let Dashboard { model, host, .. } = app;
    match action {
        Action::Train(orders, screen) => train(app, orders, screen),
        Action::Command(key, command) => host.command(&key, command),
        Action::PlayPause => play_pause(app),
        Action::StepOnce => step_once(app),
        Action::ReadProbe(key, step) => {
            if let Some(run) = model.runs.get_mut(&key)
                && !run.probes.contains_key(&step)
            {
                run.probes.insert(step, ProbeState::Loading);
                host.read_probe(&key, step);
            }
        }
        Action::Retry(key) => retry(app, &key),
        Action::Refresh => host.list_runs(),
        Action::Save(saved) => host.save(saved),
        Action::Export(key, export) => host.export_run(&key, export),
        Action::AskToDelete(key) => model.deleting = key,
        Action::Delete(key) => host.delete_run(&key),
        Action::Picture => take_picture(app, ctx),
        Action::Share => {
            ctx.copy_text(host.link(&model.view.to_hash()));
            model.say("A link to this view was given to the clipboard");
        }
        Action::SwitchTheme => ctx.set_theme(if ctx.theme() == Theme::Dark { Theme::Light } else { Theme::Dark }),
        Action::PickFiles => {
            let has_dialog = host.pick_files();
            if !has_dialog {
                model.path_entry = Some(String::new());
            }
        }
        Action::PickFolder => {
            let has_dialog = host.pick_folder();
            if !has_dialog {
                model.path_entry = Some(String::new());
            }
        }
        Action::OpenPath(path) => host.open_path(&path),
        Action::CheckUp => {
            model.checkup = Some(Default::default());
            host.check_up();
        }
        // What is left changes the view, which is done.
        _ => {}
    }
}

/// Carries out what changes nothing but the view; gives back what is more than that.
fn change_view(model: &mut Model, action: Action) -> Option<Action> {
    match action {
        Action::Go(screen) => model.view.screen = screen,
        Action::Toggle(key) => model.view.toggle_run(&key),
        Action::Show(keys, screen) => {
            model.view.runs = keys;
            model.view.screen = screen;
            model.view.step = None;
        }
        Action::Seek(step) => model.view.step = step.filter(|&step| step < model.last_step()),
        Action::SeekProbe(is_forward) => seek_probe(model, is_forward),
        Action::SeekEvent => seek_event(model),
        Action::SeekBy(steps) => {
            let from = model.view.step.unwrap_or(model.last_step());
            model.view.step = Some(from.saturating_add_signed(steps).max(1)).filter(|&step| step < model.last_step());
        }
        Action::Palette => model.palette = if model.palette.is_some() { None } else { Some(String::new()) },
        Action::RunList => model.is_list_open = Some(!model.is_list_open.unwrap_or(true)),
        Action::Keys => model.are_keys_open = !model.are_keys_open,
        other => return Some(other),
    }
    None
}

/// Starts trainings, selects them and shows a screen.
fn train(app: &mut Dashboard, orders: Vec<Order>, screen: Screen) {
    let Dashboard { model, host, .. } = app;
    let mut keys = Vec::new();
    for order in orders {
        let key = host.train(order.clone());
        model.runs.note_order(&key, order);
        keys.push(key);
    }
    model.view = View { runs: keys, screen, step: None, ..model.view.clone() };
    model.runs.note_asked(&model.view.runs);
}

/// Asks for a picture of the window, which comes some frames later.
fn take_picture(app: &Dashboard, ctx: &Context) {
    let (pictures, waker) = (app.pictures.clone(), ctx.clone());
    let keep = move |picture| {
        pictures.lock().expect("no holder of the lock panics").push(picture);
        waker.request_repaint();
    };
    ctx.send_viewport_cmd(ViewportCommand::Screenshot(ScreenshotCallback::new(keep)));
}

/// Opens a run that failed again; a training that never began begins again, in its place.
fn retry(app: &mut Dashboard, key: &RunKey) {
    let Dashboard { model, host, .. } = app;
    model.runs.forgive(key);
    if let Some(order) = model.runs.take_order(key) {
        let new = host.train(order.clone());
        model.runs.note_order(&new, order);
        model.view.runs.iter_mut().filter(|selected| *selected == key).for_each(|selected| selected.clone_from(&new));
        model.runs.note_asked(&model.view.runs);
    }
}

/// Pauses or resumes every selected training; without one, the playhead.
fn play_pause(app: &mut Dashboard) {
    let running = app.model.trainings();
    app.model.is_playing = !app.model.is_playing;
    if running.is_empty() {
        // Playing from the end begins at the start.
        if app.model.is_playing && app.model.view.step.is_none() {
            app.model.view.step = Some(1);
        }
        return;
    }
    let is_paused = running.iter().any(|key| app.model.runs.get(key).is_some_and(|run| run.is_paused));
    for key in running {
        if let Some(run) = app.model.runs.get_mut(&key) {
            run.is_paused = !is_paused;
        }
        app.host.command(&key, if is_paused { Command::Resume } else { Command::Pause });
    }
    app.model.is_playing = false;
}

fn step_once(app: &mut Dashboard) {
    let running = app.model.trainings();
    if running.is_empty() {
        // The newest step has none behind it.
        let next = app.model.view.step.map(|step| step + 1);
        app.model.view.step = next.filter(|&step| step < app.model.last_step());
    }
    for key in running {
        if let Some(run) = app.model.runs.get_mut(&key) {
            run.is_paused = true;
        }
        app.host.command(&key, Command::Step);
    }
}

fn seek_probe(model: &mut Model, is_forward: bool) {
    let from = model.view.step.unwrap_or(model.last_step());
    let steps = model.selected().into_iter().flat_map(|run| run.state.probes.iter().map(|probe| probe.step)).collect::<Vec<_>>();
    let next =
        if is_forward { steps.into_iter().filter(|&step| step > from).min() } else { steps.into_iter().filter(|&step| step < from).max() };
    if let Some(step) = next {
        model.view.step = Some(step).filter(|&step| step < model.last_step());
    }
}

/// The next event that matters; from the last one, the first again.
fn seek_event(model: &mut Model) {
    let from = model.view.step.unwrap_or(0);
    let matters = |event: &&Event| {
        matches!(event, Event::Alarm(_) | Event::LrChanged(_) | Event::Resumed(_) | Event::DeviceLost(_) | Event::Unreadable(_))
    };
    let mut steps: Vec<u64> = model.selected().into_iter().flat_map(|run| run.notes.iter().filter(matters).map(Event::step)).collect();
    steps.sort_unstable();
    match steps.iter().find(|&&step| step > from).or(steps.first()) {
        Some(&step) => model.view.step = Some(step),
        None => model.say("The selected runs have no events to go to"),
    }
}
