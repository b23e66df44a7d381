//! How everything looks: colours, type scale, spacing. The only place that names colours.
//!
//! One accent for what can be acted on; the colours of Okabe and Ito (2008) for runs, each with a
//! dash of its own, so that no run is told by colour alone; four tones for verdicts, each with a shape.

use std::sync::Arc;

use egui::epaint::Shadow;
use egui::{
    Color32, Context, CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Margin, Stroke, Style, TextStyle, Theme, Ui, Visuals,
};
use egui_plot::LineStyle;

use crate::run::alarm::{Level, Verdict};
use crate::run::number::is_finite;

/// Spacing, points: between a sign and its text …
pub const GAP_XS: f32 = 4.0;
/// … between parts of one thing …
pub const GAP_S: f32 = 8.0;
/// … between things …
pub const GAP_M: f32 = 12.0;
/// … and between groups of things.
pub const GAP_L: f32 = 20.0;
/// Below this width the screens put one thing under another.
pub const NARROW_WIDTH: f32 = 720.0;
/// Type scale, points: ticks and footnotes …
pub const SIZE_SMALL: f32 = 11.0;
/// … text …
pub const SIZE_BODY: f32 = 13.0;
/// … titles of cards …
pub const SIZE_TITLE: f32 = 15.0;
/// … titles of screens …
pub const SIZE_HEADING: f32 = 20.0;
/// … and single large numbers.
pub const SIZE_DISPLAY: f32 = 26.0;

/// Colours of runs.
const NUM_COLORS: usize = 8;

/// Colours of one theme.
#[derive(Clone, Copy, Debug)]
pub struct Palette {
    /// Behind everything.
    pub ground: Color32,
    /// Cards and bars.
    pub surface: Color32,
    /// Fields, tracks and hovered rows on a surface.
    pub raised: Color32,
    /// Lines between things.
    pub line: Color32,
    /// Text to read.
    pub text: Color32,
    /// Text beside it.
    pub muted: Color32,
    /// Grid lines and what is switched off.
    pub faint: Color32,
    /// What can be acted on, and the playhead.
    pub accent: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
    /// Tone of a healthy run.
    pub good: Color32,
    /// Tone of a warning.
    pub warn: Color32,
    /// Tone of a crash.
    pub bad: Color32,
    /// Runs, in the order of Okabe and Ito, with the two that vanish on this ground made legible.
    pub runs: [Color32; NUM_COLORS],
}

const DARK: Palette = Palette {
    ground: Color32::from_rgb(0x0e, 0x11, 0x16),
    surface: Color32::from_rgb(0x16, 0x1a, 0x21),
    raised: Color32::from_rgb(0x20, 0x26, 0x30),
    line: Color32::from_rgb(0x2b, 0x32, 0x3e),
    text: Color32::from_rgb(0xe8, 0xeb, 0xf0),
    muted: Color32::from_rgb(0xa3, 0xad, 0xbb),
    faint: Color32::from_rgb(0x5c, 0x67, 0x76),
    accent: Color32::from_rgb(0x8a, 0xa4, 0xff),
    on_accent: Color32::from_rgb(0x0e, 0x11, 0x16),
    good: Color32::from_rgb(0x4c, 0xc3, 0x8a),
    warn: Color32::from_rgb(0xf2, 0xb1, 0x4a),
    bad: Color32::from_rgb(0xff, 0x6b, 0x6b),
    runs: [
        Color32::from_rgb(0x56, 0xb4, 0xe9),
        Color32::from_rgb(0xe6, 0x9f, 0x00),
        Color32::from_rgb(0x1f, 0xc2, 0x95),
        Color32::from_rgb(0xcc, 0x79, 0xa7),
        Color32::from_rgb(0xf0, 0xe4, 0x42),
        Color32::from_rgb(0xf0, 0x7a, 0x2d),
        Color32::from_rgb(0x4a, 0x90, 0xe2),
        Color32::from_rgb(0xc3, 0xc9, 0xd2),
    ],
};

const LIGHT: Palette = Palette {
    ground: Color32::from_rgb(0xf4, 0xf5, 0xf8),
    surface: Color32::from_rgb(0xff, 0xff, 0xff),
    raised: Color32::from_rgb(0xec, 0xee, 0xf3),
    line: Color32::from_rgb(0xdd, 0xe1, 0xe8),
    text: Color32::from_rgb(0x17, 0x1c, 0x24),
    muted: Color32::from_rgb(0x53, 0x5e, 0x6d),
    faint: Color32::from_rgb(0x9a, 0xa4, 0xb2),
    accent: Color32::from_rgb(0x36, 0x55, 0xd8),
    on_accent: Color32::from_rgb(0xff, 0xff, 0xff),
    good: Color32::from_rgb(0x0b, 0x80, 0x50),
    warn: Color32::from_rgb(0xa8, 0x67, 0x00),
    bad: Color32::from_rgb(0xcb, 0x2c, 0x31),
    runs: [
        Color32::from_rgb(0x00, 0x72, 0xb2),
        Color32::from_rgb(0xd5, 0x5e, 0x00),
        Color32::from_rgb(0x00, 0x86, 0x62),
        Color32::from_rgb(0xb3, 0x55, 0x8c),
        Color32::from_rgb(0xc9, 0x87, 0x00),
        Color32::from_rgb(0x2f, 0x93, 0xcf),
        Color32::from_rgb(0x8c, 0x82, 0x00),
        Color32::from_rgb(0x3a, 0x42, 0x4e),
    ],
};

