//! Colour scales against published colours.

use vitrine::run::palette::{NOT_FINITE, diverging, position, range, viridis};

#[test]
fn viridis_is_the_published_scale() {
    // Colours 0, 64, 128, 191 and 255 of 256.
    let published = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [92, 200, 99], [253, 231, 37]];
    for (ix, wanted) in [0.0, 64.0, 128.0, 191.0, 255.0].into_iter().zip(published) {
        let found = viridis(ix / 255.0);
        let off = found.iter().zip(wanted).map(|(found, wanted)| i32::from(*found).abs_diff(wanted)).max();
        assert!(off <= Some(5), "{ix}: {found:?} is not {wanted:?}");
    }
}

#[test]
fn scales_grow_lighter_and_mark_what_is_not_finite() {
    let light = |rgb: [u8; 3]| 0.2126 * f64::from(rgb[0]) + 0.7152 * f64::from(rgb[1]) + 0.0722 * f64::from(rgb[2]);
    let steps: Vec<f64> = (0..=50).map(|ix| light(viridis(ix as f32 / 50.0))).collect();
    assert!(steps.windows(2).all(|pair| pair[0] < pair[1]), "{steps:?}");
    assert_eq!(viridis(-3.0), viridis(0.0));
    assert_eq!(diverging(0.0), [0, 0, 0]);
    assert!(diverging(-1.0)[2] > diverging(-1.0)[0] && diverging(1.0)[0] > diverging(1.0)[2]);
    for bad in [f32::NAN, f32::INFINITY] {
        assert_eq!(viridis(bad), NOT_FINITE);
        assert_eq!(diverging(bad), NOT_FINITE);
        assert!(position(bad, [0.0, 1.0]).is_nan());
    }
}

#[test]
fn ranges_leave_out_what_is_not_finite() {
    assert_eq!(range(&[3.0, f32::NAN, -1.0, f32::INFINITY]), [-1.0, 3.0]);
    assert_eq!(range(&[f32::NAN]), [0.0, 0.0]);
    assert_eq!(position(1.0, [0.0, 4.0]), 0.25);
    assert_eq!(position(1.0, [1.0, 1.0]), 0.0);
}
