//! Pictures of the screens, drawn without a window: for eyes, and proof that something is drawn.
//!
//! They lie in `target/dashboard-pictures`. No adapter: the test says SKIPPED.

use std::collections::HashSet;

use vitrine::dashboard::view::Screen;

use super::host::Stage;
use super::sample::{self, Sample};

/// Fewer colours than this, and a screen is blank.
const MIN_COLORS: usize = 40;

/// What is selected: `empty`, `short`, `crashed` or `long` (beside the crashed one).
fn stage(screen: Screen, kind: &str) -> Stage {
    let samples: Vec<Sample> = match kind {
        "empty" => Vec::new(),
        _ => vec![sample::long(), sample::crashed(), sample::short()],
    };
    let selected: &[usize] = match (kind, screen) {
        ("empty", _) | (_, Screen::Start | Screen::CrashMap | Screen::Doctor) => &[],
        ("long", Screen::Autopsy) | ("crashed", _) => &[1],
        ("short", _) => &[2],
        _ => &[0, 1],
    };
    let keys: Vec<String> = selected.iter().map(|&ix| samples[ix].key().0).collect();
    let hash = if keys.is_empty() { screen.slug().to_string() } else { format!("{}?runs={}", screen.slug(), keys.join(",")) };
    let hash = if !keys.is_empty() && matches!(screen, Screen::Attention | Screen::Tokens) { hash + "&patch=17" } else { hash };
    Stage { is_drawn: true, probe: Some(super::probe::file().to_tensors().to_bytes()), ..Stage::new(samples, hash) }
}

/// Draws a screen and keeps the picture. False: there is no adapter to draw with.
fn is_drawn(screen: Screen, kind: &str, (theme, theme_name): Look, (size, size_name): Size) -> bool {
    let (mut harness, ..) = Stage { theme, size, ..stage(screen, kind) }.open();
    if screen == Screen::Doctor && kind != "empty" {
        harness.state_mut().model.ask(vitrine::dashboard::model::Action::CheckUp);
    }
    harness.run_steps(4);
    let picture = match harness.render() {
        Ok(picture) => picture,
        Err(error) => {
            assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{error}");
            println!("SKIPPED: {error}");
            return false;
        }
    };
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dashboard-pictures");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let name = format!("{}-{kind}-{theme_name}-{size_name}.png", screen.slug());
    picture.save(folder.join(&name)).expect("the picture can be saved");
    let colors: HashSet<_> = picture.pixels().map(|pixel| pixel.0).collect();
    assert!(colors.len() >= MIN_COLORS, "{name}: {} colours", colors.len());
    true
}

/// A theme with its name.
type Look = (egui::Theme, &'static str);
/// A window's size with its name.
type Size = ([f32; 2], &'static str);

const DARK: Look = (egui::Theme::Dark, "dark");
const LIGHT: Look = (egui::Theme::Light, "light");
const WIDE: Size = ([1280.0, 860.0], "wide");
const NARROW: Size = ([420.0, 860.0], "narrow");

/// What is drawn of a screen: kind of run, theme, size. Every kind and whole screens only where
/// `DASHBOARD_PICTURES=all` asks for them: those who work on the look do.
fn pictures() -> Vec<(&'static str, Look, Size)> {
    if std::env::var_os("DASHBOARD_PICTURES").is_none() {
        return vec![("long", DARK, WIDE), ("long", LIGHT, NARROW)];
    }
    let tall = ([1280.0, 1700.0], "tall");
    let of_kind = |kind| [(kind, DARK, tall), (kind, LIGHT, tall)];
    let mut all: Vec<_> = ["empty", "short", "crashed", "long"].into_iter().flat_map(of_kind).collect();
    all.extend([("long", DARK, WIDE), ("long", LIGHT, NARROW), ("long", DARK, ([420.0, 2600.0], "tall-narrow"))]);
    all
}

#[test]
fn every_screen_is_drawn_in_both_themes() {
    for screen in Screen::ALL {
        for (kind, theme, size) in pictures() {
            if !is_drawn(screen, kind, theme, size) {
                return;
            }
        }
    }
}
