//! What a panel shows when it has nothing to show: nothing yet, on its way, or broken.

use egui::{RichText, Ui};

use super::card;
use crate::dashboard::theme;

/// Nothing there yet: what would be here, and how to get it.
pub fn empty(ui: &mut Ui, title: &str, hint: &str) {
    centred(ui, |ui| {
        let palette = theme::palette(ui);
        ui.label(RichText::new(title).font(theme::title_font(theme::SIZE_TITLE)).color(palette.muted));
        ui.label(RichText::new(hint).color(palette.muted));
    });
}

/// Nothing there yet, with a picture of what would be here and something to press.
pub fn empty_with(ui: &mut Ui, picture: impl FnOnce(&mut Ui), title: &str, hint: &str, buttons: impl FnOnce(&mut Ui)) {
    centred(ui, |ui| {
        let palette = theme::palette(ui);
        ui.add_space(theme::GAP_L);
        picture(ui);
        ui.add_space(theme::GAP_M);
        ui.label(RichText::new(title).font(theme::title_font(theme::SIZE_TITLE)));
        ui.label(RichText::new(hint).color(palette.muted));
        ui.add_space(theme::GAP_S);
        buttons(ui);
        ui.add_space(theme::GAP_L);
    });
}

/// On its way.
pub fn loading(ui: &mut Ui, what: &str) {
    centred(ui, |ui| {
        ui.add(egui::Spinner::new().size(18.0));
        ui.label(RichText::new(format!("{what} …")).color(theme::palette(ui).muted));
    });
}

/// Broken: the reason, and what to do. True if a person wants another try.
pub fn failed(ui: &mut Ui, title: &str, reason: &str) -> bool {
    let mut is_retried = false;
    centred(ui, |ui| {
        let palette = theme::palette(ui);
        ui.label(RichText::new(title).font(theme::title_font(theme::SIZE_TITLE)).color(palette.bad));
        ui.label(RichText::new(reason).color(palette.text));
        is_retried = ui.button("Try again").clicked();
    });
    is_retried
}

fn centred(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    card::frame(ui).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.vertical_centered(|ui| {
            ui.add_space(theme::GAP_L);
            contents(ui);
            ui.add_space(theme::GAP_L);
        });
    });
}
