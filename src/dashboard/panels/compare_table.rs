//! The table of runs: a fixed head, a row a run, only columns that differ.

use egui::{Align, Layout, Margin, RichText, Ui};
use egui_table::{CellInfo, Column, HeaderCellInfo, HeaderRow, Table as TableView, TableDelegate};

use crate::dashboard::compare::Table;
use crate::dashboard::model::{Action, Model};
use crate::dashboard::theme;
use crate::dashboard::widgets::sign;

const ROW_HEIGHT: f32 = 26.0;
/// A column is no narrower than this, points.
const LEAST_WIDTH: f32 = 56.0;
/// Rows shown before the table scrolls.
const MAX_ROWS: usize = 14;
/// Width of a letter, points, for a first guess of columns.
const LETTER_WIDTH: f32 = 7.2;

/// Shows the table.
pub fn show(ui: &mut Ui, model: &mut Model, table: &Table) {
    let width = |column: usize| {
        let longest = table.rows.iter().map(|row| row.cells[column].chars().count()).chain([table.titles[column].chars().count()]).max();
        (longest.unwrap_or(4) as f32 * LETTER_WIDTH + 20.0 + if column == 0 { 50.0 } else { 0.0 }).clamp(56.0, 300.0)
    };
    let columns: Vec<Column> = (0..table.titles.len()).map(|column| Column::new(width(column)).range(LEAST_WIDTH..=500.0)).collect();
    let height = ROW_HEIGHT * (1 + table.rows.len().min(MAX_ROWS)) as f32 + 12.0;
    let mut rows = Rows { table, model };
    ui.allocate_ui(egui::vec2(ui.available_width(), height), |ui| {
        TableView::new()
            .id_salt(("runs", table.titles.len()))
            .num_rows(table.rows.len() as u64)
            .columns(columns)
            .num_sticky_cols(1)
            .headers([HeaderRow::new(ROW_HEIGHT)])
            .show(ui, &mut rows);
    });
}

/// A text that says how wide it is when widths are found out, and is cut where it is wider afterwards.
fn fitting(ui: &Ui, text: impl Into<egui::WidgetText>) -> egui::Label {
    let label = egui::Label::new(text);
    if ui.is_sizing_pass() { label.extend() } else { label.truncate() }
}

struct Rows<'a> {
    table: &'a Table,
    model: &'a mut Model,
}

impl TableDelegate for Rows<'_> {
    fn header_cell_ui(&mut self, ui: &mut Ui, cell: &HeaderCellInfo) {
        let title = self.table.titles.get(cell.col_range.start).map_or("", String::as_str);
        let palette = theme::palette(ui);
        egui::Frame::new().inner_margin(Margin::symmetric(6, 2)).show(ui, |ui| {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let text = RichText::new(title).size(theme::SIZE_SMALL).font(theme::title_font(theme::SIZE_SMALL)).color(palette.muted);
                ui.add(fitting(ui, text));
            });
        });
    }

    fn cell_ui(&mut self, ui: &mut Ui, cell: &CellInfo) {
        let palette = theme::palette(ui);
        let Some(row) = self.table.rows.get(cell.row_nr as usize) else { return };
        if cell.row_nr % 2 == 1 {
            ui.painter().rect_filled(ui.max_rect(), 0.0, palette.raised.gamma_multiply(0.5));
        }
        let text = row.cells.get(cell.col_nr).map_or("", String::as_str);
        egui::Frame::new().inner_margin(Margin::symmetric(6, 2)).show(ui, |ui| {
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.spacing_mut().interact_size.y = 18.0;
                ui.spacing_mut().button_padding = egui::Vec2::ZERO;
                if cell.col_nr == 0 {
                    sign::run_line(ui, row.runs.first().map_or(0, |key| self.model.runs.slot(key)));
                    sign::verdict(ui, row.verdict);
                    let button = egui::Button::new(text).frame(false);
                    let button = if ui.is_sizing_pass() { button } else { button.truncate() };
                    if ui.add(button).on_hover_text("Open this run alone").clicked() {
                        self.model.ask(Action::Show(row.runs.clone(), crate::dashboard::view::Screen::Train));
                    }
                } else {
                    ui.add(fitting(ui, text));
                }
            });
        });
    }
}
