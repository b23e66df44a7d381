//! A sample of letters as this build draws them, so that builds can be held against each other: a page
//! whose compiler drops the stems of a K is found by a test and not by a reader.

use egui::FontFamily;
use egui::epaint::text::{Fonts, TextOptions};

use super::theme;

/// The sizes of the type scale.
const SIZES: [f32; 5] = [theme::SIZE_SMALL, theme::SIZE_BODY, theme::SIZE_TITLE, theme::SIZE_HEADING, theme::SIZE_DISPLAY];
/// The signs among the letters that the screens use.
const SIGNS: &str = "…–−→←×±√αβ₀✖●▲◌";

/// How much of each pixel ink covers, 0 to 255, row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lettering {
    /// Pixels in a row.
    pub width: usize,
    /// Of each pixel.
    pub coverage: Vec<u8>,
}

/// Every printable ASCII letter and the signs, in every family and size of the theme.
pub fn sample() -> Lettering {
    let mut fonts = Fonts::new(TextOptions::default(), theme::fonts());
    let letters: String = (' '..='~').chain(SIGNS.chars()).collect();
    for family in [FontFamily::Proportional, theme::semibold(), FontFamily::Monospace] {
        for size in SIZES {
            let mut view = fonts.with_pixels_per_point(1.0);
            view.layout_no_wrap(letters.clone(), egui::FontId::new(size, family.clone()), theme::UNTINTED);
        }
    }
    let image = fonts.image();
    Lettering { width: image.width(), coverage: image.pixels.iter().map(|pixel| pixel.a()).collect() }
}
