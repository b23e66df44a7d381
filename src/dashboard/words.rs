//! Words on screen: kinds, sentences, spans of time.

use crate::run::alarm::{AlarmKind, Crash};

/// An alarm in words: `gradient explosion`.
pub fn alarm(kind: AlarmKind) -> String {
    match kind {
        AlarmKind::NonFinite => "non-finite".to_string(),
        AlarmKind::GradExplosion => "gradient explosion".to_string(),
        other => other.name().replace('_', " "),
    }
}

/// A crash with its step: `non-finite at step 214`.
pub fn crash(crash: Crash) -> String {
    format!("{} at step {}", alarm(crash.kind), crash.step)
}

/// A text as a sentence begins: with a capital, unless its first word is code.
pub fn sentence(text: &str) -> String {
    let first_word = text.split_whitespace().next().unwrap_or("");
    let mut letters = text.chars();
    match letters.next() {
        Some(first) if !first_word.contains(['.', '_', '=']) => first.to_uppercase().chain(letters).collect(),
        _ => text.to_string(),
    }
}

/// At most `len` letters.
pub fn shortened(text: &str, len: usize) -> String {
    if text.chars().count() <= len { text.to_string() } else { text.chars().take(len - 1).chain(['…']).collect() }
}

/// `1 h 20 min`, `12 min`, `40 s`.
pub fn duration(secs: f64) -> String {
    let whole = secs.round().max(1.0) as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, secs) => format!("{secs} s"),
        (0, minutes, secs) if minutes < 10 => format!("{minutes} min {secs} s"),
        (0, minutes, _) => format!("{minutes} min"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}
