//! The question whether a run is to go for good.

use egui::{Id, Modal, RichText, Ui};

use crate::dashboard::model::{Action, Model};
use crate::dashboard::theme;

/// Asks while a run is to go.
pub fn show(ui: &Ui, model: &mut Model) {
    let Some(key) = model.deleting.clone() else { return };
    let name = model.runs.head(&key).map_or_else(|| key.0.clone(), |head| head.meta.name.clone());
    let mut is_meant = false;
    let answer = Modal::new(Id::unique("delete")).show(ui.ctx(), |ui| {
        ui.set_width(420f32.min(ui.ctx().content_rect().width() - 48.0));
        ui.heading(format!("Delete {name}?"));
        let what = format!("{key}: its curves, events, probes and checkpoints. This cannot be undone.");
        ui.label(RichText::new(what).color(theme::palette(ui).muted));
        ui.horizontal(|ui| {
            is_meant = ui.button(RichText::new("Delete for good").color(theme::palette(ui).bad)).clicked();
            ui.button("Keep it").clicked()
        })
        .inner
    });
    if is_meant {
        model.ask(Action::Delete(key));
    }
    if is_meant || answer.inner || answer.should_close() {
        model.ask(Action::AskToDelete(None));
    }
}
