//! The geometry of stems: maps, paddings, grids, and the combinations that do not come out.

use vitrine::config::experiment::ModelConfig;
use vitrine::config::stem::StemKind;

use super::assert_names;

fn model(image_size: usize, stem: &str, strides: &[usize], kernels: &[usize]) -> ModelConfig {
    ModelConfig {
        image_size,
        stem: stem.into(),
        strides: strides.to_vec(),
        stem_kernels: kernels.to_vec(),
        dim: 384,
        ..ModelConfig::default()
    }
}

const FULL: &str = "3Conv+3BN+3ReLU+1Proj";

/// (image, strides, kernels) → paddings, sides of the maps.
type Case<'a> = (usize, &'a [usize], &'a [usize], [usize; 4], [usize; 4]);

#[test]
fn conv_stems_match_the_tables_of_the_paper() {
    let cases: [Case; 6] = [
        (224, &[], &[], [3, 1, 1, 0], [112, 112, 112, 14]),
        (224, &[2, 2, 2, 2], &[], [3, 1, 1, 3], [112, 56, 28, 14]),
        (48, &[2, 2, 2, 2], &[], [3, 1, 1, 3], [24, 12, 6, 3]),
        (28, &[2, 1, 1, 2], &[7, 3, 3, 2], [3, 1, 1, 0], [14, 14, 14, 7]),
        (28, &[2, 1, 1, 2], &[], [3, 1, 1, 3], [14, 14, 14, 7]),
        (96, &[2, 1, 1, 8], &[7, 3, 3, 8], [3, 1, 1, 0], [48, 48, 48, 6]),
    ];
    for (image_size, strides, kernels, paddings, sides) in cases {
        let geometry = model(image_size, FULL, strides, kernels).stem_geometry().expect("valid");
        assert_eq!(geometry.layers.iter().map(|layer| layer.padding).collect::<Vec<_>>(), paddings, "{image_size} {strides:?}");
        assert_eq!(geometry.layers.iter().map(|layer| layer.out_side).collect::<Vec<_>>(), sides, "{image_size} {strides:?}");
        assert_eq!((geometry.grid_side, geometry.tokens), (sides[3], sides[3] * sides[3]));
        for pair in geometry.layers.windows(2) {
            assert_eq!((pair[0].out_side, pair[0].out_channels), (pair[1].in_side, pair[1].in_channels));
        }
    }
}

#[test]
fn layers_carry_the_names_channels_and_biases_of_the_paper() {
    let mut config = model(224, FULL, &[], &[]);
    let layers = config.stem_geometry().expect("valid").layers;
    assert_eq!(
        layers.iter().map(|l| l.name).collect::<Vec<_>>(),
        ["patch_embed.conv.0", "patch_embed.conv.3", "patch_embed.conv.6", "patch_embed.proj"]
    );
    assert_eq!(layers.iter().map(|l| (l.in_channels, l.out_channels)).collect::<Vec<_>>(), [(3, 64), (64, 64), (64, 64), (64, 384)]);
    assert_eq!(layers.iter().map(|l| l.bias).collect::<Vec<_>>(), [false, false, false, true]);
    let weights: usize = layers.iter().map(|l| l.in_channels * l.out_channels * l.kernel * l.kernel).sum();
    // The paper's 1 656 768 parameters without the projection's bias (384) and three BatchNorms (384).
    assert_eq!(weights, 1_656_768 - 384 - 384);
    config.stem_conv_bias = true;
    assert!(config.stem_geometry().expect("valid").layers.iter().all(|l| l.bias));
}

#[test]
fn patchify_cuts_touching_patches() {
    let geometry = model(224, "1Proj", &[], &[]).stem_geometry().expect("valid");
    assert_eq!(geometry.layers.len(), 1);
    let proj = &geometry.layers[0];
    assert_eq!((proj.name, proj.kernel, proj.stride, proj.padding, proj.bias), ("patch_embed.proj", 16, 16, 0, true));
    assert_eq!((proj.in_channels, proj.out_channels, geometry.tokens), (3, 384, 196));
    assert_eq!(model(28, "1Proj", &[4], &[]).stem_geometry().expect("valid").tokens, 49);
}

#[test]
fn names_and_parts_of_the_eight_stems_agree() {
    for kind in StemKind::ALL {
        let name = kind.name();
        assert_eq!(StemKind::from_name(name).expect(name), kind);
        // The name is the data flow: parts before `1Proj` follow convolutions, parts after it follow the projection.
        let (before, after) = name.split_once("1Proj").expect("every stem projects");
        assert_eq!(kind.has_convs(), before.contains("3Conv"), "{name}");
        assert_eq!(kind.conv_batch_norm(), before.contains("3BN"), "{name}");
        assert_eq!(kind.conv_relu(), before.contains("3ReLU"), "{name}");
        assert_eq!(kind.proj_batch_norm(), after.contains("1BN"), "{name}");
        assert_eq!(kind.proj_relu(), after.contains("1ReLU"), "{name}");
        assert_eq!(kind.num_layers(), if before.is_empty() { 1 } else { 4 }, "{name}");
    }
}

#[test]
fn impossible_geometry_names_the_layer_and_the_numbers() {
    let cases: [(ModelConfig, &[&str]); 9] = [
        (model(32, FULL, &[8], &[]), &["model.strides", "takes 4 strides", "[8]", "[2, 1, 1, 8]"]),
        (model(32, "1Proj", &[2, 1, 1, 8], &[]), &["model.strides", "takes 1 strides", "[4]"]),
        (model(32, FULL, &[], &[7, 3]), &["model.stem_kernels", "takes 4 kernels", "[7, 3]"]),
        (model(32, FULL, &[2, 1, 0, 8], &[]), &["model.strides", "0 is not between 1"]),
        (model(32, FULL, &[2, 1, 1, 8], &[7, 3, 3, 2]), &["patch_embed.proj", "(2 − 8)/2", "negative"]),
        (model(32, FULL, &[2, 1, 1, 8], &[7, 4, 3, 8]), &["patch_embed.conv.3", "(4 − 1)/2", "not whole"]),
        (model(30, FULL, &[], &[]), &["model.image_size", "30", "multiple of 16", "try 16 or 32"]),
        (model(32, "1Proj", &[4], &[8]), &["patch_embed.proj", "kernel 8 differs from stride 4"]),
        (model(32, FULL, &[8192, 8192, 8192, 8192], &[]), &["model.image_size", "32 is not a multiple of"]),
    ];
    for (config, parts) in cases {
        let error = config.stem_geometry().expect_err("must be refused");
        assert_eq!(error.exit_code(), 3);
        assert_names(&error.to_string(), parts);
    }
}
