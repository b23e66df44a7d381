//! The one error type: what went wrong, where, and what to do about it.
//!
//! A user's mistake is an `Err` before any device work; a mistake of ours is an assertion with the
//! values. Each error is handled once: returned or reported, never both.

use std::path::{Path, PathBuf};

/// Result with Vitrine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, by what the user can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line does not make sense. Exit code 2.
    #[error("{what}{}", advice(.hint))]
    Usage {
        /// What is wrong with it.
        what: String,
        /// What to type instead; may be empty.
        hint: String,
    },
    /// A config key, value or combination is impossible. Exit code 3.
    #[error("{at}{what}{}", advice(.hint))]
    Config {
        /// Where: `file.toml:12: ` or `--set model.heads: `; may be empty.
        at: String,
        /// What is wrong, with the offending numbers.
        what: String,
        /// The nearest right key or value; may be empty.
        hint: String,
    },
    /// Two shapes that do not fit an operation. Exit code 3.
    #[error("{op}: {what}{}", advice(.hint))]
    Shape {
        /// Op or layer, e.g. `matmul` or `patch_embed.conv.3`.
        op: String,
        /// The rule that is broken, naming both shapes.
        what: String,
        /// What would fit; may be empty.
        hint: String,
    },
    /// An image set is missing, truncated or corrupt. Exit code 3.
    #[error("{}: {what}{}", .path.display(), advice(.hint))]
    Data {
        /// File or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
        /// Where to get a good one; may be empty.
        hint: String,
    },
    /// A checkpoint, weights or run file cannot be used. Exit code 3.
    #[error("{}: {what}{}", .path.display(), advice(.hint))]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it (lists tensors where that applies).
        what: String,
        /// What to do; may be empty.
        hint: String,
    },
    /// No adapter, or its limits are too small for the model. Exit code 4.
    #[error("{what}{}", advice(.hint))]
    Device {
        /// What the adapter lacks, with both numbers.
        what: String,
        /// What would work; may be empty.
        hint: String,
    },
    /// The operating system refused. Exit code 1.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// Verb phrase: `write the checkpoint`.
        action: String,
        /// The system's own word.
        source: std::io::Error,
    },
    /// A mistake of ours that a user should report. Exit code 1.
    #[error("internal error: {0}; please report this with the command and config")]
    Internal(String),
}

fn advice(hint: &str) -> String {
    if hint.is_empty() { String::new() } else { format!("; {hint}") }
}

impl Error {
    /// A [`Error::Usage`].
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: hint.into() }
    }

    /// A [`Error::Config`] with no place; readers of files and flags add it with [`Error::located`].
    pub fn config(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Config { at: String::new(), what: what.into(), hint: hint.into() }
    }

    /// A [`Error::Shape`] of the named op or layer.
    pub fn shape(op: impl Into<String>, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Shape { op: op.into(), what: what.into(), hint: hint.into() }
    }

    /// A [`Error::Data`].
    pub fn data(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Data { path: path.to_path_buf(), what: what.into(), hint: hint.into() }
    }

    /// A [`Error::File`].
    pub fn file(path: &Path, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::File { path: path.to_path_buf(), what: what.into(), hint: hint.into() }
    }

    /// A [`Error::Device`].
    pub fn device(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Device { what: what.into(), hint: hint.into() }
    }

    /// A [`Error::Io`] for `action` on `path`.
    pub fn io(path: &Path, action: impl Into<String>, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), action: action.into(), source }
    }

    /// The same error with the place it came from, when it is a config error without one. A place that ends with
    /// the key that the message begins with names it for both.
    pub fn located(self, place: impl Into<String>) -> Self {
        match self {
            Self::Config { at, what, hint } if at.is_empty() => {
                let place = place.into();
                let key = place.rsplit(' ').next().unwrap_or_default();
                let (joint, rest) = match what.strip_prefix(key) {
                    Some(rest) if rest.starts_with(": ") => (": ", &rest[2..]),
                    Some(rest) if rest.starts_with(' ') => (" ", &rest[1..]),
                    _ => (": ", what.as_str()),
                };
                Self::Config { at: format!("{place}{joint}"), what: rest.to_string(), hint }
            }
            other => other,
        }
    }

    /// The documented exit code of the command line.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage { .. } => 2,
            Self::Config { .. } | Self::Shape { .. } | Self::Data { .. } | Self::File { .. } => 3,
            Self::Device { .. } => 4,
            Self::Io { .. } | Self::Internal(_) => 1,
        }
    }
}
