//! Parameters and arithmetic of the presets are those of the paper, section 1.1.

use vitrine::config::{Sources, load};
use vitrine::model::vit;
use vitrine::train::graphs::Graphs;

#[test]
fn the_deit_presets_cost_what_the_paper_says() {
    for (name, params, gmacs) in [
        ("deit-tiny", 5_717_416, 1.254),
        ("deit-tiny-conv", 6_439_912, 2.422),
        ("deit-small", 22_050_664, 4.599),
        ("deit-small-conv", 23_412_136, 5.892),
        ("deit-base", 86_567_656, 17.564),
        ("deit-base-conv", 89_207_080, 19.108),
    ] {
        let experiment = load(&Sources { preset: Some(name), ..Sources::default() }).expect(name).experiment;
        let parameters = vit::parameters(&experiment.model).expect(name);
        assert_eq!(parameters.count(), params, "{name}");
        let graphs = Graphs { experiment: &experiment, parameters: &parameters, micro_batch: 2 };
        let found = graphs.forward_macs().expect(name) / 1e9;
        // The paper's figures have three digits behind the point.
        assert!((found - gmacs).abs() < 6e-4, "{name}: {found}");
    }
}