/// The tint that leaves a picture as it is.
pub const UNTINTED: Color32 = Color32::WHITE;

/// A cell of a map whose value is not finite.
const NOT_FINITE: Color32 = DARK.bad;

/// Ten samples of the viridis map (Smith and van der Walt, 2015): even steps of lightness.
const VIRIDIS: [[u8; 3]; 10] = [
    [68, 1, 84],
    [72, 40, 120],
    [62, 74, 137],
    [49, 104, 142],
    [38, 130, 142],
    [31, 158, 137],
    [53, 183, 121],
    [109, 205, 89],
    [180, 222, 44],
    [253, 231, 37],
];

/// Blue, white, vermillion: signs of numbers, legible to the colour-blind.
const DIVERGING: [[u8; 3]; 5] = [[0, 92, 158], [122, 178, 214], [245, 245, 245], [240, 160, 112], [190, 72, 0]];

/// The colours of the theme that `ui` is drawn in.
pub fn palette(ui: &Ui) -> &'static Palette {
    of(ui.visuals().dark_mode)
}

/// The colours of the theme that `ctx` shows.
pub fn palette_of(ctx: &Context) -> &'static Palette {
    of(ctx.theme() == Theme::Dark)
}

fn of(is_dark: bool) -> &'static Palette {
    if is_dark { &DARK } else { &LIGHT }
}

impl Palette {
    /// Colour of the run in `slot`.
    pub fn run(&self, slot: usize) -> Color32 {
        self.runs[slot % self.runs.len()]
    }

    /// Tone of a verdict.
    pub fn verdict(&self, verdict: Verdict) -> Color32 {
        match verdict {
            Verdict::Healthy => self.good,
            Verdict::Unstable => self.warn,
            Verdict::Stuck => self.muted,
            Verdict::Crashed => self.bad,
        }
    }

    /// Tone of an event.
    pub fn level(&self, level: Level) -> Color32 {
        match level {
            Level::Fatal => self.bad,
            Level::Warn => self.warn,
            Level::Info => self.muted,
        }
    }
}

/// Dash of the run in `slot`: neighbours differ in dash as well as in colour, and the next eight runs, whose
/// colours are the same again, in dash.
pub fn dash(slot: usize) -> LineStyle {
    match (slot + slot / NUM_COLORS) % 4 {
        0 => LineStyle::Solid,
        1 => LineStyle::Dashed { length: 7.0 },
        2 => LineStyle::Dotted { spacing: 5.0 },
        _ => LineStyle::Dashed { length: 13.0 },
    }
}

/// A colour for a share of 0 to 1: dark is little, bright is much; what is not finite stands out.
pub fn sequential(share: f64) -> Color32 {
    between(&VIRIDIS, share)
}

/// The same over a picture: little leaves most of the picture to be seen.
pub fn veil(share: f64) -> Color32 {
    sequential(share).gamma_multiply((0.45 + 0.4 * share.clamp(0.0, 1.0)) as f32)
}

/// A colour for −1 to 1: blue below 0, white at 0, vermillion above.
pub fn diverging(value: f64) -> Color32 {
    between(&DIVERGING, 0.5 + 0.5 * value)
}

/// Black to white for 0 to 1; what is not finite stands out.
pub fn grey(share: f64) -> Color32 {
    if !is_finite(share) {
        return NOT_FINITE;
    }
    Color32::from_gray((255.0 * share.clamp(0.0, 1.0)).round() as u8)
}

/// A pixel of three channels of 0 to 1.
pub fn pixel(channels: [f64; 3]) -> Color32 {
    let [red, green, blue] = channels.map(|share| (255.0 * share.clamp(0.0, 1.0)).round() as u8);
    Color32::from_rgb(red, green, blue)
}

fn between(stops: &[[u8; 3]], share: f64) -> Color32 {
    if !is_finite(share) {
        return NOT_FINITE;
    }
    let place = share.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
    let below = (place.floor() as usize).min(stops.len() - 2);
    let part = place - below as f64;
    let mixed = |channel: usize| {
        let (low, high) = (f64::from(stops[below][channel]), f64::from(stops[below + 1][channel]));
        (low + (high - low) * part).round() as u8
    };
    Color32::from_rgb(mixed(0), mixed(1), mixed(2))
}

