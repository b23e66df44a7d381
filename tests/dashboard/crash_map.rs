//! Runs sorted by stem, learning rate and warm-up.

use vitrine::dashboard::crash_map::maps;

use super::sample;

#[test]
fn runs_fall_into_their_cells() {
    let mut live = sample::short();
    live.head.is_live = true;
    let samples = [sample::crashed(), sample::long(), sample::seeded(1, 50), sample::seeded(2, 50), live];
    let maps = maps(&samples.iter().map(|sample| &sample.head).collect::<Vec<_>>());
    let stems: Vec<&str> = maps.iter().map(|map| map.stem.as_str()).collect();
    assert_eq!(stems, ["1Proj", "3Conv+3BN+3ReLU+1Proj"]);
    assert!(maps.iter().all(|map| map.setting.is_empty()), "the settings of a stem are alike");
    assert_eq!((maps[0].lrs.as_slice(), maps[0].cells[0][0].crash_frac()), ([8e-3].as_slice(), 1.0));
    assert_eq!(maps[1].lrs, [1e-3, 2e-3]);
    assert_eq!(maps[1].cells[0][0].runs.len(), 2, "two seeds, and not the run under way");
    assert_eq!(maps[1].cells[1][0].num_crashed, 0);
    assert!(maps[1].cells[1][0].mean_top1().is_some_and(|top1| top1 > 0.5));
}

#[test]
fn runs_of_another_setting_have_a_map_of_their_own() {
    let mut deeper = sample::seeded(3, 50);
    deeper.head.config_toml = deeper.head.config_toml.replace("depth = 4", "depth = 6");
    let samples = [sample::seeded(1, 50), sample::seeded(2, 50), deeper];
    let maps = maps(&samples.iter().map(|sample| &sample.head).collect::<Vec<_>>());
    let settings: Vec<(&str, usize)> = maps.iter().map(|map| (map.setting.as_str(), map.cells[0][0].runs.len())).collect();
    assert_eq!(settings, [("model.depth 4", 2), ("model.depth 6", 1)]);
}
