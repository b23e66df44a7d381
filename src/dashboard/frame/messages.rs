//! Passing messages in the corner.

use egui::{Align2, Area, Id, Order, RichText, Ui, vec2};

use crate::dashboard::model::Model;
use crate::dashboard::theme;
use crate::dashboard::widgets::{card, sign};

/// How long a message stays, seconds.
const SHOWN_SECS: f64 = 8.0;
/// Messages shown at once; the latest.
const MAX_SHOWN: usize = 4;

/// Shows messages that are not over.
pub fn show(ui: &mut Ui, model: &mut Model) {
    let now_secs = ui.input(|input| input.time);
    for message in &mut model.messages {
        message.until_secs.get_or_insert(now_secs + SHOWN_SECS);
    }
    model.messages.retain(|message| message.until_secs.is_some_and(|until_secs| until_secs > now_secs));
    if model.messages.is_empty() {
        return;
    }
    ui.ctx().request_repaint_after_secs(0.5);
    let mut closed = None;
    let first = model.messages.len().saturating_sub(MAX_SHOWN);
    Area::new(Id::unique("messages")).order(Order::Foreground).anchor(Align2::RIGHT_BOTTOM, vec2(-16.0, -132.0)).show(ui.ctx(), |ui| {
        ui.set_max_width(380.0);
        for (ix, message) in model.messages.iter().enumerate().skip(first) {
            let shadow = ui.visuals().popup_shadow;
            card::frame(ui).stroke(egui::Stroke::new(1.0, theme::palette(ui).accent)).shadow(shadow).show(ui, |ui| {
                ui.horizontal(|ui| {
                    ui.add(egui::Label::new(RichText::new(&message.text)).wrap());
                    if sign::button(ui, sign::Sign::Close, "Close the message").clicked() {
                        closed = Some(ix);
                    }
                });
            });
        }
    });
    if let Some(ix) = closed {
        model.messages.remove(ix);
    }
}
