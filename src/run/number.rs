//! Numbers in run files: JSON that keeps NaN and the infinities.
//!
//! A plain JSON writer turns a non-finite number into `null` and so loses the one datum a crash is
//! about. Here they are the strings "NaN", "Infinity" and "-Infinity", written and read in this
//! place only: as `#[serde(with = "number")]` on an `f64`, `number::option` on an `Option<f64>`,
//! `number::list` on a `Vec<f64>`.

use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Whether the exponent bits say that a value is neither NaN nor an infinity.
pub fn is_finite(value: f64) -> bool {
    (value.to_bits() >> 52) & 0x7ff != 0x7ff
}

/// The word for a non-finite value; none for a finite one.
pub fn word(value: f64) -> Option<&'static str> {
    let has_fraction = value.to_bits() & ((1 << 52) - 1) != 0;
    match (is_finite(value), has_fraction, value.is_sign_negative()) {
        (true, _, _) => None,
        (false, true, _) => Some("NaN"),
        (false, false, false) => Some("Infinity"),
        (false, false, true) => Some("-Infinity"),
    }
}

/// The value of a word written by [`word`].
pub fn from_word(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

/// The shortest text that reads back as the same number, for CSV.
pub fn text(value: f64) -> String {
    word(value).map_or_else(|| format!("{value}"), str::to_string)
}

/// Four significant digits, for sentences and tables.
pub fn short(value: f64) -> String {
    if let Some(word) = word(value) {
        return word.to_string();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_string();
    }
    if !(1e-3..1e5).contains(&size) {
        let text = format!("{value:.3e}");
        let (digits, exponent) = text.split_once('e').expect("the e format writes an e");
        return format!("{}e{exponent}", trim_zeros(digits));
    }
    let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
    trim_zeros(&format!("{value:.decimals$}")).to_string()
}

/// The nearest number of four significant digits; what is not finite stays.
pub fn rounded(value: f64) -> f64 {
    if is_finite(value) { format!("{value:.3e}").parse().expect("a printed number is a number") } else { value }
}

fn trim_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

/// Writes a number, or the word for it.
pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match word(*value) {
        Some(word) => serializer.serialize_str(word),
        None => serializer.serialize_f64(*value),
    }
}

/// Reads a number, or one of the three words.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    struct NumberOrWord;
    impl Visitor<'_> for NumberOrWord {
        type Value = f64;
        fn expecting(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
            out.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
        }
        fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }
        fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
            Ok(value as f64)
        }
        fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<f64, E> {
            from_word(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
        }
    }
    deserializer.deserialize_any(NumberOrWord)
}

/// One number with this module's encoding, for the containers below.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Number(#[serde(with = "self")] f64);

/// Numbers that may be missing; write them with `default` and `skip_serializing_if`.
pub mod option {
    use super::*;

    /// Writes the number, or null.
    pub fn serialize<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
        value.map(Number).serialize(serializer)
    }

    /// Reads a number, a word or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<Number>::deserialize(deserializer)?.map(|number| number.0))
    }
}

/// Rows of numbers.
pub mod list {
    use super::*;

    /// Writes an array of numbers and words.
    pub fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().copied().map(Number))
    }

    /// Reads an array of numbers and words.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
        let numbers = Vec::<Number>::deserialize(deserializer).map_err(D::Error::custom)?;
        Ok(numbers.into_iter().map(|number| number.0).collect())
    }
}
