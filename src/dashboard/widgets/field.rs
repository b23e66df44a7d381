//! Text fields with a name.

use egui::{Response, WidgetInfo};

/// Gives a text field that has no label beside it a name, for those who do not see it.
pub fn name(answer: &Response, text: &str, name: &str) {
    answer.widget_info(|| WidgetInfo { label: Some(name.to_string()), ..WidgetInfo::text_edit(true, text, text, "") });
}
