//! Pictures of the screens, drawn without a window: for eyes, and proof that something is drawn.
//!
//! They lie in `target/dashboard-pictures`. No adapter: the test says SKIPPED.

use std::collections::HashSet;

use vitrine::dashboard::view::Screen;

use super::host::Stage;
use super::sample::{self, Sample};

/// Fewer colours than this, and a screen is blank.
const MIN_COLORS: usize = 40;

fn stage(screen: Screen) -> Stage {
    let samples: Vec<Sample> = vec![sample::long(), sample::crashed(), sample::short()];
    let selected: &[Sample] = match screen {
        Screen::Start | Screen::CrashMap | Screen::Doctor => &[],
        Screen::Autopsy => &samples[1..2],
        _ => &samples[..2],
    };
    let keys: Vec<String> = selected.iter().map(|sample| sample.key().0).collect();
    let hash = if keys.is_empty() { screen.slug().to_string() } else { format!("{}?runs={}", screen.slug(), keys.join(",")) };
    let hash = if matches!(screen, Screen::Attention | Screen::Tokens) { hash + "&patch=17" } else { hash };
    Stage { is_drawn: true, probe: Some(super::probe::file().to_tensors().to_bytes()), ..Stage::new(samples, hash) }
}

#[test]
fn every_screen_is_drawn_in_both_themes() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/dashboard-pictures");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    for screen in Screen::ALL {
        for (theme, name) in [(egui::Theme::Dark, "dark"), (egui::Theme::Light, "light")] {
            for (size, width) in [([1280.0, 860.0], "wide"), ([420.0, 860.0], "narrow")] {
                let (mut harness, ..) = Stage { theme, size, ..stage(screen) }.open();
                if screen == Screen::Doctor {
                    harness.state_mut().model.ask(vitrine::dashboard::model::Action::CheckUp);
                }
                harness.run_steps(4);
                let picture = match harness.render() {
                    Ok(picture) => picture,
                    Err(error) => {
                        assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{error}");
                        println!("SKIPPED: {error}");
                        return;
                    }
                };
                picture.save(folder.join(format!("{}-{name}-{width}.png", screen.slug()))).expect("the picture can be saved");
                let colors: HashSet<_> = picture.pixels().map(|pixel| pixel.0).collect();
                assert!(colors.len() >= MIN_COLORS, "{} {name} {width}: {} colours", screen.title(), colors.len());
            }
        }
    }
}