/// Font family of titles.
pub fn semibold() -> FontFamily {
    FontFamily::Name("semibold".into())
}

/// Font of a title of this size.
pub fn title_font(size: f32) -> FontId {
    FontId::new(size, semibold())
}

/// Loads fonts and both themes into `ctx`; which of the two is shown follows the system until a
/// person chooses.
pub fn install(ctx: &Context) {
    ctx.set_fonts(fonts());
    ctx.set_style_of(Theme::Dark, style(Visuals::dark(), &DARK));
    ctx.set_style_of(Theme::Light, style(Visuals::light(), &LIGHT));
}

/// The fonts, subsets of Inter and of a monospaced one, and the signs.
pub fn fonts() -> FontDefinitions {
    const FILES: [(&str, &[u8]); 4] = [
        ("regular", include_bytes!("../../assets/fonts/inter-regular.otf")),
        ("semibold", include_bytes!("../../assets/fonts/inter-semibold.otf")),
        ("mono", include_bytes!("../../assets/fonts/mono-regular.ttf")),
        ("symbols", include_bytes!("../../assets/fonts/symbols.ttf")),
    ];
    let mut fonts = FontDefinitions::empty();
    for (name, bytes) in FILES {
        fonts.font_data.insert(name.to_string(), Arc::new(FontData::from_static(bytes)));
    }
    let stack = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
    fonts.families.insert(FontFamily::Proportional, stack(&["regular", "symbols"]));
    fonts.families.insert(semibold(), stack(&["semibold", "symbols"]));
    fonts.families.insert(FontFamily::Monospace, stack(&["mono", "symbols"]));
    fonts
}

fn style(base: Visuals, palette: &Palette) -> Style {
    let mut style = Style { visuals: visuals(base, palette), ..Style::default() };
    style.text_styles = [
        (TextStyle::Small, FontId::proportional(SIZE_SMALL)),
        (TextStyle::Body, FontId::proportional(SIZE_BODY)),
        (TextStyle::Button, FontId::proportional(SIZE_BODY)),
        (TextStyle::Monospace, FontId::monospace(SIZE_BODY - 1.0)),
        (TextStyle::Heading, title_font(SIZE_HEADING)),
    ]
    .into();
    style.spacing.item_spacing = egui::vec2(GAP_S, 6.0);
    style.spacing.button_padding = egui::vec2(10.0, 5.0);
    style.spacing.interact_size.y = 26.0;
    style.spacing.menu_margin = Margin::same(6);
    style.spacing.scroll.bar_width = 8.0;
    style.spacing.tooltip_width = 360.0;
    style.interaction.selectable_labels = false;
    style
}

fn visuals(base: Visuals, palette: &Palette) -> Visuals {
    let mut visuals = base;
    visuals.panel_fill = palette.ground;
    visuals.window_fill = palette.surface;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.window_corner_radius = CornerRadius::same(10);
    visuals.menu_corner_radius = CornerRadius::same(8);
    visuals.window_shadow = Shadow { offset: [0, 8], blur: 28, spread: 0, color: Color32::from_black_alpha(70) };
    visuals.popup_shadow = Shadow { offset: [0, 4], blur: 16, spread: 0, color: Color32::from_black_alpha(60) };
    visuals.extreme_bg_color = palette.raised;
    visuals.faint_bg_color = palette.raised.gamma_multiply(0.5);
    visuals.code_bg_color = palette.raised;
    visuals.hyperlink_color = palette.accent;
    visuals.warn_fg_color = palette.warn;
    visuals.error_fg_color = palette.bad;
    visuals.weak_text_color = Some(palette.muted);
    visuals.selection.bg_fill = palette.accent.gamma_multiply(0.32);
    visuals.selection.stroke = Stroke::new(1.0, palette.text);
    let radius = CornerRadius::same(6);
    let states = [
        (&mut visuals.widgets.noninteractive, palette.surface, palette.line, palette.text),
        (&mut visuals.widgets.inactive, palette.raised, Color32::TRANSPARENT, palette.text),
        (&mut visuals.widgets.hovered, palette.line, palette.faint, palette.text),
        (&mut visuals.widgets.active, palette.line, palette.accent, palette.text),
        (&mut visuals.widgets.open, palette.line, palette.faint, palette.text),
    ];
    for (state, fill, edge, text) in states {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = Stroke::new(1.0, edge);
        state.fg_stroke = Stroke::new(1.0, text);
        state.corner_radius = radius;
        state.expansion = 0.0;
    }
    visuals
}
