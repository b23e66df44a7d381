//! timm's notation for RandAugment: `rand-m9-mstd0.5-inc1`.
//!
//!   rand   always first
//!   mM     strength M of 0..=10 (default 10)
//!   nN     N distortions an image (default 2)
//!   mstdS  deviation of the strength (default 0)
//!   incI   1: more strength is further from the picture, for all distortions (default 0)
//!   pP     chance of each distortion drawn (default 0.5)

/// Layers whose draws fit an image's share of the stream.
const MAX_LAYERS: usize = 12;
/// What to write.
const EXAMPLE: &str = "write it like \"rand-m9-mstd0.5-inc1\", or \"\" for none";

/// RandAugment as asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandAugmentSpec {
    /// Distortions an image.
    pub layers: usize,
    /// Mean strength, 0..=10.
    pub strength: f64,
    /// Deviation of the strength.
    pub deviation: f64,
    /// Whether more strength is further from the picture for all of them.
    pub is_increasing: bool,
    /// Chance of each distortion drawn, 0..1.
    pub chance: f64,
}

impl RandAugmentSpec {
    /// Reads the notation; `None` for an empty text.
    ///
    /// Errors: what cannot be understood, as a sentence with an example.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text.is_empty() {
            return Ok(None);
        }
        let complaint = |what: String| format!("augment.rand_augment \"{text}\": {what}; {EXAMPLE}");
        let mut parts = text.split('-');
        if parts.next() != Some("rand") {
            return Err(complaint("it does not begin with \"rand\"".into()));
        }
        let mut spec = Self { layers: 2, strength: 10.0, deviation: 0.0, is_increasing: false, chance: 0.5 };
        for part in parts {
            let digits = part.find(|symbol: char| symbol.is_ascii_digit()).unwrap_or(part.len());
            let (key, number) = part.split_at(digits);
            let number: f64 = number.parse().map_err(|_| complaint(format!("\"{part}\" is not a letter and a number")))?;
            let range = match key {
                "m" => 0.0..=10.0,
                "mstd" => 0.0..=100.0,
                "n" => 1.0..=MAX_LAYERS as f64,
                "inc" | "p" => 0.0..=1.0,
                _ => return Err(complaint(format!("\"{part}\" begins with none of m, mstd, n, inc, p"))),
            };
            if !range.contains(&number) || (matches!(key, "n" | "inc") && number.fract() != 0.0) {
                let kind = if matches!(key, "n" | "inc") { "a whole number" } else { "a number" };
                return Err(complaint(format!("\"{part}\" is not {kind} from {} to {}", range.start(), range.end())));
            }
            match key {
                "m" => spec.strength = number,
                "mstd" => spec.deviation = number,
                "n" => spec.layers = number as usize,
                "inc" => spec.is_increasing = number > 0.0,
                _ => spec.chance = number,
            }
        }
        Ok(Some(spec))
    }
}
