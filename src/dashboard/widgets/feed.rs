//! Events as a list: step, sign, reason; a click moves the playhead there.

use egui::{RichText, ScrollArea, Ui};

use super::{sign, state};
use crate::dashboard::runs::Run;
use crate::dashboard::theme;
use crate::dashboard::words;
use crate::run::alarm::{Level, Verdict};
use crate::run::event::Event;

/// Shows the events of a run, latest first; the step of the one that was clicked.
pub fn show(ui: &mut Ui, run: &Run, max_height: f32) -> Option<u64> {
    if run.notes.is_empty() {
        state::empty(ui, "No events yet", "Starts, checkpoints, alarms and changes by hand appear here");
        return None;
    }
    let mut clicked = None;
    ScrollArea::vertical().id_salt(("feed", &run.head.key.0)).max_height(max_height).auto_shrink([false, true]).show(ui, |ui| {
        for event in run.notes.iter().rev() {
            clicked = clicked.or(row(ui, event));
        }
    });
    clicked
}

fn row(ui: &mut Ui, event: &Event) -> Option<u64> {
    let palette = theme::palette(ui);
    let answer = ui.horizontal_top(|ui| {
        ui.spacing_mut().interact_size.y = 18.0;
        ui.spacing_mut().button_padding.y = 1.0;
        let step = RichText::new(event.step().to_string()).monospace().color(palette.muted);
        let is_clicked =
            ui.add(egui::Button::new(step).frame(false).min_size(egui::vec2(52.0, 0.0))).on_hover_text("Move the playhead here").clicked();
        let (rect, _) = ui.allocate_exact_size(egui::Vec2::splat(14.0), egui::Sense::hover());
        let shape = match event.level() {
            Level::Fatal => Verdict::Crashed,
            Level::Warn => Verdict::Unstable,
            Level::Info => Verdict::Healthy,
        };
        let radius = if event.level() == Level::Info { 3.0 } else { 5.0 };
        sign::verdict_shape(ui.painter(), rect.center(), radius, shape, palette.level(event.level()));
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 1.0;
            match event {
                Event::Alarm(alarm) => {
                    let title = words::sentence(&words::alarm(alarm.kind));
                    ui.label(RichText::new(title).font(theme::title_font(theme::SIZE_BODY)).color(palette.level(alarm.level)));
                    ui.label(words::sentence(&alarm.why));
                    ui.label(RichText::new(words::sentence(&alarm.hint)).color(palette.muted));
                }
                _ => {
                    ui.label(RichText::new(words::sentence(&event.why())).color(palette.muted));
                }
            }
        });
        is_clicked
    });
    answer.inner.then(|| event.step())
}
