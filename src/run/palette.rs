//! Colour scales for maps of numbers, the same in files and on screen: data only.
//!
//! Viridis goes from dark blue over green to yellow in steps of equal visible difference, also for
//! most colour-blind eyes and in grey. The diverging scale is dark at 0 and runs to two hues.

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// Colour of a value that is not a number.
pub const NOT_FINITE: Rgb = [255, 0, 255];

/// Polynomials in the position 0..1 for red, green and blue in 0..1, lowest power first: least
/// squares through the published 256 colours, off by 5 of 255 at most.
const VIRIDIS: [[f64; 7]; 3] = [
    [0.274_455, 0.107_708, -0.327_241, -4.599_932, 6.203_736, 4.751_787, -5.432_077],
    [0.005_768, 1.396_470, 0.214_814, -5.758_238, 14.153_965, -13.749_439, 4.641_571],
    [0.332_664, 1.386_771, 0.091_977, -19.291_809, 56.656_300, -65.320_968, 26.272_108],
];

/// Viridis at `position`, 0..1 (outside: the nearer end).
pub fn viridis(position: f32) -> Rgb {
    if !position.is_finite() {
        return NOT_FINITE;
    }
    let x = f64::from(position.clamp(0.0, 1.0));
    VIRIDIS.map(|terms| {
        let value = terms.iter().rev().fold(0.0, |sum, term| sum * x + term);
        (255.0 * value).round().clamp(0.0, 255.0) as u8
    })
}

/// Ends of the diverging scale: Okabe and Ito's blue and orange.
const BELOW: Rgb = [0, 114, 178];
const ABOVE: Rgb = [230, 159, 0];

/// Blue at −1, near black at 0, orange at 1.
pub fn diverging(position: f32) -> Rgb {
    if !position.is_finite() {
        return NOT_FINITE;
    }
    let (end, share) = if position < 0.0 { (BELOW, -position) } else { (ABOVE, position) };
    end.map(|part| (f32::from(part) * share.min(1.0)).round() as u8)
}

/// `value` on the way from `low` to `high`; 0 where they are equal.
pub fn position(value: f32, [low, high]: [f32; 2]) -> f32 {
    if !value.is_finite() {
        f32::NAN
    } else if high > low {
        (value - low) / (high - low)
    } else {
        0.0
    }
}

/// Least and largest of the finite values; [0, 0] where there is none.
pub fn range(values: &[f32]) -> [f32; 2] {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let [low, high] = finite.fold([f32::INFINITY, f32::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)]);
    if low > high { [0.0, 0.0] } else { [low, high] }
}
